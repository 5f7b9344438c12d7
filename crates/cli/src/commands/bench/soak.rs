//! `bench soak`: constant load over many blocks. Whether what nodes hold on disk levels off,
//! memory stays flat, and latency does not grow with the chain.

mod verdict;

use super::{
    arguments::SoakArgs,
    footprint::Footprint,
    load::{self, Load},
    machine::Machine,
    notes,
    report::Figure,
    usage,
};
use crate::{
    commands::mesh::Unusual,
    context::Context,
    failure::{Done, Failure},
    output::{Progress, Table},
    statistics::Percentiles,
};
use futures::{FutureExt as _, StreamExt as _, future::LocalBoxFuture, stream::FuturesUnordered};
use serde::Serialize;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};
use trustmesh_api::Fate;
use trustmesh_client::{Client, Device};
use verdict::Verdict;

/// Devices that take turns.
const DEVICES: u16 = 16;
/// Blocks before those that count.
const WARM_UP_BLOCKS: u64 = 50;
/// The window that latency is compared with ends after so many blocks.
const FIRST_WINDOW_BLOCKS: u64 = 100;
/// Kept at least: what nodes that were away need, and a file of it.
const KEEP_BLOCKS_MIN: u64 = 5_120;
/// A transaction is final by then, or lost.
const FINAL_WITHIN: Duration = Duration::from_secs(60);
/// Transactions on their way at the same time, in seconds of the rate.
const UNDER_WAY_SECONDS_MAX: usize = 5;

#[derive(Serialize)]
struct Report {
    machine: Machine,
    nodes: u16,
    rate_per_s: u32,
    blocks_kept: u64,
    transactions: u64,
    failed: u64,
    seconds: u64,
    windows: Vec<Window>,
    verdict: Verdict,
}

/// Figures up to a height, since the window before.
#[derive(Debug, Clone, Serialize)]
struct Window {
    /// Blocks since the start.
    blocks: u64,
    /// The most of each part that any node holds.
    disk: Footprint,
    /// The most that any node has.
    resident_mb: f64,
    /// From submission to a final block.
    transaction_ms: Percentiles,
    /// From submission to a checked result.
    request_ms: Percentiles,
}

/// What came of one transaction or request.
enum Outcome {
    Note { height: u64, us: u64 },
    Request { us: u64 },
    Failed { what: String },
}

/// Measures and reports.
pub async fn run(context: &Context, args: &SoakArgs) -> Done {
    let kept = args.keep.unwrap_or_else(|| (args.blocks / 10).max(KEEP_BLOCKS_MIN));
    let unusual = Unusual { blocks_kept: Some(kept), ..Unusual::default() };
    let measuring = async |load: &mut Load| measure(args, kept, load).await;
    let report = load::measured_on(args.nodes, unusual, measuring).await?;
    context.printer.answer(&report, text)?;
    if report.failed > 0 {
        let Report { failed, transactions, .. } = report;
        return Err(Failure::failed(format!("{failed} of {transactions} transactions failed")));
    }
    Ok(())
}

/// The load under way and what came of it.
struct Soak<'a> {
    load: &'a Load,
    clients: Vec<Client>,
    devices: Vec<Device>,
    valid_until: u64,
    under_way: FuturesUnordered<LocalBoxFuture<'a, Outcome>>,
    sent: u64,
    failed: u64,
    height: u64,
    notes_us: Vec<u64>,
    requests_us: Vec<u64>,
}

impl<'a> Soak<'a> {
    async fn new(load: &'a Load) -> Done<Self> {
        let clients = (0..load.mesh.nodes()).map(|node| load.mesh.client_from(node));
        let clients = clients.collect::<Done<Vec<_>>>()?;
        let device = |(at, key): (usize, &trustmesh_types::SecretKey)| {
            Ok(Device::new(load.mesh.client_from(at)?, key.clone()))
        };
        let devices = load.keys.iter().enumerate().map(device).collect::<Done<Vec<_>>>()?;
        let height = load.mesh.client()?.status().await?.height;
        Ok(Self {
            load,
            clients,
            devices,
            valid_until: height + notes::LIFETIME_BLOCKS,
            under_way: FuturesUnordered::new(),
            sent: 0,
            failed: 0,
            height,
            notes_us: Vec::new(),
            requests_us: Vec::new(),
        })
    }

