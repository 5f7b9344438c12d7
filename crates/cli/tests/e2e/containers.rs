//! Applications in containers on a real engine: a mesh whose nodes run both kinds.

use crate::{
    apps::{Deployed, MIXED, container_file},
    daemon::eventually,
    mesh::{Mesh, one_at_a_time},
};
use fixtures::{Engine, ScratchImage, engine_call, skipped};
use serde_json::{Value, json};
use std::{path::Path, time::Duration};
use trustmesh_node::local::LocalNetwork;

const MENDED: Duration = Duration::from_secs(60);

/// A mesh with an engine, a workflow of both kinds, and a device's key.
fn mixed(socket: &Path) -> (Mesh, String) {
    let socket = socket.to_str().expect("UTF-8");
    let flags = ["--runtimes", "wasm,container", "--container-socket", socket];
    let mesh = Mesh::up_with(&flags);
    mesh.until_all_live();
    mesh.deploy_noop("noop");
    ScratchImage::new("thermometer").save(&mesh.folder().join("thermometer.tar"));
    mesh.write("app.yaml", container_file("thermometer", "thermometer.tar"));
    mesh.run(&["app", "deploy", "app.yaml"]).ok();
    mesh.until_app("thermometer", "running", MENDED);
    let key = mesh.register("truck-1");
    mesh.workflow("mixed.yaml", MIXED).ok();
    (mesh, key)
}

/// What comes of a request whose data the container's program takes as an order.
fn ordered(mesh: &Mesh, key: &str, order: &str) -> Value {
    let args = ["request", "submit", "mixed", "-", "--key", key, "--wait", "-o", "json"];
    mesh.fed(&args, &json!([order]).to_string()).json()["outputs"]["c"].clone()
}

/// How the engine names what the nodes have on it, the first node's first.
fn prefixes(mesh: &Mesh) -> Vec<String> {
    let network = LocalNetwork::open(&mesh.folder()).expect("the mesh's folder");
    let name = |key: String| format!("trustmesh-{}", &key[..12]);
    network.nodes().iter().map(|node| name(node.info.key.to_string())).collect()
}

/// The nodes' containers; an engine that is given may have others.
fn containers(mesh: &Mesh, socket: &Path) -> Vec<String> {
    let listed = engine_call(socket, "GET", "/containers/json?all=1");
    let listed: Vec<Value> = serde_json::from_str(&listed).expect("JSON");
    let names = listed.iter().map(|it| it["Names"][0].as_str().expect("a name").to_owned());
    let own = prefixes(mesh);
    names.filter(|name| own.iter().any(|own| name[1..].starts_with(own))).collect()
}

