//! A node killed amid requests, and a mesh that goes down and comes back.

use crate::{
    mesh::{Mesh, one_at_a_time},
    run::Run,
};
use std::{
    fs,
    net::TcpListener,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

const CHAIN: &str = "
name: chain
tasks:
  first: { app: noop, timeout: 5s }
  second: { app: noop, after: [first], timeout: 5s }
  third: { app: noop, after: [second], timeout: 5s }
";
const REQUESTS: usize = 50;
const AT_A_TIME: usize = 5;
const KILLED_AFTER: usize = 10;

fn mesh_with_chain() -> (Mesh, String) {
    let mesh = Mesh::up();
    mesh.deploy_noop("noop");
    mesh.workflow("chain.yaml", CHAIN).ok();
    let key = mesh.register("truck-1");
    (mesh, key)
}

fn submit(mesh: &Mesh, key: &str, serial: usize) -> Run {
    let args = ["request", "submit", "chain", "-", "--key", key, "--wait", "-o", "json"];
    mesh.fed(&args, &format!("{{\"serial\": {serial}}}"))
}

#[test]
fn a_node_killed_amid_fifty_requests_loses_none() {
    let _turn = one_at_a_time();
    let (mesh, key) = mesh_with_chain();
    let (next, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let runs: Vec<(usize, Run)> = thread::scope(|scope| {
        let worker = || {
            let mut mine = Vec::new();
            loop {
                let serial = next.fetch_add(1, Ordering::Relaxed);
                if serial >= REQUESTS {
                    return mine;
                }
                mine.push((serial, submit(&mesh, &key, serial)));
                if ended.fetch_add(1, Ordering::Relaxed) + 1 == KILLED_AFTER {
                    mesh.kill_9(3);
                }
            }
        };
        let workers: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no panic")).collect()
    });
    let mut lost = Vec::new();
    for (serial, run) in &runs {
        match run.code {
            Some(0) => assert_eq!(run.json()["outputs"]["third"]["serial"], *serial),
            _ => lost.push(run),
        }
    }
    // One node of four may fail, so every request ends well; whatever did not must say why.
    assert!(lost.iter().all(|run| run.err.starts_with("error: ")), "{lost:?}");
    assert!(lost.is_empty(), "{} of {REQUESTS} requests failed: {lost:?}", lost.len());
    assert_eq!(mesh.status()["running"], 3);

    // The killed node comes back and catches up.
    mesh.start();
    let status = mesh.status();
    assert_eq!(status["running"], 4, "{status}");
    let verified = mesh.run(&["ledger", "verify", "--endpoint", "node-4", "-o", "json"]).json();
    assert!(verified["mismatch"].is_null(), "{verified}");
}

#[test]
fn a_mesh_that_restarts_has_lost_nothing() {
    let _turn = one_at_a_time();
    let (mesh, key) = mesh_with_chain();
    let requests: Vec<String> = (0..3)
        .map(|serial| {
            let args = ["request", "submit", "chain", "-", "--key", &key, "-o", "json"];
            let run = mesh.fed(&args, &format!("{{\"serial\": {serial}}}")).json();
            run["request"].as_str().expect("an id").to_owned()
        })
        .collect();
    // One result is taken before, the others after: the requests may still run.
    mesh.run(&["request", "result", &requests[0], "--key", &key]).ok();
    let height = mesh.height();
    mesh.stop();
    assert_eq!(mesh.status()["running"], 0);
    mesh.run(&["ledger", "status"]).refused(1, &["no node answered"]);

    mesh.start();
    assert!(mesh.height() >= height);
    for (serial, request) in requests.iter().enumerate() {
        let result = mesh.run(&["request", "result", request, "--key", &key, "-o", "json"]).json();
        assert_eq!(result["outputs"]["third"]["serial"], serial, "{result}");
    }
    let listed = mesh.run(&["request", "list", "--status", "finalized", "-o", "json"]).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(3), "{listed}");
    let after = submit(&mesh, &key, 3).json();
    assert_eq!(after["outputs"]["third"]["serial"], 3);
}

#[test]
fn a_start_that_fails_leaves_alone_what_ran_before() {
    let _turn = one_at_a_time();
    let mesh = Mesh::up();
    mesh.kill_9(3);
    let before = mesh.status();
    assert_eq!(before["running"], 3, "{before}");
    let address = before["nodes"][3]["http"].as_str().expect("an address").to_owned();
    let taken = TcpListener::bind(&address).expect("the killed node's port is free");
    mesh.run(&["network", "up"]).refused(1, &["node-4", &address, "free the port"]);

    let after = mesh.status();
    assert_eq!(after["running"], 3, "{after}");
    for index in 0..3 {
        assert_eq!(after["nodes"][index]["pid"], before["nodes"][index]["pid"], "{after}");
    }
    mesh.deploy_noop("noop");

    drop(taken);
    mesh.start();
    assert_eq!(mesh.status()["running"], 4);
}

#[test]
fn a_node_that_lost_what_it_signed_does_not_start() {
    let _turn = one_at_a_time();
    let mesh = Mesh::up();
    mesh.deploy_noop("noop");
    mesh.stop();
    let data = mesh.folder().join("node-1/data");
    let aside = mesh.folder().join("aside");
    for part in ["ledger", "store.redb"] {
        fs::rename(data.join(part), &aside).expect("moved aside");
        mesh.run(&["network", "up"]).refused(1, &["node-1", part, "has run", "new committee"]);
        fs::rename(&aside, data.join(part)).expect("moved back");
    }
    mesh.start();
    assert_eq!(mesh.status()["running"], 4);
}

#[test]
fn a_node_with_a_damaged_ledger_says_so() {
    let _turn = one_at_a_time();
    let mesh = Mesh::up();
    // A node that stops in order notices before it opens the ledger.
    (0..4).for_each(|index| mesh.kill_9(index));
    let part = mesh.folder().join("node-1/data/ledger/ledger-marshal-application-metadata");
    for entry in fs::read_dir(part).expect("the engine's files") {
        let path = entry.expect("an entry").path();
        let mut bytes = fs::read(&path).expect("a file");
        // Behind the header: the checksum is wrong now.
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
        fs::write(&path, bytes).expect("a file can be written");
    }
    // It goes on without the node, so this ends either way.
    let run = mesh.run(&["network", "up"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    for said in ["node-1/data/ledger", "can't go on", "put the directory back"] {
        assert!(run.err.contains(said), "{said:?} is not in {run:?}");
    }
    assert!(!run.err.contains("stack backtrace"), "{run:?}");
    assert_eq!(mesh.status()["running"], 0);
}

#[test]
fn without_a_quorum_a_request_says_what_it_waited_for() {
    let _turn = one_at_a_time();
    let (mesh, key) = mesh_with_chain();
    mesh.kill_9(2);
    mesh.kill_9(3);
    let args = ["request", "submit", "chain", "-", "--key", &key, "--deadline", "12s"];
    let run = mesh.fed(&args, "{}");
    run.refused(1, &["deadline passed", "unavailable"]);
    // Idle leaders pass for a while: only then is the silence one.
    let until = Instant::now() + Duration::from_secs(60);
    let status = loop {
        let status = mesh.run(&["network", "status"]).ok();
        if status.out.contains("no new block for") || Instant::now() > until {
            break status;
        }
        thread::sleep(Duration::from_millis(500));
    };
    assert!(status.out.contains("no new block for"), "{status:?}");
    assert!(!status.out.contains("catching up"), "{status:?}");
}
