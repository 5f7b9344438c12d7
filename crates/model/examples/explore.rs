//! Explores deeper than the test has time for: `cargo run --release -p trustmesh-model
//! --example explore -- [--evil N|none] [--seeds N] [--requests two,one] [--delays N]
//! [--troubles N] [--lags N] [--restarts N] [--acts N] [--short]`.
//!
//! Prints how many situations there are and how long it took; ends with exit code 1 and the
//! actions that lead there when something is broken.

use stateright::{Checker, Model};
use std::{process::ExitCode, time::Instant};
use trustmesh_model::{Asked, Bounds, LONG_MS, NOTHING_BROKEN, Runs, Start};

fn number(name: &str, otherwise: u8) -> u8 {
    text(name).and_then(|t| t.parse().ok()).unwrap_or(otherwise)
}

fn text(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|a| a != name);
    arguments.next()?;
    arguments.next()
}

fn main() -> ExitCode {
    let evil = text("--evil").unwrap_or_else(|| "0".to_owned()).parse::<usize>().ok();
    let names = text("--requests").unwrap_or_else(|| "two,one".to_owned());
    let short = std::env::args().any(|a| a == "--short");
    let asked = names.split(',').enumerate().map(|(at, name)| Asked {
        workflow: if name == "two" { "two" } else { "one" },
        lifetime_ms: if short && at == 0 { 900 } else { 2 * LONG_MS },
        entry: if evil == Some(1) { 2 } else { 1 },
    });
    let asked: Vec<Asked> = asked.collect();
    let starts =
        (0..number("--seeds", 1)).map(|seed| Start { asked: asked.clone(), evil, seed }).collect();
    let bounds = Bounds {
        delays: number("--delays", 0),
        troubles: number("--troubles", 0),
        lags: number("--lags", 0),
        restarts: number("--restarts", 0),
        evil_acts: number("--acts", 1),
    };
    let began = Instant::now();
    let checker = Runs { starts, bounds, hook: None }.checker().spawn_dfs().join();
    println!(
        "{bounds:?}: {} situations, {} steps, the longest run has {}; {:.1} s",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        began.elapsed().as_secs_f64(),
    );
    let Some(path) = checker.discovery(NOTHING_BROKEN) else { return ExitCode::SUCCESS };
    println!("broken: {:?}", path.last_state().broken());
    for action in path.into_actions() {
        println!("  {action:?}");
    }
    ExitCode::FAILURE
}
