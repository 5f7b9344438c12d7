//! Plays seeds and prints a line for each that fails, without the command line's comfort:
//! `cargo run --release -p trustmesh-sim --example seeds -- 0 200 2 everything`
//! (first seed, how many, threads, kind or `all`). With a `shrink` at the end, the first that
//! fails is reduced.

use std::{error::Error, time::Instant};
use trustmesh_sim::{
    Terms,
    campaign::{Asked, Record, Stop, play_all, shrink},
    mix,
};

const TRIES_MAX: u32 = 60;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |at: usize| words.get(at).map(String::as_str);
    let number = |at: usize, else_: u64| word(at).map_or(Ok(else_), str::parse);
    let (first_seed, seeds, jobs) = (number(0, 0)?, number(1, 10)?, number(2, 1)?);
    let kind = word(3).unwrap_or("all").to_owned();
    let terms = Terms { mix: mix(&kind), ..Terms::default() };
    let asked = Asked { scenario: Some(kind), nodes: None, byzantine: None, first_seed, seeds };
    let mut record = Record::new(asked);
    let open: Vec<u64> = record.open().collect();
    let began = Instant::now();
    play_all(&terms, open.into_iter(), usize::try_from(jobs)?, &Stop::default(), |verdict| {
        for broken in verdict.broken.iter().take(3) {
            let (seed, name, n) = (verdict.seed, &verdict.scenario, verdict.nodes);
            println!("seed {seed}: {name}, {n} nodes, {:?}: {broken:?}", verdict.evil);
        }
        record.add(verdict);
    });
    println!("{:#?}", record.sizes);
    println!("{:?}\n{:?}", record.all, record.deviations);
    println!("{:.1} s of wall time", began.elapsed().as_secs_f64());
    if word(4) == Some("shrink")
        && let Some(failed) = record.failures.first()
    {
        let shrunk = shrink(&terms.draw(failed.seed), failed, TRIES_MAX, || true);
        println!("{} tries: {:?}", shrunk.tries, shrunk.verdict.broken);
        println!("{}", serde_json::to_string(&shrunk.scenario)?);
    }
    Ok(())
}
