//! `bench byzantine`: the experiments of the paper's section VI-D, beside its figures: in the
//! simulator (nodes 5.12 ms apart, virtual time), then with real processes on this machine.

mod real;

use super::{arguments::ByzantineArgs, machine::Machine, report::Figure};
use crate::{
    commands::interrupt::interruptible,
    context::Context,
    failure::{Done, Failure},
    output::{Progress, Table},
};
use real::Real;
use serde::Serialize;
use trustmesh_sim::{Attack, Experiment, Spread, byzantine_experiment};

/// To reach, in the simulator.
const DETECTION_MS_MAX: f64 = 40.0;
const RECOVERY_MS_MAX: f64 = 100.0;
/// Above the generation timeout.
const SILENCE_MS_MAX: f64 = 1_100.0;

/// A figure of the paper's table III: mean and deviation.
#[derive(Debug, Clone, Copy, Serialize)]
struct Paper {
    attack: Attack,
    detection_ms: (f64, f64),
    recovery_ms: (f64, f64),
    cpu_percent: f64,
}

const PAPER: [Paper; 2] = [
    Paper {
        attack: Attack::Unauthorized,
        detection_ms: (127.0, 15.0),
        recovery_ms: (5_230.0, 120.0),
        cpu_percent: 45.5,
    },
    Paper {
        attack: Attack::Interference,
        detection_ms: (142.0, 18.0),
        recovery_ms: (5_310.0, 150.0),
        cpu_percent: 47.8,
    },
];

#[derive(Serialize)]
struct Report {
    paper: [Paper; 2],
    simulated: Vec<Experiment>,
    machine: Machine,
    #[serde(skip_serializing_if = "Option::is_none")]
    real: Option<Real>,
}

/// Plays, measures and reports.
pub async fn run(context: &Context, args: &ByzantineArgs) -> Done {
    let tolerated = args.nodes.saturating_sub(1) / 3;
    if args.malicious > tolerated {
        let (nodes, malicious) = (args.nodes, args.malicious);
        let what = format!("{nodes} nodes stand {tolerated} malicious ones, not {malicious}");
        return Err(Failure::usage(what).advise("name more --nodes, or fewer --malicious"));
    }
    let mut simulated = Vec::new();
    for attack in Attack::ALL {
        let _playing = Progress::spinner(&format!("{}, simulated", title(attack)));
        simulated.push(interruptible(play(attack, args)).await?);
    }
    let real = match args.real_nodes {
        0 => None,
        nodes => Some(real::measure(nodes, args.real_iterations).await?),
    };
    let report = Report { paper: PAPER, simulated, machine: Machine::this(), real };
    context.printer.answer(&report, text)?;
    verdict(&report)
}

async fn play(attack: Attack, args: &ByzantineArgs) -> Done<Experiment> {
    let (nodes, malicious, iterations) = (args.nodes, args.malicious, args.iterations);
    let play = move || byzantine_experiment(attack, nodes, malicious, iterations as usize);
    tokio::task::spawn_blocking(play).await.map_err(Failure::failed)?.map_err(Failure::failed)
}

/// A benchmark fails when what must hold did not, not when a figure is missed.
fn verdict(report: &Report) -> Done {
    let broken = |it: &Experiment| {
        it.undetected + it.false_positives + it.lost_requests + it.violations.len() > 0
    };
    let mut flaws: Vec<&str> =
        report.simulated.iter().filter(|it| broken(it)).map(|it| title(it.attack)).collect();
    if report.real.as_ref().is_some_and(Real::broken) {
        flaws.push("with real processes");
    }
    if flaws.is_empty() {
        return Ok(());
    }
    Err(Failure::failed(format!("not everything held: {}", flaws.join(", "))))
}

const fn title(attack: Attack) -> &'static str {
    match attack {
        Attack::Unauthorized => "1 unauthorized plans",
        Attack::Interference => "2 interference with Active requests",
        Attack::FaultyPlan => "faulty plans of designated nodes",
        Attack::Silence => "silent designated nodes",
    }
}

fn spread(spread: Option<&Spread>) -> String {
    spread.map_or_else(
        || "-".to_owned(),
        |it| format!("{:.1} ± {:.1} ms, p99 {:.1}", it.mean, it.deviation, it.percentiles.p99),
    )
}

fn text(report: &Report) -> String {
    let columns = ["", "detection", "recovery", "detected", "false positives", "cpu"];
    let mut table = Table::new(&columns, "");
    for it in &report.paper {
        let of = |(mean, deviation): (f64, f64)| format!("{mean:.0} ± {deviation:.0} ms");
        table.row([
            format!("{}, paper", title(it.attack)),
            of(it.detection_ms),
            of(it.recovery_ms),
            "100 %".to_owned(),
            "0".to_owned(),
            format!("{} %", it.cpu_percent),
        ]);
    }
    for it in &report.simulated {
        let attacks = it.iterations + it.undetected;
        let share = 100.0 * it.iterations as f64 / (attacks.max(1)) as f64;
        table.row([
            format!("{}, simulated", title(it.attack)),
            spread(it.detection_ms.as_ref()),
            spread(it.recovery_ms.as_ref()),
            it.detection_ms.map_or("-".to_owned(), |_| format!("{share:.0} %")),
            it.false_positives.to_string(),
            "-".to_owned(),
        ]);
    }
    if let Some(real) = &report.real {
        real.rows(&mut table);
    }
    let simulated = report.simulated.first();
    let head = simulated.map_or_else(String::new, |it| {
        format!(
            "simulated: {} nodes, {} of them malicious, 5.12 ms apart, {} attacks of each kind",
            it.nodes, it.malicious, it.iterations
        )
    });
    let real = report.real.as_ref().map_or_else(String::new, |real| {
        format!("\nreal: {} processes on {}", real.nodes, report.machine.text())
    });
    format!("{head}{real}\n\n{}\n\n{}", table.text(), Figure::table(&figures(&report.simulated)))
}

/// The targets, of the simulated experiments.
fn figures(simulated: &[Experiment]) -> Vec<Figure> {
    let mut figures = Vec::new();
    for it in simulated {
        let (name, most) = match it.attack {
            Attack::Silence => ("recovery after silence, max", SILENCE_MS_MAX),
            Attack::FaultyPlan => ("recovery after a faulty plan, mean", RECOVERY_MS_MAX),
            Attack::Unauthorized => ("recovery in scenario 1, mean", RECOVERY_MS_MAX),
            Attack::Interference => ("recovery in scenario 2, mean", RECOVERY_MS_MAX),
        };
        let silence = it.attack == Attack::Silence;
        if let Some(recovery) = it.recovery_ms {
            let value = if silence { recovery.max } else { recovery.mean };
            figures.push(Figure::at_most(name, value, most, "ms"));
        }
        if let Some(detection) = it.detection_ms {
            let name = match it.attack {
                Attack::Unauthorized => "detection in scenario 1, mean",
                Attack::Interference => "detection in scenario 2, mean",
                _ => "detection of a faulty plan, mean",
            };
            figures.push(Figure::at_most(name, detection.mean, DETECTION_MS_MAX, "ms"));
        }
    }
    figures
}
