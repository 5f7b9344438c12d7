//! A flipped byte in each file that a node has stored; data of another network, or of a newer
//! program. What is damaged is named and refused, or not needed; a wrong answer never comes.

use crate::{
    daemon::{Daemon, eventually},
    load,
    mesh::{Mesh, one_at_a_time},
    run::Run,
};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

const STOP_MOST: Duration = Duration::from_secs(8);
/// For a node alone to be ready or to have given up.
const READY: Duration = Duration::from_secs(30);
const CATCH_UP: Duration = Duration::from_secs(60);
/// Files whose bytes mean nothing: locks, and what is checked anew at each start.
const MEANINGLESS: [&str; 2] = ["lock", ".hold"];

/// All files below a folder, with their names from there.
fn files(root: &Path) -> BTreeMap<PathBuf, PathBuf> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if MEANINGLESS.iter().all(|name| !path.ends_with(name)) {
                let name = path.strip_prefix(root).expect("below it").to_owned();
                found.insert(name, path);
            }
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    for (name, path) in files(from) {
        let target = to.join(name);
        fs::create_dir_all(target.parent().expect("a folder")).expect("a folder");
        fs::copy(path, target).expect("copied");
    }
}

/// Places in a file: its start, its last byte, and bytes that hold something between.
fn places(bytes: &[u8]) -> Vec<usize> {
    let held: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    let of = |list: &[usize], part: usize| list.get(list.len() * part / 3).copied();
    let last = bytes.len().checked_sub(1);
    let mut all: Vec<usize> =
        [of(&held, 0), of(&held, 1), of(&held, 2), last].into_iter().flatten().collect();
    all.dedup();
    all
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("a file");
    bytes[at] ^= 0x10;
    fs::write(path, bytes).expect("a file can be written");
}

/// One sentence that names the place, and no trace of a panic.
fn assert_refused(said: &str, part: &str) {
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{part}: {said}");
    assert!(errors[0].contains(part), "{part} is not named: {said}");
    assert!(!said.contains("stack backtrace") && !said.contains("thread '"), "{part}: {said}");
}

/// A node that is to refuse to start.
fn run_node(mesh: &Mesh, config: &str) -> Run {
    let mut node = Daemon::of(&["node", "run", "--config", config], &mesh.folder());
    let (code, _) = node.ended(READY);
    Run { code: Some(code), out: String::new(), err: node.log() }
}

#[test]
fn every_byte_that_changes_while_a_node_is_stopped_is_noticed() {
    let _turn = one_at_a_time();
    let mesh = Mesh::init();
    let mut nodes = Daemon::all_of(&mesh);
    let key = load::prepare(&mesh);
    load::under_load(&mesh, &key, |load| load.until_more(10));
    nodes[3].signal(Signal::SIGTERM);
    let (code, _) = nodes[3].ended(STOP_MOST);
    assert_eq!(code, 0, "{}", nodes[3].log());

    let data = mesh.folder().join("node-4/data");
    let (artifacts, all): (BTreeMap<_, _>, BTreeMap<_, _>) =
        files(&data).into_iter().partition(|(name, _)| name.starts_with("artifacts"));
    for part in ["store.redb", "network.json", "seal.json", "ledger/ledger-votes"] {
        assert!(all.keys().any(|name| name.starts_with(part)), "no {part} in {all:?}");
    }
    for (name, path) in &all {
        for at in places(&fs::read(path).expect("a file")) {
            flip(path, at);
            let run = run_node(&mesh, "node-4/node.toml");
            // A damaged seal may name a file that is as it was; it is refused all the same.
            let part =
                if name.ends_with("seal.json") { "data" } else { name.to_str().expect("UTF-8") };
            assert_eq!(run.code, Some(1), "byte {at} of {name:?}: {run:?}");
            assert_refused(&run.err, part);
            flip(path, at);
        }
    }
    flip_of_the_key_is_noticed(&mesh);

    // With every byte as it was, it goes on where it stood; an artifact is fetched again.
    let blob = artifacts.iter().find(|(name, _)| name.starts_with("artifacts/blobs"));
    let (_, blob) = blob.expect("the module");
    let module = fs::read(blob).expect("a file");
    flip(blob, 100);
    nodes[3] = Daemon::start(&mesh.config(4));
    nodes[3].until_ready();
    mesh.until_caught_up("node-4", CATCH_UP);
    let mended = || fs::read(blob).is_ok_and(|it| it == module);
    eventually("the module is fetched again", CATCH_UP, mended);
    mesh.agree();
}

fn flip_of_the_key_is_noticed(mesh: &Mesh) {
    let path = mesh.folder().join("node-4/node.key");
    let text = fs::read_to_string(&path).expect("a key");
    // Another digit, and none.
    for digit in ["0", "1", "x"] {
        let other = format!("{digit}{}", &text[1..]);
        if other == text {
            continue;
        }
        fs::write(&path, other).expect("a file can be written");
        let run = run_node(mesh, "node-4/node.toml");
        assert_eq!(run.code, Some(2), "{run:?}");
        assert_refused(&run.err, "key");
    }
    fs::write(&path, text).expect("a file can be written");
}

