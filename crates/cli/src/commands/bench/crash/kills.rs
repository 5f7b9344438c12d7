//! Kills nodes at moments that a seed draws, and starts them again at once.
//!
//! Invariants: one node at a time is down or catching up, which a mesh of four stands, but for
//! the rounds in which all are killed at once; nobody helps a node to come back.

use super::moments::Moments;
use crate::{commands::mesh::Mesh, failure::Done, output::Progress};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use trustmesh_client::{Client, Options};

/// Longest time between a node that is back and the next kill.
const PAUSE_MAX: Duration = Duration::from_millis(1_000);
/// One in so many kills is followed by another one while the node starts.
const TWICE_ONE_IN: u64 = 8;
/// It comes within this time.
const STARTING: Duration = Duration::from_millis(600);
/// For a node that is back to follow the chain, and the chain to go on.
const CATCH_UP: Duration = Duration::from_secs(60);
/// Between two looks whether it does.
const LOOK: Duration = Duration::from_millis(25);

/// A kill, of one node or of all.
#[derive(Debug, Clone)]
pub struct Round {
    /// Processes that were killed, those killed while starting included.
    pub killed: u32,
    /// Whether all were at once.
    pub all: bool,
    /// When.
    pub at: Instant,
    /// From the start of the process to "ready"; for all, until the last was.
    pub start: Duration,
    /// From the kill until the node follows the chain again, and that goes on.
    pub back: Duration,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Kills {
    /// The rounds.
    pub rounds: Vec<Round>,
    /// Nodes that did not come back by themselves, and why. The first one ends the killing.
    pub stuck: Vec<String>,
}

impl Kills {
    fn killed(&self) -> u32 {
        self.rounds.iter().map(|round| round.killed).sum()
    }
}

/// What to kill.
#[derive(Debug, Clone, Copy)]
pub struct Orders {
    /// Processes to kill, at least.
    pub kills: u32,
    /// Every so many rounds all nodes are killed at once; never when 0.
    pub all_every: u32,
    /// Draws the moments.
    pub moments: Moments,
}

/// Kills until enough are killed, or a node does not come back.
pub async fn run(mesh: &mut Mesh, orders: Orders) -> Done<Kills> {
    let progress = Progress::bar(orders.kills.into(), "kills");
    let (mut kills, mut nth) = (Kills::default(), 0);
    while kills.killed() < orders.kills && kills.stuck.is_empty() {
        nth += 1;
        sleep(orders.moments.within("pause", nth, PAUSE_MAX)).await;
        let all = orders.all_every > 0 && nth % u64::from(orders.all_every) == 0;
        let done =
            if all { everybody(mesh).await? } else { somebody(mesh, orders.moments, nth).await? };
        match done {
            Ok(round) => kills.rounds.push(round),
            Err(why) => kills.stuck.push(why),
        }
        progress.at(kills.killed().into());
    }
    Ok(kills)
}

/// Kills one node, starts it, and waits until it follows the chain.
async fn somebody(mesh: &mut Mesh, moments: Moments, nth: u64) -> Done<Result<Round, String>> {
    let index = moments.below("node", nth, mesh.nodes() as u64);
    let index = usize::try_from(index).unwrap_or(0);
    let before = mesh.client()?.status().await?.height;
    let at = Instant::now();
    mesh.kill(&[index]).await?;
    let mut killed = 1;
    if moments.below("twice", nth, TWICE_ONE_IN) == 0 {
        mesh.begin_start(index)?;
        sleep(moments.within("starting", nth, STARTING)).await;
        mesh.kill(&[index]).await?;
        killed += 1;
    }
    let started = Instant::now();
    if let Err(error) = mesh.restart(index).await? {
        return Ok(Err(error.to_string()));
    }
    let start = started.elapsed();
    Ok(follows(mesh, index, before).await?.map(|()| Round {
        killed,
        all: false,
        at,
        start,
        back: at.elapsed(),
    }))
}

/// Kills all nodes at once, and starts them.
async fn everybody(mesh: &mut Mesh) -> Done<Result<Round, String>> {
    let all: Vec<usize> = (0..mesh.nodes()).collect();
    let before = mesh.client()?.status().await?.height;
    let at = Instant::now();
    mesh.kill(&all).await?;
    let started = Instant::now();
    if let Err(error) = mesh.restart_all().await? {
        return Ok(Err(error.to_string()));
    }
    let start = started.elapsed();
    for index in &all {
        if let Err(why) = follows(mesh, *index, before).await? {
            return Ok(Err(why));
        }
    }
    let killed = u32::try_from(all.len()).unwrap_or(u32::MAX);
    Ok(Ok(Round { killed, all: true, at, start, back: at.elapsed() }))
}

/// Waits until a node says that it follows the chain, and has a block that came after `before`:
/// nodes that were killed again before the ledger went on would stand for a mesh in which
/// nobody is ever up long enough to pass over a leader.
async fn follows(mesh: &Mesh, index: usize, before: u64) -> Done<Result<(), String>> {
    let options = Options { rounds: 1, answer_timeout: CATCH_UP / 4, ..Options::default() };
    let client = mesh.client_of(index, options)?;
    let looking = async {
        while !has_more(&client, before).await {
            sleep(LOOK).await
        }
    };
    let waited = timeout(CATCH_UP, looking).await;
    let late = |_| {
        let (name, seconds) = (mesh.name(index), CATCH_UP.as_secs());
        format!("{name} has no new block {seconds} s after its start")
    };
    Ok(waited.map_err(late))
}

async fn has_more(client: &Client, before: u64) -> bool {
    client.status().await.is_ok_and(|status| status.caught_up && status.height > before)
}
