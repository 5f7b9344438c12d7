//! `bench scale`: what a mesh costs by its size, in the simulator: overhead, messages and
//! bytes per request and per block, for meshes of more and more validators, and for one of
//! many workers that don't vote.
//!
//! Overhead, messages and bytes are of virtual time and the same on every run and machine; the
//! seconds and the memory that a size took are this machine's. The oracle that watches simulated
//! worlds is on, and what it finds is told.

mod plot;

use super::{arguments::ScaleArgs, report::Figure};
use crate::{
    commands::interrupt::interruptible,
    context::Context,
    failure::{Done, Failure},
    output::{Progress, Table},
};
use serde::Serialize;
use std::{fs, time::Instant};
use trustmesh_sim::{Flow, ScalePoint, ScaleSize, simulated_scale};

/// From 4 to 64 validators.
const GROWTH_PERCENT_MAX: f64 = 30.0;
const GROWTH: (u16, u16) = (4, 64);

/// A size and what it took to play.
#[derive(Debug, Serialize)]
struct Played {
    #[serde(flatten)]
    point: ScalePoint,
    /// This machine's time, the mesh's getting ready included.
    real_seconds: f64,
    /// The most memory that the process has had so far, in MB (1,000,000 bytes).
    memory_peak_mb: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    sizes: Vec<Played>,
    /// Of the overhead's median, from 4 to 64 validators, when both were played.
    overhead_growth_percent: Option<f64>,
}

/// Plays and reports.
pub async fn run(context: &Context, args: &ScaleArgs) -> Done {
    let mut sizes: Vec<ScaleSize> =
        args.validators.iter().map(|n| ScaleSize { validators: *n, workers: 0 }).collect();
    if args.workers > 0 {
        sizes.push(ScaleSize { validators: args.committee, workers: args.workers });
    }
    let played = interruptible(play_all(&sizes, args.requests)).await?;
    let overhead_growth_percent = growth(&played);
    let report = Report { sizes: played, overhead_growth_percent };
    if let Some(file) = &args.plot {
        let points: Vec<&ScalePoint> = report.sizes.iter().map(|it| &it.point).collect();
        fs::write(file, plot::svg(&points))
            .map_err(|e| Failure::failed(format!("can't write {}: {e}", file.display())))?;
    }
    context.printer.answer(&report, text)?;
    for point in report.sizes.iter().map(|it| &it.point) {
        if point.failed > 0 || !point.violations.is_empty() {
            let (failed, broken) = (point.failed, point.violations.join("; "));
            let what = name(point.size);
            return Err(Failure::failed(format!(
                "{what}: {failed} requests failed; broken: {broken}"
            )));
        }
    }
    Ok(())
}

async fn play_all(sizes: &[ScaleSize], requests: u32) -> Done<Vec<Played>> {
    let progress = Progress::bar(sizes.len() as u64, "sizes");
    let mut played = Vec::with_capacity(sizes.len());
    for size in sizes.iter().copied() {
        progress.say(&format!("{requests} requests to {}, simulated", name(size)));
        let began = Instant::now();
        let point = tokio::task::spawn_blocking(move || simulated_scale(size, requests))
            .await
            .map_err(Failure::failed)?
            .map_err(Failure::failed)?;
        let real_seconds = (began.elapsed().as_secs_f64() * 10.0).round() / 10.0;
        played.push(Played { point, real_seconds, memory_peak_mb: memory_peak_mb() });
        progress.step();
    }
    Ok(played)
}

/// The process's peak of resident memory; 0 when the system does not tell.
fn memory_peak_mb() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    (kib.unwrap_or_default() * 1_024.0 / 1_000_000.0).round()
}

fn name(size: ScaleSize) -> String {
    match size {
        ScaleSize { validators, workers: 0 } => format!("{validators} validators"),
        ScaleSize { validators, workers } => format!("{validators} validators, {workers} workers"),
    }
}

fn growth(played: &[Played]) -> Option<f64> {
    let of = |validators| {
        let size = ScaleSize { validators, workers: 0 };
        let found = played.iter().find(|it| it.point.size == size)?;
        Some(found.point.overhead_ms?.p50)
    };
    Some((of(GROWTH.1)? / of(GROWTH.0)? - 1.0) * 100.0)
}

