//! `bench latency --simulated`: the same question over distances that no loopback has, in
//! virtual time: nodes 5.12 ms apart, the device 12.2 ms away.
//!
//! The hops alone make about 120 ms. What it says does not depend on the machine, so none
//! is named; it is the same on every run.

use super::{arguments::LatencyArgs, report::Figure};
use crate::{
    commands::interrupt::interruptible,
    context::Context,
    failure::{Done, Failure},
    output::{Progress, Table},
};
use trustmesh_sim::{LatencyReport, simulated_latency};

const OVERHEAD_P50_MS_MAX: f64 = 150.0;
/// Virtual requests cost real time: a mesh of 16 votes a lot.
const REQUESTS_MAX: u32 = 1_000;

/// Plays and reports.
pub async fn run(context: &Context, args: &LatencyArgs) -> Done {
    let (nodes, requests) = (args.nodes, args.requests.min(REQUESTS_MAX));
    let playing = Progress::spinner(&format!("{requests} requests to {nodes} nodes, simulated"));
    let report = interruptible(async {
        tokio::task::spawn_blocking(move || simulated_latency(nodes, requests))
            .await
            .map_err(Failure::failed)?
            .map_err(Failure::failed)
    })
    .await?;
    drop(playing);
    context.printer.answer(&report, text)?;
    if report.failed > 0 || !report.violations.is_empty() {
        let violations = report.violations.join("; ");
        let failed = report.failed;
        return Err(Failure::failed(format!("{failed} requests failed; broken: {violations}")));
    }
    Ok(())
}

fn text(it: &LatencyReport) -> String {
    let mut figures = vec![
        Figure::plain("nodes", it.nodes.to_string()),
        Figure::plain("requests", format!("{}, {} failed", it.requests, it.failed)),
    ];
    if let Some(trip) = &it.round_trip_ms {
        let text = format!("p50 {:.1} ms, p99 {:.1} ms", trip.p50, trip.p99);
        figures.push(Figure::plain("round trip", text));
    }
    if let Some(over) = &it.overhead_ms {
        let (p50, max) = (over.p50, OVERHEAD_P50_MS_MAX);
        figures.push(Figure::at_most("framework overhead p50", p50, max, "ms"));
        figures.push(Figure::plain("framework overhead p99", format!("{:.1} ms", over.p99)));
    }
    let mut shares = Table::new(&["where it goes (p50)", ""], "");
    for share in &it.shares {
        shares.row([share.step.to_owned(), format!("{:.1} ms", share.p50_ms)]);
    }
    let links = "simulated: nodes 5.12 ms apart, the device 12.2 ms from a node";
    format!("{links}\n\n{}\n\n{}", Figure::table(&figures), shares.text())
}
