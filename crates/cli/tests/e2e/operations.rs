//! What an operator does when something is wrong: `node doctor`, `debug bundle`, and chains as
//! files.

use crate::{
    daemon::{Daemon, eventually},
    mesh::{Mesh, one_at_a_time},
    run::Run,
};
use flate2::read::GzDecoder;
use serde_json::Value;
use std::{
    collections::BTreeMap, fs, io::Read as _, os::unix::fs::PermissionsExt as _, path::Path,
    time::Duration,
};

const CONFIG: &str = "node-1/node.toml";
const CATCH_UP: Duration = Duration::from_secs(60);

/// The level that the doctor gives for what it looked at.
fn level(run: &Run, check: &str) -> String {
    let report: Value = serde_json::from_str(&run.out).expect("a report in JSON");
    let checks = report["checks"].as_array().expect("checks");
    let found = checks.iter().find(|it| it["check"] == check);
    found.map(|it| it["level"].to_string()).unwrap_or_default()
}

/// The parts of a bundle by name.
fn parts(bundle: &Path) -> BTreeMap<String, Vec<u8>> {
    let file = fs::File::open(bundle).expect("a bundle");
    let mut archive = tar::Archive::new(GzDecoder::new(file));
    let mut parts = BTreeMap::new();
    for entry in archive.entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        let name = entry.path().expect("a name").display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("its bytes");
        parts.insert(name, bytes);
    }
    parts
}

/// The contents of every key file of the mesh, as text and as bytes.
fn secrets(mesh: &Mesh) -> Vec<Vec<u8>> {
    let mut keys = vec![mesh.folder().join("operator.key")];
    keys.extend((1..=4).map(|n| mesh.folder().join(format!("node-{n}/node.key"))));
    let texts = keys.iter().map(|key| fs::read_to_string(key).expect("a key file"));
    texts
        .flat_map(|text| {
            let hex = text.trim().to_owned();
            let pair = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
            let raw: Vec<u8> = (0..64).step_by(2).map(pair).collect();
            [hex.clone().into_bytes(), hex.to_uppercase().into_bytes(), raw]
        })
        .collect()
}

