//! Requests that run all the while, each with a result that must be its own.

use crate::{daemon::eventually, mesh::Mesh, run::Run};
use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

const CHAIN: &str = "
name: chain
tasks:
  first: { app: noop, timeout: 5s }
  second: { app: noop, after: [first], timeout: 5s }
  third: { app: noop, after: [second], timeout: 5s }
";
const WORKERS: usize = 3;
/// For the next results to come, whatever was done to the mesh.
const PATIENCE: Duration = Duration::from_secs(180);

/// Counts the results so far.
pub struct Load<'a> {
    right: &'a AtomicUsize,
}

impl Load<'_> {
    /// Waits for so many more results.
    pub fn until_more(&self, results: usize) {
        let from = self.right.load(Ordering::Relaxed);
        let more = || self.right.load(Ordering::Relaxed) >= from + results;
        eventually(&format!("{results} more results after {from}"), PATIENCE, more);
    }
}

/// What the load needs; gives the device's key file.
pub fn prepare(mesh: &Mesh) -> String {
    mesh.deploy_noop("noop");
    mesh.workflow("chain.yaml", CHAIN).ok();
    mesh.register("truck-1")
}

/// Does something while requests run; every one of them must end well.
pub fn under_load<T>(mesh: &Mesh, key: &str, work: impl FnOnce(&Load<'_>) -> T) -> T {
    let (stop, serial, right) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let flaws: Mutex<Vec<Run>> = Mutex::default();
    let worker = || {
        while !stop.load(Ordering::Relaxed) {
            let serial = serial.fetch_add(1, Ordering::Relaxed);
            let run = submit(mesh, key, serial);
            let is_right =
                run.code == Some(0) && run.json()["outputs"]["third"]["serial"] == serial;
            if is_right {
                right.fetch_add(1, Ordering::Relaxed);
            } else {
                flaws.lock().expect("no panic").push(run);
            }
        }
    };
    let done = thread::scope(|scope| {
        let _ends = Ends(&stop);
        for _ in 0..WORKERS {
            scope.spawn(worker);
        }
        work(&Load { right: &right })
    });
    let flaws = flaws.into_inner().expect("no panic");
    assert!(flaws.is_empty(), "{} of {serial:?} requests failed: {flaws:?}", flaws.len());
    done
}

/// The workers end with the work, also when that panics.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn submit(mesh: &Mesh, key: &str, serial: usize) -> Run {
    let args = ["request", "submit", "chain", "-", "--key", key, "--wait", "--deadline", "90s"];
    mesh.fed(&[&args[..], &["-o", "json"]].concat(), &format!("{{\"serial\": {serial}}}"))
}
