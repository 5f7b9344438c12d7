//! `bench crash`: `kill -9` of nodes of a real mesh at random moments under a constant load,
//! and then: was anything lost that a node had accepted, is a result wrong, did a node need a
//! hand, do the ledgers agree?
//!
//! The end-to-end tests run this very command with fewer kills.

mod heads;
mod kills;
mod moments;
mod traffic;
mod work;

use super::{
    arguments::CrashArgs,
    machine::Machine,
    report::{self, Figure},
};
use crate::{
    commands::{
        interrupt::interruptible,
        mesh::{Mesh, MeshOptions, Unusual},
    },
    context::Context,
    failure::{Done, Failure},
    statistics::Percentiles,
};
use kills::{Kills, Orders, Round};
use moments::Moments;
use serde::Serialize;
use std::time::Duration;
use tokio::{sync::watch, time::Instant};
use traffic::{Fate, Traffic};

/// Flaws that are told one by one.
const TOLD_MAX: usize = 20;

#[derive(Serialize)]
struct Report {
    machine: Machine,
    seed: u64,
    nodes: u16,
    /// When a silent leader is passed over.
    leader_timeout_ms: u64,
    seconds: u64,
    /// Processes that were killed.
    kills: u32,
    /// Rounds in which all were killed at once.
    all_at_once: usize,
    requests: Requests,
    /// From the start of a process to its "ready".
    restart_ms: Percentiles,
    /// From the kill of a node until it follows the chain again, and that goes on.
    back_ms: Percentiles,
    /// From the kill of one node to the next result that a device has.
    next_result_ms: Percentiles,
    /// The same where all nodes were killed.
    next_result_after_all_ms: Percentiles,
    /// From a request's making to its result.
    round_trip_ms: Percentiles,
    /// Height at which the ledgers were compared.
    height: u64,
    /// What did not hold.
    flaws: Vec<String>,
}

#[derive(Serialize)]
struct Requests {
    made: usize,
    accepted: usize,
    right: usize,
    wrong: usize,
    lost: usize,
    not_accepted: usize,
    left_out: u64,
}

/// Kills, measures and reports.
pub async fn run(context: &Context, args: &CrashArgs) -> Done {
    let seed = match args.seed {
        Some(seed) => seed,
        None => u64::from(getrandom::u32().map_err(Failure::failed)?),
    };
    let nodes = args.nodes.into();
    let unusual = Unusual {
        idle_interval_ms: Some(args.leader_timeout_ms / 2),
        leader_timeout_ms: Some(args.leader_timeout_ms),
        ..Unusual::default()
    };
    let mut mesh = Mesh::new(MeshOptions { purpose: "crash", nodes, detached: false, unusual })?;
    let measured = interruptible(measure(args, seed, &mut mesh)).await;
    match &measured {
        Ok(report) if !report.flaws.is_empty() => {
            mesh.halt().await?;
            eprintln!("what the nodes left is in {}", mesh.folder().display());
            mesh.keep();
        }
        _ => mesh.stop().await?,
    }
    let report = measured?;
    context.printer.answer(&report, text)?;
    match report.flaws.len() {
        0 => Ok(()),
        count => Err(Failure::failed(format!("{count} things did not hold"))
            .advise(format!("see them above; --seed {seed} draws the same moments"))),
    }
}