/// What a node says of the blocks up to a height: their digests, or that it does not answer.
fn digests(mesh: &Mesh, node: &str) -> Option<BTreeMap<u64, Value>> {
    let run = mesh.run(&["ledger", "blocks", "--limit", "500", "--endpoint", node, "-o", "json"]);
    let blocks = (run.code == Some(0)).then(|| run.json())?;
    let all = blocks.as_array().expect("a list").iter();
    Some(all.map(|it| (it["height"].as_u64().expect("a height"), it["digest"].clone())).collect())
}

/// After a crash there is no seal, and the engine's own checks must do: a node that starts all
/// the same says nothing wrong. The others are down, so that no vote of a copy counts.
#[test]
fn a_byte_that_changes_after_a_crash_gives_no_wrong_answer() {
    let _turn = one_at_a_time();
    let mesh = Mesh::init();
    let mut nodes = Daemon::all_of(&mesh);
    let key = load::prepare(&mesh);
    load::under_load(&mesh, &key, |load| load.until_more(10));
    let known = digests(&mesh, "node-4").expect("it answers");
    nodes.iter().for_each(|node| node.signal(Signal::SIGKILL));
    for node in &mut nodes {
        node.ended(STOP_MOST);
    }

    let folder = mesh.folder().join("node-4");
    let plain = fs::read_to_string(mesh.config(4)).expect("a configuration");
    let (mut refused, mut served) = (0, 0);
    for name in one_of_each_kind(&folder.join("data")) {
        let bytes = fs::read(folder.join("data").join(&name)).expect("a file");
        for at in places(&bytes).into_iter().step_by(2) {
            let copied = format!("data-{}", refused + served);
            copy(&folder.join("data"), &folder.join(&copied));
            flip(&folder.join(&copied).join(&name), at);
            let config = folder.join(format!("{copied}.toml"));
            let text = plain.replace("data_dir = \"data\"", &format!("data_dir = \"{copied}\""));
            assert_ne!(text, plain);
            fs::write(&config, text).expect("a configuration");
            let mut node = Daemon::start(&config);
            match outcome(&mesh, &mut node, &known) {
                Ok(()) => served += 1,
                Err(said) => {
                    refused += 1;
                    assert_refused(&said, &format!("node-4/{copied}"));
                }
            }
        }
    }
    assert!(refused > 10 && served > 0, "{refused} refused, {served} served");

    let mut nodes = Daemon::all_of(&mesh);
    load::under_load(&mesh, &key, |load| load.until_more(3));
    mesh.agree();
    nodes.clear();
}

/// A node that serves must say what was known; gives the log of one that ended.
fn outcome(mesh: &Mesh, node: &mut Daemon, known: &BTreeMap<u64, Value>) -> Result<(), String> {
    crate::daemon::eventually("ready or ended", READY, || {
        node.said("\"event\":\"ready\"") || node.code().is_some()
    });
    let answers = if node.code().is_none() { digests(mesh, "node-4") } else { None };
    if let Some(answers) = answers {
        for (height, digest) in answers {
            assert_eq!(known.get(&height).unwrap_or(&digest), &digest, "block {height}");
        }
        return Ok(());
    }
    let (code, _) = node.ended(READY);
    assert_eq!(code, 1, "{}", node.log());
    Err(node.log())
}

/// A file of each folder, the newest by name: of votes and blocks, that is the one in use.
fn one_of_each_kind(data: &Path) -> Vec<PathBuf> {
    let mut kinds: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for (name, path) in files(data) {
        let empty = fs::metadata(&path).expect("a file").len() == 0;
        if empty || name.ends_with("network.json") {
            continue;
        }
        kinds.insert(name.parent().expect("a folder").to_owned(), name);
    }
    kinds.into_values().collect()
}

#[test]
fn data_of_a_newer_version_or_another_network_is_refused() {
    let _turn = one_at_a_time();
    let mesh = Mesh::up();
    mesh.stop();
    let marker = mesh.folder().join("node-1/data/network.json");
    let text = fs::read_to_string(&marker).expect("a marker");
    let newer = text.replace("\"format\": 1", "\"format\": 2");
    assert_ne!(newer, text);
    fs::write(&marker, newer).expect("a file can be written");
    let run = run_node(&mesh, "node-1/node.toml");
    run.refused(1, &["node-1/data", "format 2", "use a newer version"]);
    fs::write(&marker, text).expect("a file can be written");

    // The same members under another name are another network.
    let path = mesh.folder().join("genesis.json");
    let genesis = fs::read_to_string(&path).expect("a genesis");
    let other = genesis.replace("\"name\": \"mesh\"", "\"name\": \"other\"");
    assert_ne!(other, genesis);
    fs::write(&path, other).expect("a file can be written");
    let run = run_node(&mesh, "node-1/node.toml");
    run.refused(1, &["node-1/data", "belongs to network", "right genesis"]);
    fs::write(&path, genesis).expect("a file can be written");

    // Nothing of it was touched.
    mesh.start();
    assert_eq!(mesh.status()["running"], 4);
}
