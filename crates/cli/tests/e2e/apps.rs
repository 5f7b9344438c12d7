//! Applications: registries and the way without, and operators that act at the same time.

use crate::{
    daemon::eventually,
    mesh::{Mesh, one_at_a_time},
    run::trustmesh_in,
};
use fixtures::{Registry, ScratchImage};
use serde_json::Value;
use std::{thread, time::Duration};

/// A module before a container before a module.
pub const MIXED: &str = "
name: mixed
tasks:
  a: { app: noop }
  b: { app: thermometer, after: [a] }
  c: { app: noop, after: [b] }
";
/// For nodes to have followed the ledger.
const FOLLOWED: Duration = Duration::from_secs(60);
/// cosign's public key of somebody who signed nothing here.
const SOMEBODY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt
6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==
-----END PUBLIC KEY-----
";

/// The file of an application in a container.
pub fn container_file(name: &str, artifact: &str) -> String {
    format!(
        "name: {name}\nversion: 1.0.0\nruntime: container\nartifact: {artifact}\n\
         resources: {{ cpu: 0.25, memory: 64MiB, disk: 4MiB }}\nhealth: {{ start_timeout: 20s }}\n"
    )
}

/// How applications are asked for.
pub trait Deployed {
    /// What `app show` gives.
    fn app(&self, name: &str) -> Value;
    /// Waits until every node says that its copy is so.
    fn until_app(&self, name: &str, state: &str, within: Duration);
}

impl Deployed for Mesh {
    fn app(&self, name: &str) -> Value {
        self.run(&["app", "show", name, "-o", "json"]).json()
    }

    fn until_app(&self, name: &str, state: &str, within: Duration) {
        let said = match state {
            "running" | "failed" => Value::from(state),
            _ => Value::Null,
        };
        let all = || {
            let shown = self.app(name);
            let nodes = shown["nodes"].as_array().expect("nodes");
            nodes.len() == 4
                && nodes.iter().all(|it| it["now"]["state"] == state)
                && nodes.iter().all(|it| it["said"]["condition"] == said)
        };
        eventually(&format!("{name} is {state} on all nodes"), within, all);
    }
}

#[test]
fn a_registry_serves_artifacts_and_nodes_do_without_it() {
    let test = "a_registry_serves_artifacts_and_nodes_do_without_it";
    let _turn = one_at_a_time();
    let Some(mut registry) = Registry::plain(test) else { return };
    let host = registry.host.clone();
    let mesh = Mesh::up_with(&["--registry", &host]);
    mesh.until_all_live();
    mesh.write("noop.wasm", samples::NOOP);
    let file = |name: &str, artifact: &str, more: &str| {
        let text = format!("name: {name}\nversion: 1.2.0\nartifact: {artifact}\n{more}");
        mesh.write(&format!("{name}.yaml"), text);
        format!("{name}.yaml")
    };
    // Put there by `deploy`, under its version, and again without sending it again.
    let first = file("noop", "noop.wasm", &format!("registry: {host}/apps/noop\n"));
    mesh.run(&["app", "deploy", &first]).ok();
    mesh.until_app("noop", "running", FOLLOWED);
    assert_eq!(mesh.app("noop")["manifest"]["registry"], format!("{host}/apps/noop"));
    // Taken from there, by its tag.
    let named = format!("{host}/apps/noop:1.2.0");
    let second = file("again", &named, "runtime: wasm\n");
    mesh.run(&["app", "deploy", &second]).ok();
    mesh.until_app("again", "running", FOLLOWED);
    // What is not there, not signed, or unsigned for lack of a registry.
    let other = file("other", &format!("{host}/apps/other:1"), "runtime: wasm\n");
    mesh.run(&["app", "deploy", &other]).refused(1, &["no manifest 1", "apps/other"]);
    mesh.write("cosign.pub", SOMEBODY);
    let signed = file("signed", &named, "runtime: wasm\ncosign_key: cosign.pub\n");
    mesh.run(&["app", "validate", &signed]).refused(1, &["no signatures", "cosign sign"]);
    let local = file("local", "noop.wasm", "cosign_key: cosign.pub\n");
    mesh.run(&["app", "validate", &local]).refused(2, &["cosign_key", "registry"]);
    let nowhere = file("nowhere", "nothing.wasm", "");
    mesh.run(&["app", "validate", &nowhere]).refused(2, &["nothing.wasm"]);
    // An image goes the same way.
    ScratchImage::new("thermometer").save(&mesh.folder().join("thermometer.tar"));
    let text = container_file("thermometer", "thermometer.tar");
    mesh.write("app.yaml", format!("{text}registry: {host}/apps/thermometer:first\n"));
    mesh.run(&["app", "deploy", "app.yaml", "--no-wait"]).ok();

    // With the registry gone, and one node's artifacts too, the others serve it.
    registry.stop();
    mesh.run(&["network", "down"]).ok();
    let held = mesh.folder().join("node-4/data/artifacts");
    std::fs::remove_dir_all(&held).expect("node-4 holds artifacts");
    mesh.start();
    mesh.until_app("noop", "running", FOLLOWED);
    mesh.until_app("again", "running", FOLLOWED);
    // A name that is taken is refused before anything is put there.
    mesh.run(&["app", "deploy", &first]).refused(1, &["noop is deployed", "remove it first"]);
    mesh.agree();
}

#[test]
fn operators_act_at_the_same_time_and_a_revoked_one_no_more() {
    let _turn = one_at_a_time();
    let mesh = Mesh::up();
    mesh.until_all_live();
    mesh.write("noop.wasm", samples::NOOP);
    mesh.run(&["key", "generate", "second.key"]).ok();
    mesh.run(&["operator", "admit", "second", "second.key.pub", "--publisher"]).ok();
    let keys = ["operator.key", "second.key"];
    // Both deploy the same name, then each changes what one of them deployed.
    let folder = mesh.folder();
    let at_once = |args: [&str; 4]| {
        thread::scope(|scope| {
            let begun = keys.map(|key| {
                let (folder, args) = (&folder, [&args[..], &["--key", key]].concat());
                scope.spawn(move || trustmesh_in(folder, &args))
            });
            begun.map(|it| it.join().expect("no panic"))
        })
    };
    let runs = at_once(["app", "deploy", "noop.wasm", "--no-wait"]);
    let won = runs.iter().filter(|run| run.code == Some(0)).count();
    assert_eq!(won, 1, "{runs:?}");
    mesh.until_app("noop", "running", FOLLOWED);
    let runs = at_once(["app", "restart", "noop", "--no-wait"]);
    assert!(runs.iter().any(|run| run.code == Some(0)), "{runs:?}");
    mesh.until_app("noop", "running", FOLLOWED);
    mesh.agree();

    // What a revoked publisher published stops; the key is good for nothing more.
    let args = ["app", "deploy", "noop.wasm", "--name", "seconds", "--key", "second.key"];
    mesh.run(&args).ok();
    mesh.until_app("seconds", "running", FOLLOWED);
    mesh.run(&["operator", "revoke", "second.key.pub"]).ok();
    mesh.until_app("seconds", "stopped", FOLLOWED);
    let refused = mesh.run(&["app", "start", "seconds"]);
    assert_ne!(refused.code, Some(0), "{refused:?}");
    let refused = mesh.run(&["app", "stop", "noop", "--key", "second.key"]);
    assert_ne!(refused.code, Some(0), "{refused:?}");
    mesh.agree();
}