#[test]
fn containers_and_modules_mix_and_what_ends_is_begun_again() {
    let test = "containers_and_modules_mix_and_what_ends_is_begun_again";
    let _turn = one_at_a_time();
    let Some(socket) = fixtures::engine(test) else { return };
    let (mesh, key) = mixed(&socket);
    assert_eq!(ordered(&mesh, &key, "warm"), json!(["warm"]));
    let logs = mesh.run(&["app", "logs", "thermometer", "--node", "node-1"]).ok();
    assert!(logs.out.contains("begins"), "{logs:?}");

    // Every container is killed while a call is under way: it is made again on the next one.
    let answer = std::thread::scope(|scope| {
        let slow = scope.spawn(|| ordered(&mesh, &key, "sleep 4000"));
        let told = || mesh.run(&["app", "logs", "thermometer"]).out.contains("told: sleep 4000");
        eventually("the call is under way", MENDED, told);
        for name in containers(&mesh, &socket) {
            engine_call(&socket, "POST", &format!("/containers{name}/kill"));
        }
        slow.join().expect("no panic")
    });
    assert_eq!(answer, json!(["slept"]));
    mesh.until_app("thermometer", "running", MENDED);

    // A restart lets calls end first.
    let answer = std::thread::scope(|scope| {
        let slow = scope.spawn(|| ordered(&mesh, &key, "sleep 5000"));
        let told = || mesh.run(&["app", "logs", "thermometer"]).out.contains("told: sleep 5000");
        eventually("the call is under way", MENDED, told);
        mesh.run(&["app", "restart", "thermometer"]).ok();
        slow.join().expect("no panic")
    });
    assert_eq!(answer, json!(["slept"]));
    mesh.until_app("thermometer", "running", MENDED);

    // What a killed node leaves goes when it is back, and the others' stays.
    let own = format!("/{}-thermometer", prefixes(&mesh)[0]);
    let id = || {
        let all = engine_call(&socket, "GET", "/containers/json?all=1");
        let all: Vec<Value> = serde_json::from_str(&all).expect("JSON");
        let found = all.into_iter().find(|it| it["Names"][0] == *own);
        found.map(|it| it["Id"].as_str().expect("an id").to_owned())
    };
    let left = id().expect("node-1 has a container");
    mesh.kill_9(0);
    assert_eq!(id().as_ref(), Some(&left), "nobody is there to end it");
    mesh.start();
    eventually("a container of its own", MENDED, || id().is_some_and(|now| now != left));
    mesh.until_app("thermometer", "running", MENDED);

    // Stopped is stopped, by the program's leave or without; removed is gone.
    mesh.run(&["app", "stop", "thermometer"]).ok();
    mesh.until_app("thermometer", "stopped", MENDED);
    eventually("no containers", MENDED, || containers(&mesh, &socket).is_empty());
    mesh.run(&["app", "start", "thermometer"]).ok();
    mesh.until_app("thermometer", "running", MENDED);
    assert_eq!(ordered(&mesh, &key, "again"), json!(["again"]));
    // A node that is away then does so when it is back; meanwhile it shows no log.
    mesh.kill_9(3);
    let away = mesh.run(&["app", "logs", "thermometer", "--node", "node-4"]);
    away.refused(1, &["no node has shown a log of thermometer", "app show"]);
    mesh.run(&["app", "remove", "thermometer"]).ok();
    eventually("one is left", MENDED, || containers(&mesh, &socket).len() == 1);
    mesh.start();
    eventually("no containers", MENDED, || containers(&mesh, &socket).is_empty());
    let images = || engine_call(&socket, "GET", "/images/json?all=1");
    let gone = || prefixes(&mesh).iter().all(|own| !images().contains(own));
    eventually("no images", MENDED, gone);
    let nameless = "/images/json?filters=%7B%22dangling%22%3A%5B%22true%22%5D%7D";
    let left = engine_call(&socket, "GET", nameless);
    assert_eq!(left.trim(), "[]", "nothing is left without a name");
    mesh.agree();
}

#[test]
fn a_program_that_misbehaves_costs_its_own_request_alone() {
    let test = "a_program_that_misbehaves_costs_its_own_request_alone";
    let _turn = one_at_a_time();
    let Some(socket) = fixtures::engine(test) else { return };
    let (mesh, key) = mixed(&socket);
    for order in ["garbage", "exit", "silent"] {
        let args = ["request", "submit", "mixed", "-", "--key", &key, "--wait", "-o", "json"];
        let run = mesh.fed(&args, &json!([order]).to_string());
        assert_ne!(run.code, Some(0), "{order}: {run:?}");
        assert!(run.err.contains('b') && !run.err.contains("panicked"), "{order}: {run:?}");
    }
    mesh.until_app("thermometer", "running", MENDED);
    assert_eq!(ordered(&mesh, &key, "well"), json!(["well"]));
    mesh.agree();
    mesh.run(&["app", "remove", "thermometer"]).ok();
    eventually("no containers", MENDED, || containers(&mesh, &socket).is_empty());
}

#[test]
fn an_engine_that_goes_away_makes_nodes_unfit_until_it_is_back() {
    let test = "an_engine_that_goes_away_makes_nodes_unfit_until_it_is_back";
    let _turn = one_at_a_time();
    let mut engine = match Engine::start() {
        Ok(engine) => engine,
        Err(why) => return skipped(test, &format!("no container engine: {why}")),
    };
    let (mesh, key) = mixed(&engine.socket());
    engine.down();
    mesh.until_app("thermometer", "failed", MENDED);
    let shown = mesh.run(&["app", "show", "thermometer"]).ok();
    assert!(shown.out.contains("engine"), "{shown:?}");
    mesh.workflow("plain.yaml", "name: plain\ntasks:\n  a: { app: noop }\n").ok();
    let args = ["request", "submit", "plain", "-", "--key", &key, "--wait"];
    mesh.fed(&args, "[1]").ok();
    engine.up().expect("it was there before");
    mesh.until_app("thermometer", "running", MENDED);
    assert_eq!(ordered(&mesh, &key, "back"), json!(["back"]));
    mesh.agree();
}
