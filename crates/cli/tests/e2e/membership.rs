//! Nodes that join, come back without their data, and leave, as operators do it.

use crate::{
    daemon::{Daemon, eventually},
    mesh::{Mesh, one_at_a_time},
};
use serde_json::Value;
use std::{fs, net::TcpListener, thread, time::Duration};

const CHAIN: &str = "
name: chain
tasks:
  a: { app: noop }
  b: { app: noop, after: [a] }
  c: { app: noop, after: [b] }
";

/// Every second task is done by the other of two that don't vote.
const APART: &str = "
id: apart
scope: assignment
expression: 'task.id == \"b\" ? node.name == \"edge-2\" : node.name == \"edge-1\"'
message: a and c run on edge-1, b on edge-2
";

/// Two epochs, on a machine that has other things to do.
const COMMITTEE: Duration = Duration::from_secs(120);
const CATCH_UP: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(500);

/// A node of the ledger, by its name.
fn node(mesh: &Mesh, name: &str) -> Value {
    let all = mesh.run(&["node", "list", "--all", "-o", "json"]).json();
    let found = all.as_array().and_then(|all| all.iter().find(|node| node["name"] == name));
    found.unwrap_or_else(|| panic!("no {name} in {all}")).clone()
}

/// Waits, and leaves the processors to the nodes meanwhile.
fn within_committees(what: &str, so: impl Fn() -> bool) {
    eventually(what, COMMITTEE, || {
        thread::sleep(PAUSE);
        so()
    });
}

fn until_votes(mesh: &Mesh, name: &str, votes: bool) {
    let so = || node(mesh, name)["votes"] == votes;
    within_committees(&format!("{name} votes: {votes}"), so);
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").to_string()
}

/// Invites a node and runs it with nothing but the join file and its key.
fn join(mesh: &Mesh, name: &str, roles: &str) -> Daemon {
    let (key, file) = (format!("{name}.key"), format!("{name}.join.json"));
    mesh.run(&["key", "generate", &key]).ok();
    let (p2p, http) = (free_address(), free_address());
    let new = ["node", "invite", "--name", name, "--node-key", &format!("{key}.pub")];
    let more = ["--roles", roles, "--cpu", "4000", "--memory", "2048", "--p2p", &p2p];
    mesh.run(&[&new[..], &more[..], &["--http", &http]].concat()).ok();
    // Like another machine: a folder where nothing else is.
    let machine = mesh.folder().join(format!("{name}.machine"));
    fs::create_dir(&machine).expect("a folder");
    for file in [&key, &file] {
        fs::rename(mesh.folder().join(file), machine.join(file)).expect("moved");
    }
    let args = ["node", "run", "--join", &file, "--key", &key];
    let mut daemon = Daemon::of(&args, &machine);
    daemon.until_ready();
    daemon
}

fn submit(mesh: &Mesh, key: &str, serial: u64) -> Value {
    let args = ["request", "submit", "chain", "-", "--key", key, "--wait", "-o", "json"];
    let result = mesh.fed(&args, &format!("{{\"serial\": {serial}}}")).json();
    assert_eq!(result["outputs"]["c"]["serial"], serial, "{result}");
    result
}

fn mesh_with_chain() -> (Mesh, String) {
    let mesh = Mesh::up();
    mesh.until_all_live();
    mesh.deploy_noop("noop");
    mesh.workflow("chain.yaml", CHAIN).ok();
    let key = mesh.register("truck-1");
    (mesh, key)
}

#[test]
fn workers_that_do_not_vote_join_and_hand_each_other_their_outputs() {
    let _turn = one_at_a_time();
    let (mesh, key) = mesh_with_chain();
    let _workers = [join(&mesh, "edge-1", "worker"), join(&mesh, "edge-2", "worker")];
    mesh.until_all_live();
    mesh.write("apart.yaml", APART);
    mesh.run(&["policy", "set", "apart.yaml"]).ok();
    let result = submit(&mesh, &key, 1);
    let id = result["request"].as_str().expect("an id");
    let shown = mesh.run(&["request", "show", id, "-o", "json"]).json();
    let (one, two) = (node(&mesh, "edge-1"), node(&mesh, "edge-2"));
    for task in shown["tasks"].as_array().expect("tasks") {
        let expected = if task["task"] == "b" { &two } else { &one };
        assert_eq!(task["nodes"][0], expected["key"], "{shown}");
    }
    assert_eq!((&one["votes"], &two["votes"]), (&Value::Bool(false), &Value::Bool(false)));
    assert_eq!(two["said"]["caught_up"], true, "{two}");

    mesh.run(&["policy", "remove", "apart"]).ok();
    mesh.run(&["node", "remove", "edge-1"]).ok();
    mesh.run(&["node", "remove", "edge-1"]).refused(1, &["unknown_member"]);
    assert_eq!(node(&mesh, "edge-1")["standing"], "removed");
    let listed = mesh.run(&["node", "list"]).ok().out;
    assert!(!listed.contains("edge-1") && listed.contains("edge-2"), "{listed}");
    submit(&mesh, &key, 2);
}

#[test]
fn validators_join_come_back_without_their_data_and_leave() {
    let _turn = one_at_a_time();
    let (mesh, key) = mesh_with_chain();
    // Four are the fewest.
    mesh.run(&["node", "remove", "node-4"]).refused(1, &["4 are the fewest"]);
    let fifth = join(&mesh, "node-5", "validator,scheduler,worker");
    until_votes(&mesh, "node-5", true);
    submit(&mesh, &key, 1);

    // One loses its data: it follows, and votes when it knows that it can't contradict itself.
    mesh.kill_9(1);
    let data = mesh.folder().join("node-2/data");
    fs::rename(&data, mesh.folder().join("lost")).expect("moved away");
    mesh.start();
    mesh.until_caught_up("node-2", CATCH_UP);
    let votes = || {
        let status = mesh.run(&["ledger", "status", "--endpoint", "node-2", "-o", "json"]).json();
        status["votes"] == true
    };
    within_committees("node-2 votes in a new committee", votes);
    submit(&mesh, &key, 2);

    // Another one leaves, and the rest goes on without it.
    mesh.run(&["node", "remove", "node-3"]).ok();
    until_votes(&mesh, "node-3", false);
    mesh.kill_9(2);
    submit(&mesh, &key, 3);
    mesh.run(&["node", "remove", "node-4"]).refused(1, &["4 are the fewest"]);
    for name in ["node-1", "node-2", "node-4"] {
        let verified = mesh.run(&["ledger", "verify", "--endpoint", name, "-o", "json"]).json();
        assert!(verified["mismatch"].is_null(), "{name}: {verified}");
    }
    drop(fifth);
}
