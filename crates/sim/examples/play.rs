//! Plays a scenario of the catalogue and prints what came of it:
//! `cargo run --release -p trustmesh-sim --example play -- loss 4 10 1`
//! (kind, nodes, requests, seed), `latency 4 40`, or `scale 16 8 100` (validators, requests,
//! workers). With `RUST_LOG=trace` the trace itself goes to stderr.

use std::{error::Error, time::Instant};
use trustmesh_sim::{ScaleSize, catalogue, run, simulated_latency, simulated_scale};

fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .without_time()
        .init();
    let mut words = std::env::args().skip(1);
    let kind = words.next().unwrap_or_else(|| "calm".to_owned());
    let numbers: Vec<u32> = words.map(|word| word.parse()).collect::<Result<_, _>>()?;
    let number = |at: usize, else_| numbers.get(at).copied().unwrap_or(else_);
    let nodes = u16::try_from(number(0, 4))?;
    let began = Instant::now();
    let json = if kind == "latency" {
        serde_json::to_string_pretty(&simulated_latency(nodes, number(1, 40))?)?
    } else if kind == "scale" {
        let size = ScaleSize { validators: nodes, workers: u16::try_from(number(2, 0))? };
        serde_json::to_string_pretty(&simulated_scale(size, number(1, 4))?)?
    } else {
        let kind = catalogue(&kind).ok_or("no such kind of scenario")?;
        let scenario = kind.scenario(nodes, number(1, 10));
        serde_json::to_string_pretty(&run(&scenario, number(2, 1).into())?)?
    };
    println!("{json}");
    eprintln!("{:.1} s of wall time", began.elapsed().as_secs_f64());
    Ok(())
}
