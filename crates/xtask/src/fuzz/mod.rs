//! `fuzz`: builds the targets under `fuzz/` and runs them, some at a time, each for a while
//! (docs/fuzzing.md).
//!
//! Findings and corpora of runs lie in the target folder, `fuzz-found` and `fuzz-corpus`; what
//! stands under `fuzz/seeds` is only read.

mod stats;
mod tools;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, bail};

use stats::Stats;
use tools::Tools;

/// The targets, by surface.
const TARGETS: [&str; 7] = ["wire", "disk", "store", "http", "definitions", "policy", "node"];
const SMOKE_SECONDS: u32 = 60;
const RUN_SECONDS: u32 = 300;
/// An input that takes longer is a finding.
const INPUT_SECONDS_MAX: u32 = 10;
/// A target that holds more is a finding. Single decoders have closer bounds of their own.
const MEMORY_MIB_MAX: u32 = 1_024;
/// Longest input.
const INPUT_BYTES_MAX: u32 = 16_384;

/// Which targets, and for how long.
#[derive(clap::Args)]
pub struct Time {
    /// Seconds for each target.
    #[arg(long)]
    seconds: Option<u32>,
    /// Targets at the same time; as many as there are processors when not said.
    #[arg(long)]
    jobs: Option<usize>,
    /// This target alone.
    target: Option<String>,
}

/// A short run of each target. A machine that can't is no failure, and is said.
pub fn smoke(root: &Path, time: &Time) -> Result<()> {
    match Tools::find(root) {
        Ok(tools) => all(root, &tools, time, SMOKE_SECONDS),
        Err(missing) => {
            println!("SKIPPED fuzz: {missing:#}");
            Ok(())
        }
    }
}

/// A longer run.
pub fn run(root: &Path, time: &Time) -> Result<()> {
    all(root, &Tools::find(root)?, time, RUN_SECONDS)
}

fn all(root: &Path, tools: &Tools, time: &Time, seconds_default: u32) -> Result<()> {
    let names: Vec<&str> = match &time.target {
        Some(name) if TARGETS.contains(&name.as_str()) => vec![name.as_str()],
        Some(name) => bail!("there is no target {name}; there are {}", TARGETS.join(", ")),
        None => TARGETS.to_vec(),
    };
    let seconds = time.seconds.unwrap_or(seconds_default);
    let jobs = time.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    tools.build()?;
    let waiting = Mutex::new(names.iter());
    let findings = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, names.len()) {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().map_or(None, |mut it| it.next().copied());
                    let Some(name) = next else { return };
                    match one(root, tools, name, seconds) {
                        Ok(stats) => println!("{name:<12} {stats}"),
                        Err(error) => {
                            println!("{name:<12} FINDING: {error:#}");
                            if let Ok(mut findings) = findings.lock() {
                                findings.push(name);
                            }
                        }
                    }
                }
            });
        }
    });
    let findings = findings.into_inner().unwrap_or_default();
    if findings.is_empty() {
        return Ok(());
    }
    bail!(
        "findings in {}: run the binary that is named with the input that is",
        findings.join(", ")
    )
}

/// Runs one target; an error is a finding, or that it can't be run.
fn one(root: &Path, tools: &Tools, name: &str, seconds: u32) -> Result<Stats> {
    let made = |kind: &str| -> Result<PathBuf> {
        let folder = tools.target.join(kind).join(name);
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(folder)
    };
    let (found, corpus) = (made("fuzz-found")?, made("fuzz-corpus")?);
    let log = found.join("log");
    let binary = tools.binary(name);
    let errors = File::create(&log).with_context(|| format!("making {}", log.display()))?;
    let status = Command::new(&binary)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
        .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
        .arg(format!("-max_len={INPUT_BYTES_MAX}"))
        .arg(format!("-artifact_prefix={}/", found.display()))
        .arg("-print_final_stats=1")
        .arg(&corpus)
        .arg(root.join("fuzz/seeds").join(name))
        .stderr(errors)
        .status()
        .with_context(|| format!("running {}", binary.display()))?;
    let text = fs::read(&log).with_context(|| format!("reading {}", log.display()))?;
    let text = String::from_utf8_lossy(&text);
    if !status.success() {
        let end: Vec<&str> = text.lines().rev().take(20).collect();
        let end: Vec<&str> = end.into_iter().rev().collect();
        bail!("{} ended with {status}\n{}", binary.display(), end.join("\n"));
    }
    Stats::read(&text, seconds).with_context(|| format!("{} has no figures", log.display()))
}
