//! `bench idle`: what an idle mesh writes, and what a dead leader costs with the same times.
//!
//! The two pull against each other (docs/adr/0007-idle-blocks.md): a leader that holds its turn
//! longer writes less, and a dead one is noticed later.

use super::{
    arguments::IdleArgs,
    load::{self, Load},
    machine::Machine,
    notes,
    report::{self, Figure, NodesUsage},
    usage,
};
use crate::{
    commands::mesh::Unusual,
    context::Context,
    failure::{Done, Failure},
    output::Progress,
    statistics::Percentiles,
};
use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;
use trustmesh_api::Fate;
use trustmesh_types::genesis::Parameters;

/// What setting up left to do is over after this.
const SETTLE: Duration = Duration::from_secs(10);
/// A transaction is final by then, or lost.
const FINAL_WITHIN: Duration = Duration::from_secs(60);
/// What an idle node may write.
const WRITTEN_KB_PER_S_MAX: f64 = 8.0;

#[derive(Serialize)]
struct Report {
    machine: Machine,
    nodes: u16,
    idle_interval_ms: u64,
    leader_timeout_ms: u64,
    seconds: f64,
    blocks: u64,
    views: u64,
    idle: NodesUsage,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_kill: Option<AfterKill>,
}

/// Times to a final block after a node died, one transaction at a time.
#[derive(Serialize)]
struct AfterKill {
    transactions: u32,
    final_ms: Percentiles,
    longest_ms: u64,
}

/// Measures and reports.
pub async fn run(context: &Context, args: &IdleArgs) -> Done {
    let unusual = Unusual {
        idle_interval_ms: args.idle_interval_ms,
        leader_timeout_ms: args.leader_timeout_ms,
        ..Unusual::default()
    };
    let measuring = async |load: &mut Load| measure(args, load).await;
    let report = load::measured_on(args.nodes, unusual, measuring).await?;
    context.printer.answer(&report, text)
}

async fn measure(args: &IdleArgs, load: &mut Load) -> Done<Report> {
    load.start(1).await?;
    let client = load.mesh.client()?;
    let watching = Progress::spinner("watching the idle mesh");
    tokio::time::sleep(SETTLE).await;
    let (before, start) = (client.status().await?, Instant::now());
    let idle = usage::over(&load.mesh.pids(), args.span).await?;
    let (after, seconds) = (client.status().await?, start.elapsed().as_secs_f64());
    drop(watching);
    let usual = Parameters::default();
    Ok(Report {
        machine: Machine::this(),
        nodes: args.nodes,
        idle_interval_ms: args.idle_interval_ms.unwrap_or(usual.idle_interval_ms),
        leader_timeout_ms: args.leader_timeout_ms.unwrap_or(usual.leader_timeout_ms),
        seconds,
        blocks: after.height.saturating_sub(before.height),
        views: after.view.saturating_sub(before.view),
        idle: NodesUsage::of(idle),
        after_kill: match args.after_kill {
            0 => None,
            count => Some(after_kill(count, load).await?),
        },
    })
}

async fn after_kill(count: u32, load: &mut Load) -> Done<AfterKill> {
    let key = load.keys.first().cloned().ok_or_else(|| Failure::failed("no device"))?;
    let last = load.mesh.nodes().saturating_sub(1);
    load.mesh.kill(&[last]).await?;
    let client = load.mesh.client()?;
    let valid_until = client.status().await?.height + notes::LIFETIME_BLOCKS;
    let progress = Progress::bar(count.into(), "transactions without a node");
    let mut times_us = Vec::new();
    for nonce in 0..u64::from(count) {
        let note = notes::note(&key, load.mesh.network(), valid_until, nonce);
        let start = Instant::now();
        let answers = client.submit_transactions(&[note], FINAL_WITHIN).await?;
        if !answers.iter().all(|answer| matches!(answer.fate, Fate::Included { .. })) {
            return Err(Failure::failed("a transaction did not become final without one node"));
        }
        times_us.push(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX));
        progress.step();
    }
    Ok(AfterKill {
        transactions: count,
        longest_ms: times_us.iter().max().map_or(0, |us| us / 1_000),
        final_ms: Percentiles::of(times_us.into_iter()),
    })
}

fn text(report: &Report) -> String {
    let idle = &report.idle;
    let per_s = |count: u64| format!("{count}, {:.2}/s", count as f64 / report.seconds);
    let mut figures = vec![
        Figure::plain("nodes", report.nodes.to_string()),
        Figure::plain("idle interval", format!("{} ms", report.idle_interval_ms)),
        Figure::plain("leader timeout", format!("{} ms", report.leader_timeout_ms)),
        Figure::plain("blocks", per_s(report.blocks)),
        Figure::plain("views", per_s(report.views)),
        Figure::at_most(
            "written by a node",
            idle.written_kb_per_s_max,
            WRITTEN_KB_PER_S_MAX,
            "KB/s",
        ),
        Figure::plain("processor", format!("{:.2} % of a core", idle.cpu_percent_max)),
        Figure::plain("resident memory", format!("{:.1} MB", idle.resident_mb_max)),
    ];
    if let Some(it) = &report.after_kill {
        let name = "final after a node died";
        figures.push(Figure::plain(name, it.final_ms.text()));
        figures.push(Figure::plain("longest of these", format!("{} ms", it.longest_ms)));
    }
    report::text(&report.machine, &figures)
}
