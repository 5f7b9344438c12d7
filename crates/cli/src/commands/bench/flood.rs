//! `bench flood`: what others notice of one member that floods.
//!
//! Quiet and flooded phases take turns on one mesh, so that what else the machine does hits
//! both. A flooded phase begins with the flood's own beginning, its burst included.

use super::{
    arguments::FloodArgs,
    flooder::{self, Flood, Flooded},
    load::{self, Load},
    machine::Machine,
    report::{self, Figure},
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
use trustmesh_client::Device;
use trustmesh_types::SecretKey;

/// Others' p99 under a flood, as a multiple of the quiet one.
const P99_RATIO_MAX: f64 = 2.0;
/// Requests before those that count, per device.
const WARM_UP: u32 = 4;
/// After a flood: its last requests end, its allowance fills up again.
const SETTLE: Duration = Duration::from_secs(8);

#[derive(Serialize)]
struct Report {
    machine: Machine,
    nodes: u16,
    devices: u16,
    concurrency: u16,
    quiet: Others,
    flooded: Others,
    p50_ratio: Option<f64>,
    p99_ratio: Option<f64>,
    p99_ratio_target: f64,
    flood: Flooded,
}

/// The others' requests of some phases.
#[derive(Serialize)]
struct Others {
    requests: usize,
    failed: u32,
    rrt_ms: Percentiles,
}

#[derive(Default)]
struct Samples {
    good: Vec<Sample>,
    failed: u32,
}

impl Samples {
    fn others(&self) -> Others {
        Others {
            requests: self.good.len(),
            failed: self.failed,
            rrt_ms: Percentiles::of(self.good.iter().map(|it| it.round_trip_us)),
        }
    }
}

/// Measures and reports.
pub async fn run(context: &Context, args: &FloodArgs) -> Done {
    let report = load::measured(args.nodes, async |load| measure(args, load).await).await?;
    context.printer.answer(&report, text)?;
    match report.quiet.failed + report.flooded.failed {
        0 => Ok(()),
        failed => Err(Failure::failed(format!("{failed} of the others' requests failed"))),
    }
}

async fn measure(args: &FloodArgs, load: &mut Load) -> Done<Report> {
    load.start(args.devices + 1).await?;
    let flooder = flooder::key(load)?;
    let devices = devices(load)?;
    let mut serial = WARM_UP * u32::from(args.devices);
    others(args, load, &devices, 0..serial, None).await;

    let each = args.requests.div_ceil(args.phases);
    let (mut quiet, mut flooded) = (Samples::default(), Samples::default());
    let mut floods = Vec::new();
    for _ in 0..args.phases {
        let progress = Progress::bar(each.into(), "requests, quiet");
        add(&mut quiet, others(args, load, &devices, serial..serial + each, Some(&progress)).await);
        serial += each;
        let progress = Progress::bar(each.into(), "requests, flooded");
        let flood = Flood::start(load, &flooder, args.connections, args.flood_from).await?;
        add(
            &mut flooded,
            others(args, load, &devices, serial..serial + each, Some(&progress)).await,
        );
        serial += each;
        floods.push(flood.flooded());
        drop((flood, progress));
        let _settling = Progress::spinner("waiting for the flood's last requests");
        tokio::time::sleep(SETTLE).await;
    }
    let (quiet, flooded) = (quiet.others(), flooded.others());
    Ok(Report {
        machine: Machine::this(),
        nodes: args.nodes,
        devices: args.devices,
        concurrency: args.concurrency,
        p50_ratio: ratio(flooded.rrt_ms.p50, quiet.rrt_ms.p50),
        p99_ratio: ratio(flooded.rrt_ms.p99, quiet.rrt_ms.p99),
        p99_ratio_target: P99_RATIO_MAX,
        quiet,
        flooded,
        flood: Flooded::mean(&floods),
    })
}

fn devices(load: &Load) -> Done<Vec<Device>> {
    let keys = load.keys.iter().enumerate();
    keys.map(|(index, key): (usize, &SecretKey)| {
        Ok(Device::new(load.mesh.client_from(index)?, key.clone()))
    })
    .collect()
}

fn add(to: &mut Samples, more: Samples) {
    to.good.extend(more.good);
    to.failed += more.failed;
}

/// The others' requests of one phase, a few at a time.
async fn others(
    args: &FloodArgs,
    load: &Load,
    devices: &[Device],
    serials: std::ops::Range<u32>,
    progress: Option<&Progress>,
) -> Samples {
    let ask = |(serial, device)| load.ask(device, serial);
    let requests = stream::iter(serials.zip(devices.iter().cycle())).map(ask);
    let mut running = requests.buffer_unordered(args.concurrency.into());
    let mut samples = Samples::default();
    while let Some(done) = running.next().await {
        match done {
            Ok(sample) => samples.good.push(sample),
            Err(failure) => {
                samples.failed += 1;
                eprintln!("a request failed: {failure}");
            }
        }
        if let Some(progress) = progress {
            progress.step();
        }
    }
    samples
}

/// To the hundredth.
fn ratio(flooded: Option<f64>, quiet: Option<f64>) -> Option<f64> {
    let (flooded, quiet) = (flooded?, quiet?);
    (quiet > 0.0).then(|| (flooded / quiet * 100.0).round() / 100.0)
}

fn text(report: &Report) -> String {
    let flood = &report.flood;
    let times = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
    let others = |it: &Others| format!("{}, {} requests", it.rrt_ms.text(), it.requests);
    let mut figures = vec![
        Figure::plain("nodes", report.nodes.to_string()),
        Figure::plain("flood sent", format!("{:.0} /s", flood.sent_per_s)),
        Figure::plain("flood refused with 429", format!("{:.0} /s", flood.refused_per_s)),
        Figure::plain("flood's notes taken", format!("{:.0} /s", flood.notes_per_s)),
        Figure::plain("flood's requests taken", format!("{:.1} /s", flood.requests_per_s)),
        Figure::plain("others, quiet", others(&report.quiet)),
        Figure::plain("others, flooded", others(&report.flooded)),
        Figure::plain("flooded / quiet, p50", times(report.p50_ratio)),
    ];
    figures.push(match report.p99_ratio {
        Some(ratio) => Figure::at_most("flooded / quiet, p99", ratio, P99_RATIO_MAX, "times"),
        None => Figure::plain("flooded / quiet, p99", times(None)),
    });
    report::text(&report.machine, &figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_needs_both_sides() {
        assert_eq!(ratio(Some(90.0), Some(45.0)), Some(2.0));
        assert_eq!(ratio(Some(1.0), Some(3.0)), Some(0.33));
        assert_eq!(ratio(None, Some(1.0)), None);
        assert_eq!(ratio(Some(1.0), Some(0.0)), None);
    }
}