/// A count or a size for people: three digits and a unit.
fn short(value: f64) -> String {
    let (scaled, unit) = match value {
        it if it >= 1e9 => (it / 1e9, "G"),
        it if it >= 1e6 => (it / 1e6, "M"),
        it if it >= 1e3 => (it / 1e3, "k"),
        it => (it, ""),
    };
    if scaled >= 100.0 || unit.is_empty() {
        format!("{scaled:.0}{unit}")
    } else {
        format!("{scaled:.1}{unit}")
    }
}

fn text(report: &Report) -> String {
    let mut sizes = Table::new(
        &[
            "mesh",
            "overhead p50",
            "messages/request",
            "bytes/request",
            "messages/block",
            "bytes/block",
            "took",
            "memory",
        ],
        "",
    );
    for Played { point, real_seconds, memory_peak_mb } in &report.sizes {
        let overhead = point.overhead_ms.map_or("-".to_owned(), |it| format!("{:.1} ms", it.p50));
        let (request, block) =
            (ScalePoint::sum(&point.per_request), ScalePoint::sum(&point.per_block));
        sizes.row([
            name(point.size),
            overhead,
            short(request.0),
            short(request.1),
            short(block.0),
            short(block.1),
            format!("{real_seconds:.0} s"),
            format!("{memory_peak_mb:.0} MB"),
        ]);
    }
    let mut parts = vec![
        "simulated: nodes 5.12 ms apart, the device 12.2 ms from a node; all nodes' messages"
            .to_owned(),
        sizes.text(),
        channels(&report.sizes),
        shares(&report.sizes),
    ];
    if let Some(percent) = report.overhead_growth_percent {
        let figure = Figure::at_most("growth from 4 to 64", percent, GROWTH_PERCENT_MAX, "%");
        parts.push(Figure::table(&[figure]));
    }
    parts.join("\n\n")
}

/// Each channel's messages and bytes per request, by size.
fn channels(played: &[Played]) -> String {
    let mut table = Table::new(&["per request", "channel", "messages", "bytes"], "");
    for point in played.iter().map(|it| &it.point) {
        for Flow { channel, messages, bytes } in &point.per_request {
            let channel = (*channel).to_owned();
            table.row([name(point.size), channel, short(*messages), short(*bytes)]);
        }
    }
    table.text()
}

/// Where the overhead goes, a column for each size.
fn shares(played: &[Played]) -> String {
    let names: Vec<String> = played.iter().map(|it| name(it.point.size)).collect();
    let mut columns = vec!["where it goes (p50, ms)"];
    columns.extend(names.iter().map(String::as_str));
    let mut table = Table::new(&columns, "");
    let Some(first) = played.first() else { return table.text() };
    for share in &first.point.shares {
        let of = |it: &Played| {
            let found = it.point.shares.iter().find(|other| other.step == share.step);
            found.map_or("-".to_owned(), |found| format!("{:.1}", found.p50_ms))
        };
        table.row(std::iter::once(share.step.to_owned()).chain(played.iter().map(of)));
    }
    table.text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use trustmesh_sim::Percentiles;

    pub(super) fn point(validators: u16, workers: u16, overhead_ms: f64) -> ScalePoint {
        ScalePoint {
            size: ScaleSize { validators, workers },
            requests: 2,
            failed: 0,
            overhead_ms: Some(Percentiles { p50: overhead_ms, p99: overhead_ms }),
            shares: Vec::new(),
            per_request: vec![Flow { channel: "votes", messages: 1_234.0, bytes: 99_960.0 }],
            per_block: vec![Flow { channel: "votes", messages: 24.0, bytes: 1_440.0 }],
            blocks: 4,
            violations: Vec::new(),
        }
    }

    fn played(point: ScalePoint) -> Played {
        Played { point, real_seconds: 1.0, memory_peak_mb: 9.0 }
    }

    #[test]
    fn growth_is_that_from_four_to_sixty_four_validators_without_workers() {
        let mut all = vec![played(point(4, 0, 100.0)), played(point(64, 100, 300.0))];
        assert_eq!(growth(&all), None, "nobody played 64 validators");
        all.push(played(point(64, 0, 125.0)));
        assert_eq!(growth(&all), Some(25.0));
    }

    #[test]
    fn counts_are_short() {
        let all = [0.0, 12.0, 999.0, 1_234.0, 99_960.0, 123_456.0, 7.25e6, 3e9].map(short);
        assert_eq!(all, ["0", "12", "999", "1.2k", "100.0k", "123k", "7.2M", "3.0G"]);
    }

    #[test]
    fn memory_is_told_where_the_system_tells_it() {
        assert!(memory_peak_mb() > 1.0);
    }
}