    fn send(&mut self, args: &SoakArgs) {
        if self.under_way.len() >= args.rate as usize * UNDER_WAY_SECONDS_MAX {
            return;
        }
        let serial = self.sent;
        self.sent += 1;
        let at = usize::try_from(serial).unwrap_or(usize::MAX);
        let Some(device) = self.devices.get(at % self.devices.len().max(1)).cloned() else {
            return;
        };
        let load = self.load;
        if serial.is_multiple_of(args.request_every.into()) {
            let number = u32::try_from(serial % u64::from(u32::MAX)).unwrap_or(0);
            self.under_way.push(request(load, device, number).boxed_local());
            return;
        }
        let Some(client) = self.clients.get(at % self.clients.len().max(1)).cloned() else {
            return;
        };
        let Some(key) = load.keys.get(at % load.keys.len().max(1)) else { return };
        let note = notes::note(key, load.mesh.network(), self.valid_until, serial);
        self.under_way.push(
            async move {
                let start = Instant::now();
                match client
                    .submit_transactions(&[note], FINAL_WITHIN)
                    .await
                    .map(|mut all| all.pop())
                {
                    Ok(Some(answer)) => match answer.fate {
                        Fate::Included { height, .. } => {
                            Outcome::Note { height, us: micros(start) }
                        }
                        other => Outcome::Failed { what: format!("a transaction is {other:?}") },
                    },
                    Ok(None) => Outcome::Failed { what: "no answer".to_owned() },
                    Err(error) => Outcome::Failed { what: error.to_string() },
                }
            }
            .boxed_local(),
        );
    }

    fn take(&mut self, outcome: Outcome, progress: &Progress) {
        match outcome {
            Outcome::Note { height, us } => {
                self.notes_us.push(us);
                self.height = self.height.max(height);
                self.valid_until = self.height + notes::LIFETIME_BLOCKS;
            }
            Outcome::Request { us } => self.requests_us.push(us),
            Outcome::Failed { what } => {
                self.failed += 1;
                progress.aside(|| eprintln!("{what}"));
            }
        }
    }

    async fn window(&mut self, blocks: u64) -> Done<Window> {
        let (data, pids) = (self.load.mesh.data(), self.load.mesh.pids());
        let used = usage::over(&pids, Duration::ZERO).await?;
        Ok(Window {
            blocks,
            disk: Footprint::most(data.iter().map(|folder| Footprint::of(folder))),
            resident_mb: used.iter().map(|it| it.resident_mb).fold(0.0, f64::max),
            transaction_ms: Percentiles::of(std::mem::take(&mut self.notes_us).into_iter()),
            request_ms: Percentiles::of(std::mem::take(&mut self.requests_us).into_iter()),
        })
    }
}

async fn request(load: &Load, device: Device, serial: u32) -> Outcome {
    match load.ask(&device, serial).await {
        Ok(sample) => Outcome::Request { us: sample.round_trip_us },
        Err(failure) => Outcome::Failed { what: failure.to_string() },
    }
}

fn micros(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Blocks since the start at which windows end.
fn ends(args: &SoakArgs) -> Vec<u64> {
    let first = WARM_UP_BLOCKS + FIRST_WINDOW_BLOCKS;
    let rest =
        (1..=args.windows).map(|n| args.blocks * n / args.windows).filter(|end| *end > first);
    [WARM_UP_BLOCKS, first].into_iter().chain(rest).collect()
}

async fn measure(args: &SoakArgs, kept: u64, load: &mut Load) -> Done<Report> {
    load.start(DEVICES).await?;
    let load = &*load;
    let mut soak = Soak::new(load).await?;
    let (first, start) = (soak.height, Instant::now());
    let progress = Progress::bar(args.blocks, "blocks");
    let mut clock = interval(Duration::from_secs(1) / args.rate);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut windows = Vec::new();
    for end in ends(args) {
        while soak.height - first < end {
            tokio::select! {
                _ = clock.tick() => soak.send(args),
                Some(outcome) = soak.under_way.next() => soak.take(outcome, &progress),
            }
            progress.at((soak.height - first).min(args.blocks));
        }
        windows.push(soak.window(soak.height - first).await?);
    }
    // The first was warming up.
    windows.remove(0);
    drop(progress);
    Ok(Report {
        machine: Machine::this(),
        nodes: args.nodes,
        rate_per_s: args.rate,
        blocks_kept: kept,
        transactions: soak.sent,
        failed: soak.failed,
        seconds: start.elapsed().as_secs(),
        verdict: Verdict::of(&windows),
        windows,
    })
}

fn text(report: &Report) -> String {
    let columns = [
        "blocks",
        "disk MB",
        "votes",
        "blocks",
        "certificates",
        "cache",
        "snapshots",
        "store",
        "resident MB",
        "transactions",
        "requests",
    ];
    let mut table = Table::new(&columns, "");
    let megabytes = |bytes: u64| format!("{:.1}", bytes as f64 / 1_000_000.0);
    for it in &report.windows {
        let disk = &it.disk;
        table.row([
            it.blocks.to_string(),
            megabytes(disk.total_bytes),
            megabytes(disk.votes_bytes),
            megabytes(disk.blocks_bytes),
            megabytes(disk.certificates_bytes),
            megabytes(disk.cache_bytes),
            megabytes(disk.snapshots_bytes),
            megabytes(disk.store_bytes),
            format!("{:.1}", it.resident_mb),
            it.transaction_ms.text(),
            it.request_ms.text(),
        ]);
    }
    let machine = report.machine.text();
    let load = format!(
        "{} nodes, {} transactions in {} s, {} failed; nodes keep {} whole blocks",
        report.nodes, report.transactions, report.seconds, report.failed, report.blocks_kept
    );
    let figures = Figure::table(&report.verdict.figures());
    format!("{machine}\n{load}\n\n{}\n\n{figures}", table.text())
}
