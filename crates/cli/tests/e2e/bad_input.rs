//! Bad input: each case ends with its exit code and a message that says what was wrong and
//! where; nothing is half done, and the mesh goes on.
//!
//! Code 2 is for what is wrong with the command or a file it names, 1 for what the network
//! refused or could not do.

use crate::{
    mesh::{Mesh, one_at_a_time},
    run::{Run, trustmesh, trustmesh_in},
};
use serde_json::Value;
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};
use trustmesh_api::ErrorCode;
use trustmesh_client::{Client, ClientError, Endpoint, Operator};
use trustmesh_node::{keystore, local::LocalNetwork};

/// The smallest module: it has no `_start`.
const LIBRARY: &[u8] = b"\0asm\x01\0\0\0";

/// What to run, the exit code, and parts of the message.
type Case<'a> = (&'a [&'a str], i32, &'a [&'a str]);

/// Runs every case and reports all that went otherwise.
fn table(run: impl Fn(&[&str]) -> Run, cases: &[Case<'_>]) {
    let mut wrong = Vec::new();
    for (args, code, parts) in cases {
        let got = run(args);
        let said = parts.iter().all(|part| got.err.contains(part)) && !got.err.is_empty();
        if got.code != Some(*code) || !said || got.err.contains("panicked") {
            let (code_got, err) = (got.code, got.err);
            wrong.push(format!("{args:?}\n  wanted {code} {parts:?}\n  got {code_got:?} {err}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn commands_without_a_network() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("broken")).expect("a folder can be made");
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("a file can be written");
    };
    write("no.csv", "time,value\n1,2\n");
    write("bad.csv", "timestamp,value\n2026-01-01 00:00:00,warm\n");
    write("nan.csv", "timestamp,value\n2026-01-01 00:00:00,NaN\n");
    write("when.csv", "timestamp,value\nyesterday,1\n");
    write("genesis.json", "{\"version\": 1,\n \"name\": }");
    write("few.json", r#"{"version":1,"name":"x","created_ms":1,"operators":[],"nodes":[]}"#);
    write("open.key", &"1".repeat(64));
    fs::set_permissions(folder.path().join("open.key"), fs::Permissions::from_mode(0o644))
        .expect("a mode can be set");
    write("closed.key", "no key");
    fs::set_permissions(folder.path().join("closed.key"), fs::Permissions::from_mode(0o600))
        .expect("a mode can be set");
    write("node.toml", "data_dir = \"data\"\nsurprise = 1\n");
    write("broken/trustmesh.toml", "genesys = \"x\"\n");
    table(
        |args| trustmesh_in(folder.path(), args),
        &[
            (&["nonsense"], 2, &["nonsense"]),
            (&["demo", "--nodes", "3"], 2, &["3", "4..=16"]),
            (&["demo", "--interval", "soon"], 2, &["soon", "500ms"]),
            (&["demo", "--input", "none.csv"], 2, &["none.csv"]),
            (&["demo", "--input", "no.csv"], 2, &["no.csv", "line 1", "timestamp"]),
            (&["demo", "--input", "bad.csv"], 2, &["bad.csv", "line 2", "warm"]),
            (&["demo", "--input", "nan.csv"], 2, &["nan.csv", "line 2", "NaN", "finite"]),
            (&["demo", "--input", "when.csv"], 2, &["when.csv", "line 2", "yesterday"]),
            (&["node", "list"], 2, &["no network", "network init"]),
            (&["node", "list", "--genesis", "genesis.json"], 2, &["genesis.json", "line 2"]),
            (&["node", "list", "--genesis", "none.json"], 2, &["none.json", "network init"]),
            (&["node", "list", "--context", "none"], 2, &["none", "trustmesh.toml"]),
            (&["key", "show", "none.key"], 2, &["none.key", "key generate"]),
            (&["node", "list", "--genesis", "few.json"], 2, &["0 validators", "4"]),
            (&["node", "list", "--context", "broken"], 2, &["genesys", "endpoints"]),
            (&["node", "run", "--config", "none.toml"], 2, &["none.toml", "node.toml"]),
            (&["node", "run", "--config", "node.toml"], 2, &["node.toml", "surprise"]),
            (&["key", "show", "open.key"], 2, &["open.key", "chmod 600"]),
            (&["key", "show", "closed.key"], 2, &["closed.key", "hexadecimal"]),
            (&["network", "up", "nowhere"], 2, &["nowhere", "network init"]),
            (&["network", "init", "."], 2, &["not empty"]),
            (&["completions", "sh3ll"], 2, &["sh3ll"]),
        ],
    );
}

#[test]
fn what_the_network_refuses() {
    let _turn = one_at_a_time();
    let mesh = Mesh::up();
    mesh.deploy_noop("noop");
    let key = mesh.register("truck-1");
    mesh.run(&["key", "generate", "stranger.key"]).ok();
    mesh.workflow("open.yaml", "name: open\ntasks:\n  a: { app: noop }\n").ok();
    mesh.workflow("old.yaml", "name: old\ntasks:\n  a: { app: noop }\n").ok();
    mesh.run(&["workflow", "retire", "old"]).ok();
    mesh.write("data.json", "{\"a\": 1}");
    mesh.write("bad.json", "{\"a\":\n 1,,}");
    mesh.write("huge.json", format!("{{\"a\": \"{}\"}}", "x".repeat(5 * 1024 * 1024)));
    mesh.write("no.wasm", "#!/bin/sh");
    let huge = fs::File::create(mesh.write("huge.wasm", b"\0asm")).expect("a file");
    huge.set_len(33 * 1024 * 1024).expect("a sparse file");
    mesh.write("fifo.yaml", "name: f\nscheduler: fifo\ntasks:\n  a: { app: noop }\n");
    mesh.write("wide.yaml", "name: wide\ntasks:\n  a: { app: noop, replicas: 5 }\n");
    mesh.write("broken.wasm", b"\0asm\x01\0\0\0garbage");
    mesh.write("library.wasm", LIBRARY);
    let cycle = "name: c\ntasks:\n  a: { app: noop, after: [b] }\n  b: { app: noop, after: [a] }\n";
    mesh.write("cycle.yaml", cycle);
    mesh.write("missing.yaml", "name: m\ntasks:\n  a: { app: nothing }\n");
    mesh.write("typo.yaml", "name: t\ntasks:\n  a: { ap: noop }\n");
    mesh.write("broken.yaml", "name: t\ntasks: [a\n");
    mesh.write("graph.json", r#"{"start": "a", "nodes": {"a": {"next": ["b"]}}}"#);
    let unknown = "0".repeat(64);
    let (id, device) = (unknown.as_str(), key.as_str());
    table(
        |args| mesh.run(args),
        &[
            (&["request", "show", id], 1, &["not_found", "no request"]),
            (&["request", "show", "short"], 2, &["short"]),
            (&["request", "cancel", id], 1, &["not_found"]),
            (&["request", "result", id, "--key", device], 1, &["not_found"]),
            (&["ledger", "tx", id], 1, &["no final transaction"]),
            (&["app", "show", "nothing"], 1, &["nothing"]),
            (&["workflow", "show", "Nothing!"], 2, &["Nothing!", "a-z"]),
            (&["workflow", "retire", "nothing"], 1, &["unknown_workflow"]),
            (&["app", "stop", "nothing"], 1, &["unknown_app"]),
            (&["app", "deploy", "no.wasm"], 2, &["no.wasm", "WebAssembly", "wasm32-wasip1"]),
            (&["app", "deploy", "broken.wasm"], 2, &["broken.wasm", "WebAssembly"]),
            (&["app", "deploy", "library.wasm"], 2, &["library.wasm", "`_start`"]),
            (&["app", "deploy", "none.wasm"], 2, &["none.wasm"]),
            (&["workflow", "create", "cycle.yaml"], 2, &["cycle.yaml", "cycle"]),
            (&["workflow", "create", "missing.yaml"], 1, &["unknown_app", "nothing"]),
            (&["workflow", "create", "typo.yaml"], 2, &["typo.yaml", "ap"]),
            (&["workflow", "create", "broken.yaml"], 2, &["broken.yaml", "line"]),
            (&["workflow", "create", "graph.json"], 2, &["graph.json", "b"]),
            (&["workflow", "create", "open.yaml"], 1, &["workflow_exists"]),
            (&["device", "register", "again", "truck-1.key.pub"], 1, &["member_exists"]),
            (&["device", "register", "x", "no.wasm"], 2, &["public key"]),
            (&["device", "register", "x", "stranger.key.pub", "--key", device], 1, &["wrong_role"]),
            (&["device", "revoke", id], 1, &["unknown_"]),
            (&["request", "submit", "open", "bad.json", "--key", device], 2, &["line 2"]),
            (
                &["request", "submit", "open", "huge.json", "--key", device],
                2,
                &["huge.json", "bytes"],
            ),
            (&["app", "deploy", "huge.wasm"], 2, &["huge.wasm", "33554432 bytes"]),
            (&["workflow", "create", "fifo.yaml"], 2, &["fifo.yaml", "fifo", "round_robin"]),
            (
                &["request", "submit", "none", "data.json", "--key", device],
                1,
                &["unknown_workflow"],
            ),
            (&["request", "submit", "old", "data.json", "--key", device], 1, &["workflow_retired"]),
            (
                &["request", "submit", "open", "data.json", "--key", "stranger.key"],
                1,
                &["unknown_device"],
            ),
            (
                &["request", "submit", "open", "data.json", "--key", device, "--deadline", "9h"],
                1,
                &["bad_deadline"],
            ),
            (&["ledger", "status", "--endpoint", "node-9"], 2, &["node-9", "node-1"]),
        ],
    );
    let wide = mesh.run(&["workflow", "create", "wide.yaml"]).ok();
    assert!(wide.err.contains("wants 5 nodes") && wide.err.contains("has 4"), "{wide:?}");
    // After all that, the mesh still works.
    let args = ["request", "submit", "open", "data.json", "--key", device, "--wait"];
    mesh.run(&args).ok();

    // The same nodes under another genesis: a read must not show the wrong network.
    let genesis = fs::read_to_string(mesh.folder().join("genesis.json")).expect("a genesis");
    let mut other: Value = serde_json::from_str(&genesis).expect("JSON");
    other["name"] = "elsewhere".into();
    mesh.write("other.json", other.to_string());
    for command in [["ledger", "status"], ["request", "list"]] {
        mesh.run(&[&command[..], &["--genesis", "other.json"]].concat())
            .refused(1, &["is a node of network", "genesis"]);
    }

    // A result is for its own device alone.
    let listed = mesh.run(&["request", "list", "-o", "json"]).json();
    let request = listed[0]["id"].as_str().expect("an id").to_owned();
    mesh.run(&["device", "register", "stranger", "stranger.key.pub"]).ok();
    let args = ["request", "result", &request, "--key", "stranger.key", "--wait", "1s"];
    mesh.run(&args).refused(1, &["forbidden"]);

    // A node that is down: the others answer, it does not.
    mesh.kill_9(0);
    mesh.run(&["ledger", "status"]).ok();
    mesh.run(&["ledger", "status", "--endpoint", "node-1"]).refused(1, &["no node answered"]);
}

#[test]
fn data_folders_and_ports_that_are_not_the_nodes_own() {
    let _turn = one_at_a_time();
    let root = tempfile::tempdir().expect("a folder");
    let run = |args: &[&str]| trustmesh_in(root.path(), args);
    run(&["network", "init", "one"]).ok();
    run(&["network", "init", "two"]).ok();
    run(&["network", "up", "one"]).ok();
    // A second process of the same node, and one of another network on its port.
    let config = root.path().join("one/node-1/node.toml");
    run(&["node", "run", "--config", text(&config)]).refused(1, &["data"]);
    let other = root.path().join("two/node-1/node.toml");
    let taken = fs::read_to_string(&config).expect("a configuration");
    let port = taken.lines().find(|line| line.starts_with("http = \"")).expect("a port");
    let own = fs::read_to_string(&other).expect("a configuration");
    let lines: Vec<&str> =
        own.lines().map(|line| if line.starts_with("http = \"") { port } else { line }).collect();
    fs::write(&other, lines.join("\n")).expect("a configuration can be written");
    run(&["node", "run", "--config", text(&other)]).refused(1, &["127.0.0.1:"]);
    fs::write(&other, &own).expect("a configuration can be written");

    // Another network's data: a node of a third network that never ran gets it.
    run(&["network", "down", "one"]).ok();
    run(&["network", "init", "three"]).ok();
    let moved = root.path().join("three/node-1/data");
    fs::remove_dir_all(&moved).expect("a folder can be removed");
    fs::rename(root.path().join("one/node-1/data"), &moved).expect("a folder can be moved");
    let third = root.path().join("three/node-1/node.toml");
    run(&["node", "run", "--config", text(&third)]).refused(1, &["network"]);
    assert_eq!(trustmesh(&["--version"]).code, Some(0));
}

/// A node checks for itself, whatever program uploads.
#[test]
fn modules_that_cannot_run_are_refused_by_the_node() {
    let _turn = one_at_a_time();
    let mesh = Mesh::up();
    let network = LocalNetwork::open(&mesh.folder()).expect("the mesh's folder");
    let key = keystore::load(&network.operator_key_path()).expect("the operator's key");
    let genesis = network.genesis();
    let client = Client::new(genesis, Endpoint::of_genesis(genesis)).expect("TLS");
    let operator = Operator::new(client, key);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for (bytes, part) in [
        (&b"#!/bin/sh"[..], "neither a WebAssembly module nor an OCI manifest"),
        (b"\0asm\x01\0\0\0garbage", "not a WebAssembly module"),
        (LIBRARY, "`_start`"),
    ] {
        match runtime.block_on(operator.upload_module(bytes)) {
            Err(ClientError::Refused { problem, .. }) => {
                assert_eq!(
                    (problem.status, problem.code),
                    (422, ErrorCode::Invalid),
                    "{problem:?}"
                );
                assert!(problem.detail.contains(part), "{problem:?}");
            }
            other => panic!("{part}: {other:?}"),
        }
    }
    let (_, receipts) = runtime.block_on(operator.upload_module(samples::NOOP)).expect("receipts");
    assert!(receipts.len() >= 2, "f+1 of four validators sign: {receipts:?}");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}
