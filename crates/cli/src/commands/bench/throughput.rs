//! `bench throughput`: a closed loop of devices, then bare ledger transactions.

use super::{
    arguments::ThroughputArgs,
    load::{self, Load},
    machine::Machine,
    notes,
    report::{self, Figure, NodesUsage},
    usage,
};
use crate::{
    context::Context,
    failure::{Done, Failure},
    output::Progress,
    statistics::{Percentiles, Sample},
};
use futures::{StreamExt as _, stream};
use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;
use trustmesh_client::Device;

const REQUESTS_PER_S_MIN: f64 = 200.0;
const TRANSACTIONS_PER_S_MIN: f64 = 8_000.0;
const RESIDENT_MB_MAX: f64 = 80.0;
/// Requests before those that count, per device.
const WARM_UP: usize = 2;

#[derive(Serialize)]
struct Report {
    machine: Machine,
    nodes: u16,
    devices: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<Requests>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transactions: Option<notes::Rate>,
    resident_after: NodesUsage,
}

#[derive(Serialize)]
struct Requests {
    concurrency: u16,
    requests: u32,
    failed: u32,
    finalized_per_s: f64,
    rrt_ms: Percentiles,
    overhead_ms: Percentiles,
}

/// Measures and reports.
pub async fn run(context: &Context, args: &ThroughputArgs) -> Done {
    let report = load::measured(args.nodes, async |load| measure(args, load).await).await?;
    context.printer.answer(&report, text)?;
    match &report.requests {
        Some(it) if it.failed > 0 => {
            Err(Failure::failed(format!("{} of {} requests failed", it.failed, it.requests)))
        }
        _ => Ok(()),
    }
}

async fn measure(args: &ThroughputArgs, load: &mut Load) -> Done<Report> {
    load.start(args.devices).await?;
    let requests = if args.requests > 0 { Some(closed_loop(args, load).await?) } else { None };
    let transactions = match args.transactions {
        0 => None,
        count => Some(notes::measure(load, count, args.batch.into()).await?),
    };
    let after = usage::over(&load.mesh.pids(), Duration::from_secs(1)).await?;
    Ok(Report {
        machine: Machine::this(),
        nodes: args.nodes,
        devices: args.devices,
        requests,
        transactions,
        resident_after: NodesUsage::of(after),
    })
}

async fn closed_loop(args: &ThroughputArgs, load: &Load) -> Done<Requests> {
    let devices = load
        .keys
        .iter()
        .enumerate()
        .map(|(index, key)| Ok(Device::new(load.mesh.client_from(index)?, key.clone())))
        .collect::<Done<Vec<_>>>()?;
    let concurrency = usize::from(args.concurrency);
    let ask = |(serial, device)| load.ask(device, serial);
    let numbered = |count: usize| (0..).zip(devices.iter().cycle().take(count));
    let warm_up = stream::iter(numbered(WARM_UP * devices.len())).map(ask);
    let _warm: Vec<_> = warm_up.buffer_unordered(concurrency).collect().await;

    let progress = Progress::bar(args.requests.into(), "requests");
    let start = Instant::now();
    let mut running =
        stream::iter(numbered(args.requests as usize)).map(ask).buffer_unordered(concurrency);
    let (mut samples, mut failed): (Vec<Sample>, u32) = (Vec::new(), 0);
    while let Some(done) = running.next().await {
        progress.step();
        match done {
            Ok(sample) => samples.push(sample),
            Err(failure) => {
                failed += 1;
                progress.aside(|| eprintln!("a request failed: {failure}"));
            }
        }
    }
    let per_s = samples.len() as f64 / start.elapsed().as_secs_f64().max(0.001);
    Ok(Requests {
        concurrency: args.concurrency,
        requests: args.requests,
        failed,
        finalized_per_s: per_s.round(),
        rrt_ms: Percentiles::of(samples.iter().map(|it| it.round_trip_us)),
        overhead_ms: Percentiles::of(samples.iter().map(Sample::overhead_us)),
    })
}

fn text(report: &Report) -> String {
    let mut figures = vec![
        Figure::plain("nodes", report.nodes.to_string()),
        Figure::plain("devices", report.devices.to_string()),
    ];
    if let Some(it) = &report.requests {
        figures.push(Figure::plain(
            "requests",
            format!("{}, {} at a time, {} failed", it.requests, it.concurrency, it.failed),
        ));
        let per_s = it.finalized_per_s;
        figures.push(Figure::at_least("finished requests", per_s, REQUESTS_PER_S_MIN, "/s"));
        figures.push(Figure::plain("round trip under load", it.rrt_ms.text()));
    }
    if let Some(it) = &report.transactions {
        figures.push(Figure::plain(
            "transactions",
            format!("{} of {} bytes", it.transactions, it.bytes_each),
        ));
        let per_s = it.per_s;
        figures.push(Figure::at_least("final transactions", per_s, TRANSACTIONS_PER_S_MIN, "/s"));
        figures.push(Figure::plain("blocks for them", it.blocks.to_string()));
    }
    let resident = report.resident_after.resident_mb_max;
    figures.push(Figure::at_most("resident memory after", resident, RESIDENT_MB_MAX, "MB"));
    report::text(&report.machine, &figures)
}