async fn measure(args: &CrashArgs, seed: u64, mesh: &mut Mesh) -> Done<Report> {
    mesh.start().await?;
    let devices = work::prepare(mesh, args.devices).await?;
    let started = Instant::now();
    let (stop, stopped) = watch::channel(false);
    let orders =
        Orders { kills: args.kills, all_every: args.all_every, moments: Moments::new(seed) };
    let killing = async {
        let kills = kills::run(mesh, orders).await;
        stop.send_replace(true);
        kills
    };
    let load = traffic::run(devices, args.per_second, seed, stopped);
    let (kills, traffic) = tokio::join!(killing, load);
    let (kills, traffic) = (kills?, traffic?);
    let seconds = started.elapsed().as_secs();
    let (height, unequal) = heads::compare(mesh).await?;
    let flaws = [kills.stuck.clone(), flaws_of(&traffic), unequal].concat();
    Ok(Report {
        machine: Machine::this(),
        seed,
        nodes: args.nodes,
        leader_timeout_ms: args.leader_timeout_ms,
        seconds,
        kills: kills.rounds.iter().map(|round| round.killed).sum(),
        all_at_once: kills.rounds.iter().filter(|round| round.all).count(),
        requests: counts(&traffic),
        restart_ms: times(kills.rounds.iter().map(|round| round.start)),
        back_ms: times(kills.rounds.iter().map(|round| round.back)),
        next_result_ms: times(next_results(&kills, &traffic, false)),
        next_result_after_all_ms: times(next_results(&kills, &traffic, true)),
        round_trip_ms: times(right(&traffic).map(|it| it.ended - it.made)),
        height,
        flaws,
    })
}

fn right(traffic: &Traffic) -> impl Iterator<Item = &traffic::Ended> {
    traffic.all.iter().filter(|it| it.fate == Fate::Right)
}

fn counts(traffic: &Traffic) -> Requests {
    let count = |is: fn(&Fate) -> bool| traffic.all.iter().filter(|it| is(&it.fate)).count();
    let not_accepted = count(|fate| matches!(fate, Fate::NotAccepted(_)));
    Requests {
        made: traffic.all.len(),
        accepted: traffic.all.len() - not_accepted,
        right: count(|fate| *fate == Fate::Right),
        wrong: count(|fate| matches!(fate, Fate::Wrong(_))),
        lost: count(|fate| matches!(fate, Fate::Lost(_))),
        not_accepted,
        left_out: traffic.left_out,
    }
}

/// A request that nobody accepted within its two minutes was promised nothing, but with one
/// node down at a time somebody has to.
fn flaws_of(traffic: &Traffic) -> Vec<String> {
    let flaw = |it: &traffic::Ended| match &it.fate {
        Fate::Right => None,
        Fate::Wrong(what) => Some(format!("request {} is wrong: {what}", it.serial)),
        Fate::Lost(why) => Some(format!("request {} is lost: {why}", it.serial)),
        Fate::NotAccepted(why) => Some(format!("request {} was not accepted: {why}", it.serial)),
    };
    traffic.all.iter().filter_map(flaw).collect()
}

/// From each kill to the first result after it.
fn next_results(kills: &Kills, traffic: &Traffic, all: bool) -> Vec<Duration> {
    let next = |round: &Round| {
        let after = right(traffic).filter(|it| it.ended > round.at).map(|it| it.ended - round.at);
        after.min()
    };
    kills.rounds.iter().filter(|round| round.all == all).filter_map(next).collect()
}

fn times(all: impl IntoIterator<Item = Duration>) -> Percentiles {
    Percentiles::of(all.into_iter().map(|it| u64::try_from(it.as_micros()).unwrap_or(u64::MAX)))
}

fn text(report: &Report) -> String {
    let it = &report.requests;
    let figures = [
        Figure::plain("seed", report.seed.to_string()),
        Figure::plain("nodes", report.nodes.to_string()),
        Figure::plain(
            "killed",
            format!("{} in {} s, {} times all", report.kills, report.seconds, report.all_at_once),
        ),
        Figure::plain("requests", format!("{}, {} accepted", it.made, it.accepted)),
        Figure::plain(
            "results",
            format!("{} right, {} wrong, {} lost", it.right, it.wrong, it.lost),
        ),
        Figure::plain("restart", report.restart_ms.text()),
        Figure::plain("follows the chain after a kill", report.back_ms.text()),
        Figure::plain("next result after a kill", report.next_result_ms.text()),
        Figure::plain("next result after all died", report.next_result_after_all_ms.text()),
        Figure::plain("round trip", report.round_trip_ms.text()),
        Figure::plain("ledgers compared at block", report.height.to_string()),
    ];
    let mut text = report::text(&report.machine, &figures);
    for flaw in report.flaws.iter().take(TOLD_MAX) {
        text.push_str(&format!("\nFLAW {flaw}"));
    }
    text
}
