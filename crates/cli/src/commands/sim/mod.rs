//! `trustmesh sim`: the simulator as a judge. Any number of seeds, on all cores; it can be
//! stopped and gone on with; a failing seed gives one line that replays it, and its scenario
//! can be reduced to the least that still fails.
//!
//! Exit code 1 when a property broke.

mod arguments;
mod report;
mod storage;

pub use arguments::SimArgs;

use crate::{
    context::Context,
    failure::{Done, Failure},
    output::Progress,
};
use report::{Least, Report};
use std::{
    panic,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::signal::unix::{SignalKind, signal};
use trustmesh_sim::{
    Scenario,
    campaign::{Record, Stop, Verdict, play_all, shrink},
};

/// What is done is kept at least so often.
const KEPT_EVERY: Duration = Duration::from_secs(5);

/// Plays, judges and reports.
pub async fn run(context: &Context, args: SimArgs) -> Done {
    let stop = Arc::new(Stop::default());
    watch(Arc::clone(&stop))?;
    // A world that panics is a verdict, with the panic's words; they need not be said twice.
    panic::set_hook(Box::new(|_| {}));
    let played = tokio::task::spawn_blocking(move || play(&args, &stop)).await;
    let report = played.map_err(Failure::failed)??;
    context.printer.answer(&report, report::text)?;
    report.conclusion()
}

/// Asks to stop on Ctrl-C and SIGTERM.
fn watch(stop: Arc<Stop>) -> Done {
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let mut told =
            signal(kind).map_err(|e| Failure::failed(format!("can't watch signals: {e}")))?;
        let stop = Arc::clone(&stop);
        tokio::spawn(async move {
            while told.recv().await.is_some() {
                stop.stop();
            }
        });
    }
    Ok(())
}

fn play(args: &SimArgs, stop: &Stop) -> Done<Report> {
    match &args.plan {
        Some(path) => play_plan(path, args, stop),
        None => campaign(args, stop),
    }
}

fn campaign(args: &SimArgs, stop: &Stop) -> Done<Report> {
    let (terms, asked) = (args.terms()?, args.asked());
    let mut record = match &args.resume {
        Some(path) => storage::load(path, &asked)?,
        None => Record::new(asked),
    };
    let open: Vec<u64> = record.open().collect();
    let progress = Progress::bar(open.len() as u64, "worlds");
    let (began, mut kept) = (Instant::now(), Instant::now());
    let mut trouble = None;
    play_all(&terms, open.into_iter(), args.jobs(), stop, |verdict| {
        if let Some(line) = report::line(&record.asked, &verdict) {
            progress.aside(|| eprintln!("{line}"));
        }
        record.add(verdict);
        progress.step();
        if kept.elapsed() >= KEPT_EVERY {
            kept = Instant::now();
            if let Err(failure) = keep(args, &record) {
                trouble = Some(failure);
                stop.stop();
            }
        }
    });
    drop(progress);
    if let Some(failure) = trouble {
        return Err(failure);
    }
    keep(args, &record)?;
    let seconds = began.elapsed().as_secs_f64();
    let mut least = None;
    if args.shrinks()
        && let Some(failed) = record.failures.first()
    {
        least = Some(reduce(&terms.draw(failed.seed), failed, args, stop));
    }
    Ok(Report::new(record, args.jobs(), seconds, least))
}

fn keep(args: &SimArgs, record: &Record) -> Done {
    args.resume.as_deref().map_or(Ok(()), |path| storage::save(path, record))
}

fn play_plan(path: &Path, args: &SimArgs, stop: &Stop) -> Done<Report> {
    let scenario: Scenario = storage::read(path)?;
    let playing = Progress::spinner("one world");
    let began = Instant::now();
    let verdict = Verdict::of(&scenario, args.first_seed);
    drop(playing);
    let least = (!verdict.held() && args.shrink).then(|| reduce(&scenario, &verdict, args, stop));
    let mut record = Record::new(trustmesh_sim::campaign::Asked {
        scenario: Some(scenario.name.clone()),
        nodes: Some(scenario.nodes),
        byzantine: None,
        first_seed: args.first_seed,
        seeds: 1,
    });
    record.add(verdict);
    Ok(Report::new(record, 1, began.elapsed().as_secs_f64(), least))
}

fn reduce(scenario: &Scenario, failed: &Verdict, args: &SimArgs, stop: &Stop) -> Least {
    let _reducing = Progress::spinner(&format!("reducing what seed {} fails in", failed.seed));
    let shrunk = shrink(scenario, failed, args.shrink_tries, || !stop.stopped());
    Least {
        seed: failed.seed,
        tries: shrunk.tries,
        broken: shrunk.verdict.broken,
        scenario: shrunk.scenario,
    }
}
