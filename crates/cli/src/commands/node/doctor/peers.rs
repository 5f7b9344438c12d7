//! What the other nodes say, asked over TLS that accepts their own keys alone: whether they are
//! there, how high their chains are, what time it is there.

use super::{
    super::contacts,
    Found,
    check::{Check, Level},
};
use crate::commands::listing;
use std::{collections::BTreeSet, time::Duration};
use tokio::net::TcpStream;
use trustmesh_api::NodeView;
use trustmesh_client::{
    Endpoint, Options,
    probe::{ClockOffset, Probe, probe},
};
use trustmesh_node::inspect::Use;
use trustmesh_types::{
    genesis::faults_tolerated,
    limits::CLOCK_AHEAD_MS_MAX,
    records::{NodeInfo, Runtime, Standing},
};

/// For one node to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Blocks behind the others that are nothing unusual.
const LAG_BLOCKS_MAX: u64 = 8;
/// A clock that is off by more is a problem: devices' signatures are refused.
const OFF_MS_MAX: i64 = 30_000;

/// A node of the network.
pub struct Member {
    info: NodeInfo,
    /// Whether the ledger's next block needs its vote.
    votes: bool,
}

/// A node and its answer.
pub struct Asked<'a> {
    member: &'a Member,
    is_self: bool,
    /// `None`: it is this node and does not run.
    answer: Option<Result<Probe, String>>,
    /// Whether something listens on its node-to-node port.
    p2p: bool,
}

impl Asked<'_> {
    fn said(&self) -> Option<&Probe> {
        self.answer.as_ref()?.as_ref().ok()
    }
}

/// The nodes by now, as one of them says; those that this node knows by itself when none does.
pub async fn members(found: &Found) -> Vec<Member> {
    let (genesis, me) = (&found.genesis, found.key.public());
    // That its join file can't be read has been said.
    let known = contacts::known(&found.config, genesis).unwrap_or_else(|_| genesis.nodes.clone());
    if let Ok(Some(client)) = contacts::client(genesis, &known, &me)
        && let Ok(views) = listing::nodes(&client).await
    {
        let takes_part = |it: &NodeView| it.votes || !matches!(it.standing, Standing::Removed);
        let views = views.into_iter().filter(takes_part);
        return views.map(|it| Member { votes: it.votes, info: it.info }).collect();
    }
    let validators = genesis.validators();
    let votes = |info: &NodeInfo| validators.contains(&info.key);
    known.into_iter().map(|info| Member { votes: votes(&info), info }).collect()
}

/// Whether this node is known to run containers.
pub fn runs_containers(found: &Found, members: &[Member]) -> bool {
    let me = found.key.public();
    let own = members.iter().find(|it| it.info.key == me);
    own.is_some_and(|it| it.info.runtimes.contains(&Runtime::Container))
}

/// Asks all nodes, at the same time; this one only when it runs.
pub async fn ask<'a>(found: &Found, members: &'a [Member], used: Use) -> Vec<Asked<'a>> {
    let me = found.key.public();
    let asked = members.iter().map(|member| async move {
        let info = &member.info;
        let is_self = info.key == me;
        if is_self && used != Use::Running {
            return Asked { member, is_self, answer: None, p2p: false };
        }
        let mut endpoint = Endpoint::of_node(info);
        if is_self {
            endpoint.address = reachable(found.config.listen.http);
        }
        let options =
            Options { connect_timeout: PATIENCE, answer_timeout: PATIENCE, ..Options::default() };
        let answer = Some(probe(endpoint, found.genesis.network_id(), &options).await);
        let connect = tokio::time::timeout(PATIENCE, TcpStream::connect(&info.p2p_address));
        let p2p = matches!(connect.await, Ok(Ok(_)));
        Asked { member, is_self, answer, p2p }
    });
    futures::future::join_all(asked).await
}

/// An address to reach a listener at from its own machine.
pub fn reachable(listen: std::net::SocketAddr) -> String {
    match listen {
        it if !it.ip().is_unspecified() => it.to_string(),
        it if it.is_ipv4() => format!("127.0.0.1:{}", it.port()),
        it => format!("[::1]:{}", it.port()),
    }
}

