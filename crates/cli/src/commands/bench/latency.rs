//! `bench latency`: one request at a time, then the idle mesh.

use super::{
    arguments::LatencyArgs,
    load::{self, Load},
    machine::Machine,
    report::{self, Figure, NodesUsage},
    usage,
};
use crate::{
    context::Context,
    failure::{Done, Failure},
    output::Progress,
    statistics::{Percentiles, Sample},
};
use serde::Serialize;
use std::time::Duration;
use trustmesh_client::Device;

/// Requests before those that count: connections, compiled modules.
const WARM_UP: u32 = 10;
/// Work of the last request is over after this.
const SETTLE: Duration = Duration::from_secs(3);

/// Targets on 2 cores, 4 processes, loopback.
const OVERHEAD_P50_MS_MAX: f64 = 60.0;
const IDLE_CPU_PERCENT_MAX: f64 = 0.6;
const IDLE_WRITTEN_KB_PER_S_MAX: f64 = 40.0;
const RESIDENT_MB_MAX: f64 = 80.0;

#[derive(Serialize)]
struct Report {
    machine: Machine,
    nodes: u16,
    requests: u32,
    failed: u32,
    rrt_ms: Percentiles,
    overhead_ms: Percentiles,
    task_ms: Percentiles,
    idle: NodesUsage,
}

/// Measures and reports.
pub async fn run(context: &Context, args: &LatencyArgs) -> Done {
    let report = load::measured(args.nodes, async |load| measure(args, load).await).await?;
    context.printer.answer(&report, text)?;
    if report.failed > 0 {
        return Err(Failure::failed(format!("{} requests failed", report.failed)));
    }
    Ok(())
}

async fn measure(args: &LatencyArgs, load: &mut Load) -> Done<Report> {
    load.start(1).await?;
    let key = load.keys.first().ok_or_else(|| Failure::failed("no device"))?;
    let device = Device::new(load.mesh.client()?, key.clone());
    for serial in 0..WARM_UP {
        load.ask(&device, serial).await?;
    }
    let progress = Progress::bar(args.requests.into(), "requests");
    let (mut samples, mut failed): (Vec<Sample>, u32) = (Vec::new(), 0);
    for serial in 0..args.requests {
        match load.ask(&device, WARM_UP + serial).await {
            Ok(sample) => samples.push(sample),
            Err(failure) => {
                failed += 1;
                progress.aside(|| eprintln!("request {serial} failed: {failure}"));
            }
        }
        progress.step();
    }
    drop(progress);
    let _watching = Progress::spinner("watching the idle mesh");
    tokio::time::sleep(SETTLE).await;
    let idle = usage::over(&load.mesh.pids(), args.idle).await?;
    Ok(Report {
        machine: Machine::this(),
        nodes: args.nodes,
        requests: args.requests,
        failed,
        rrt_ms: Percentiles::of(samples.iter().map(|it| it.round_trip_us)),
        overhead_ms: Percentiles::of(samples.iter().map(Sample::overhead_us)),
        task_ms: Percentiles::of(samples.iter().map(|it| it.task_us)),
        idle: NodesUsage::of(idle),
    })
}

fn milliseconds(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms"))
}

fn text(report: &Report) -> String {
    let (overhead, idle) = (&report.overhead_ms, &report.idle);
    let figures = [
        Figure::plain("nodes", report.nodes.to_string()),
        Figure::plain("requests", format!("{}, {} failed", report.requests, report.failed)),
        Figure::plain("round trip", report.rrt_ms.text()),
        match overhead.p50 {
            Some(p50) => Figure::at_most("framework overhead p50", p50, OVERHEAD_P50_MS_MAX, "ms"),
            None => Figure::plain("framework overhead p50", milliseconds(None)),
        },
        Figure::plain("framework overhead p99", milliseconds(overhead.p99)),
        Figure::plain("three tasks", report.task_ms.text()),
        Figure::at_most("idle cpu", idle.cpu_percent_max, IDLE_CPU_PERCENT_MAX, "% of a core"),
        Figure::at_most(
            "idle bytes written",
            idle.written_kb_per_s_max,
            IDLE_WRITTEN_KB_PER_S_MAX,
            "KB/s",
        ),
        Figure::at_most("resident memory", idle.resident_mb_max, RESIDENT_MB_MAX, "MB"),
    ];
    report::text(&report.machine, &figures)
}
