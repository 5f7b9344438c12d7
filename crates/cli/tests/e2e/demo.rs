//! The demo: it comes through, says so in the promised form, and leaves nothing behind.

use crate::{
    mesh::one_at_a_time,
    run::{skipped, trustmesh},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

#[test]
fn the_demo_finishes_with_one_object() {
    let _turn = one_at_a_time();
    let report = trustmesh(&["demo", "--requests", "6", "-o", "json"]).json();
    assert_eq!(report["nodes"], 4, "{report}");
    assert_eq!(report["requests"], 6);
    assert_eq!(report["finalized"], 6);
    assert_eq!(report["failed"], 0);
    for (field, part) in
        [("rrt_ms", "p50"), ("rrt_ms", "p99"), ("overhead_ms", "p50"), ("task_ms", "p50")]
    {
        assert!(report[field][part].as_f64().is_some_and(|ms| ms > 0.0), "{field} {report}");
    }
    assert!(report["overhead_ms"]["p50"].as_f64() <= report["rrt_ms"]["p50"].as_f64());
    let folder = report["network_dir"].as_str().expect("a folder");
    assert!(!Path::new(folder).exists(), "{folder} was left behind");
}

#[test]
fn real_readings_raise_alerts() {
    let _turn = one_at_a_time();
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/ambient_temperature_system_failure.csv");
    if !file.is_file() {
        skipped("real_readings_raise_alerts", &format!("{} is not there", file.display()));
        return;
    }
    let file = file.to_str().expect("UTF-8");
    let run = trustmesh(&["demo", "--requests", "8", "--input", file]).ok();
    assert!(run.out.contains("8 finalized, 0 failed"), "{run:?}");
    assert!(run.out.contains("risk"), "no alert: {run:?}");
    assert!(run.out.contains("Who computed what"), "{run:?}");
}

#[test]
fn an_interrupted_demo_stops_what_it_started() {
    let _turn = one_at_a_time();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_trustmesh"))
        .args(["demo", "--requests", "1000", "--interval", "50ms"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let mut lines = BufReader::new(demo.stdout.take().expect("piped")).lines();
    let mut line = |what: &str| loop {
        let line = lines.next().expect("the demo goes on").expect("UTF-8");
        if line.contains(what) {
            return line;
        }
    };
    let folder = line("network folder").rsplit(' ').next().expect("a folder").to_owned();
    line("registered device");
    let pids: Vec<i32> = (1..=4).map(|index| pid(Path::new(&folder), index)).collect();
    let demo_pid = Pid::from_raw(i32::try_from(demo.id()).expect("a pid"));
    kill(demo_pid, Signal::SIGINT).expect("interrupted");
    assert_eq!(demo.wait().expect("it ends").code(), Some(1));
    for pid in pids {
        assert!(!runs(pid), "node process {pid} still runs");
    }
    assert!(!Path::new(&folder).exists(), "{folder} was left behind");
}

/// Whether a process does anything; one that has ended may wait to be reaped.
fn runs(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

fn pid(folder: &Path, index: usize) -> i32 {
    let path = folder.join(format!("node-{index}")).join("process.json");
    let text = std::fs::read_to_string(path).expect("the node runs");
    let process: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    process["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).expect("a pid")
}