/// What follows from their answers.
pub fn judge(asked: &[Asked<'_>], checks: &mut Vec<Check>) {
    for one in asked {
        if let Some(answer) = &one.answer {
            checks.push(if one.is_self { own(answer) } else { peer(one, answer) });
        }
    }
    checks.push(quorum(asked));
    let others = asked.iter().filter(|one| !one.is_self);
    let clocks: Vec<ClockOffset> = others.filter_map(|one| one.said()?.clock).collect();
    checks.push(clock(&clocks));
    checks.extend(lag(asked));
    checks.extend(versions(asked));
}

fn own(answer: &Result<Probe, String>) -> Check {
    match answer {
        Ok(it) if it.status.caught_up => {
            Check::ok("node", format!("serves, at block {}", it.status.height))
        }
        Ok(it) => Check::warning(
            "node",
            format!("serves, but does not follow the chain (block {})", it.status.height),
            "wait while it catches up; if its height stays, look at the peers below",
        ),
        Err(why) => Check::problem(
            "node",
            format!("it runs, but its API does not answer: {why}"),
            "look at its log; if it does not go on, stop it and start it again",
        ),
    }
}

fn peer(one: &Asked<'_>, answer: &Result<Probe, String>) -> Check {
    let info = &one.member.info;
    let name = &info.name;
    match (answer, one.p2p) {
        (Ok(it), true) => Check::ok(
            "peer",
            format!("{name} at block {}, {} ms away", it.status.height, it.round_trip.as_millis()),
        ),
        (Ok(_), false) => Check::warning(
            "peer",
            format!("{name} answers, but not at its node-to-node port {}", info.p2p_address),
            "open that port between the two machines: nodes agree over it",
        ),
        (Err(why), _) => Check::warning(
            "peer",
            format!("{name} ({}): {why}", info.http_address),
            "see whether that node runs and its ports are reachable from here",
        ),
    }
}

/// With f faulty ones tolerated, n - f validators must answer.
fn quorum(asked: &[Asked<'_>]) -> Check {
    let validators = || asked.iter().filter(|it| it.member.votes);
    let count = validators().count();
    let there = validators().filter(|it| it.is_self || (it.said().is_some() && it.p2p)).count();
    let needed = count.saturating_sub(faults_tolerated(count));
    let says = format!(
        "{there} of {count} validators reachable, this one among them if it votes; {needed} must be"
    );
    if there < needed {
        let advice = "bring the validators above back: until then no block becomes final";
        Check::problem("quorum", says, advice)
    } else if there < count {
        let left = there - needed;
        Check::warning("quorum", says, format!("{left} more may fail before the ledger stops"))
    } else {
        Check::ok("quorum", says)
    }
}

/// This machine's clock against the middle one of the peers'.
pub fn clock(clocks: &[ClockOffset]) -> Check {
    let mut sorted = clocks.to_vec();
    sorted.sort_unstable_by_key(|it| it.ahead_ms);
    let Some(middle) = sorted.get(sorted.len() / 2) else {
        let advice = "look at it by hand (`timedatectl`): blocks of a clock ahead are refused";
        return Check::warning("clock", "no peer says what time it is", advice);
    };
    // By how much it is off for certain.
    let off_ms = middle.ahead_ms.abs().saturating_sub(middle.within_ms).max(0);
    let side = if middle.ahead_ms > 0 { "behind" } else { "ahead of" };
    let advice = "set this machine's clock, and keep it set with NTP (`timedatectl set-ntp true`)";
    let allowed = i64::try_from(CLOCK_AHEAD_MS_MAX).unwrap_or(i64::MAX);
    if off_ms == 0 {
        let says = format!("within {} ms of the peers'", middle.within_ms);
        return Check::ok("clock", says);
    }
    let says = format!("at least {off_ms} ms {side} the peers'");
    match off_ms {
        off if off > OFF_MS_MAX => Check::problem("clock", says, advice),
        off if off > allowed && middle.ahead_ms < 0 => Check::problem("clock", says, advice),
        _ => Check::warning("clock", says, advice),
    }
}

fn lag(asked: &[Asked<'_>]) -> Option<Check> {
    let height = |one: &Asked<'_>| one.said().map(|it| it.status.height);
    let own = asked.iter().find(|it| it.is_self).and_then(height)?;
    let best = asked.iter().filter(|it| !it.is_self).filter_map(height).max()?;
    let behind = best.saturating_sub(own);
    if behind > LAG_BLOCKS_MAX {
        let says = format!("{behind} blocks behind the highest peer");
        return Some(Check::warning("height", says, "wait while it catches up"));
    }
    Some(Check::ok("height", format!("block {own}, the highest peer at {best}")))
}

fn versions(asked: &[Asked<'_>]) -> Option<Check> {
    let answers = asked.iter().filter_map(Asked::said);
    let versions: BTreeSet<&str> = answers.map(|it| it.status.version.as_str()).collect();
    let all: Vec<&str> = versions.iter().copied().collect();
    match all.as_slice() {
        [] => None,
        [one] => Some(Check::ok("version", format!("{one}, as the peers"))),
        _ => Some(Check {
            check: "version",
            level: Level::Warning,
            found: format!("the nodes run {}", all.join(", ")),
            advice: Some("bring all nodes to one version".to_owned()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ahead_ms: &[i64]) -> Vec<ClockOffset> {
        ahead_ms.iter().map(|&ahead_ms| ClockOffset { ahead_ms, within_ms: 510 }).collect()
    }

    #[test]
    fn a_clock_is_judged_by_the_middle_one_of_the_peers() {
        for (peers, level, part) in [
            (&[-400, 0, 300][..], Level::Ok, "within 510 ms"),
            (&[-90_000, 0, 300], Level::Ok, "within"),
            (&[1_000, 1_100, 0], Level::Warning, "490 ms behind"),
            (&[-1_200, -1_100, 0], Level::Problem, "590 ms ahead of"),
            (&[-900, -900, 0], Level::Warning, "390 ms ahead of"),
            (&[60_000, 61_000, 0], Level::Problem, "59490 ms behind"),
            (&[], Level::Warning, "no peer"),
        ] {
            let found = clock(&at(peers));
            assert_eq!(found.level, level, "{peers:?}: {found:?}");
            assert!(found.found.contains(part), "{peers:?}: {found:?}");
        }
    }
}