#[test]
fn the_doctor_finds_what_is_wrong_and_the_bundle_holds_no_secret() {
    let _turn = one_at_a_time();
    let mesh = Mesh::up();
    mesh.until_all_live();
    let doctor = || mesh.run(&["node", "doctor", "--config", CONFIG, "-o", "json"]);

    let running = doctor();
    assert_eq!(running.code, Some(0), "{running:?}");
    for check in ["config", "key", "data directory", "node", "quorum", "height", "port http"] {
        assert_eq!(level(&running, check), "\"ok\"", "{check}: {running:?}");
    }

    mesh.run(&["debug", "bundle", "--config", CONFIG, "--out", "one.tar.gz"]).ok();
    let bundle = mesh.folder().join("one.tar.gz");
    assert_eq!(fs::metadata(&bundle).expect("a bundle").permissions().mode() & 0o777, 0o600);
    let held = parts(&bundle);
    for part in ["about.json", "config.json", "doctor.json", "metrics.txt", "blocks.json"] {
        assert!(held.contains_key(&format!("trustmesh-debug/{part}")), "{part}: {:?}", held.keys());
    }
    for secret in secrets(&mesh) {
        for (name, bytes) in &held {
            assert!(!bytes.windows(secret.len()).any(|it| it == secret), "a secret is in {name}");
        }
    }

    // Even what somebody wrote into the log.
    let key = fs::read_to_string(mesh.folder().join("node-1/node.key")).expect("a key file");
    let log = mesh.folder().join("node-1/node.log");
    let logged = fs::read_to_string(&log).expect("a log");
    fs::write(&log, format!("{logged}\nseed={key}\n")).expect("a log can be written");
    mesh.run(&["debug", "bundle", "--config", CONFIG, "--out", "two.tar.gz"]).ok();
    let held = parts(&mesh.folder().join("two.tar.gz"));
    assert!(held["trustmesh-debug/node.log"].starts_with(b"left out"));
    // A bundle is never written over another file.
    mesh.run(&["debug", "bundle", "--config", CONFIG, "--out", "two.tar.gz"])
        .refused(1, &["two.tar.gz"]);

    mesh.stop();
    let stopped = doctor();
    assert_eq!(stopped.code, Some(1), "{stopped:?}");
    assert_eq!(level(&stopped, "quorum"), "\"problem\"");
    assert_ne!(level(&stopped, "store"), "\"problem\"", "{stopped:?}");
    let key = mesh.folder().join("node-1/node.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("a mode can be set");
    let readable = doctor();
    assert_eq!(level(&readable, "key"), "\"problem\"");
    assert!(readable.out.contains("chmod 600"), "{readable:?}");
}

#[test]
fn a_chain_is_exported_and_checked_without_any_node() {
    let _turn = one_at_a_time();
    let mesh = Mesh::up();
    mesh.register("truck");
    mesh.register("van");
    mesh.run(&["ledger", "export", "--out", "all.tmchain"]).ok();
    mesh.run(&["ledger", "export", "--out", "piece.tmchain", "--from", "2"]).ok();
    mesh.run(&["ledger", "export", "--out", "x.tmchain", "--from", "9000000"])
        .refused(2, &["9000000"]);
    mesh.stop();

    let all = mesh.run(&["ledger", "import", "all.tmchain", "-o", "json"]).json();
    assert_eq!((&all["executed"], &all["first"]), (&Value::Bool(true), &Value::from(1)));
    assert!(all["transactions"].as_u64() >= Some(1), "{all}");
    assert_eq!(all["receipts"], all["transactions"]);
    assert!(all["final_height"].as_u64() >= Some(1), "{all}");
    let piece = mesh.run(&["ledger", "import", "piece.tmchain", "-o", "json"]).json();
    assert_eq!((&piece["executed"], &piece["first"]), (&Value::Bool(false), &Value::from(2)));

    let mut bytes = fs::read(mesh.folder().join("all.tmchain")).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    mesh.write("damaged.tmchain", &bytes);
    let refused = mesh.run(&["ledger", "import", "damaged.tmchain"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    bytes[middle] ^= 1;
    bytes.truncate(middle);
    mesh.write("short.tmchain", &bytes);
    assert_eq!(mesh.run(&["ledger", "import", "short.tmchain"]).code, Some(1));
}

#[test]
fn a_node_without_data_goes_on_from_an_exported_chain() {
    let _turn = one_at_a_time();
    let mesh = Mesh::up();
    let devices = ["truck", "van"];
    devices.iter().for_each(|name| drop(mesh.register(name)));
    mesh.run(&["ledger", "export", "--out", "all.tmchain"]).ok();
    mesh.run(&["ledger", "export", "--out", "piece.tmchain", "--from", "2"]).ok();
    let config = "node-2/node.toml";
    let import = |file| mesh.run(&["ledger", "import", file, "--config", config, "-o", "json"]);
    import("all.tmchain").refused(1, &["in use by another process"]);
    mesh.stop();
    import("all.tmchain").refused(1, &["holds a ledger"]);

    // Of what does not hold nothing is left.
    let data = mesh.folder().join("node-2/data");
    fs::rename(&data, mesh.folder().join("lost")).expect("moved away");
    import("piece.tmchain").refused(2, &["begins at block 2"]);
    let mut bytes = fs::read(mesh.folder().join("all.tmchain")).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    mesh.write("damaged.tmchain", &bytes);
    assert_eq!(import("damaged.tmchain").code, Some(1));
    assert!(!data.join("ledger").exists());

    let imported = import("all.tmchain").json();
    let height = imported["final_height"].as_u64().expect("a height");
    assert!(imported["data_dir"].as_str().is_some_and(|it| it.ends_with("node-2/data")));
    import("all.tmchain").refused(1, &["holds a ledger"]);

    // Alone it can't have the blocks from anybody else.
    let mut alone = Daemon::start(&mesh.config(2));
    alone.until_ready();
    let status = || mesh.run(&["ledger", "status", "--endpoint", "node-2", "-o", "json"]).json();
    eventually("its own blocks are executed", CATCH_UP, || status()["height"] == height);
    assert_eq!(status()["votes"], false, "it may have voted before");
    let verified = mesh.run(&["ledger", "verify", "--endpoint", "node-2", "-o", "json"]).json();
    assert_eq!((&verified["height"], &verified["mismatch"]), (&Value::from(height), &Value::Null));
    drop(alone);

    mesh.start();
    mesh.until_caught_up("node-2", CATCH_UP);
    mesh.register("lorry");
    mesh.agree();
}
