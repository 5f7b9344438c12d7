//! A mesh of processes, driven by commands as a user would.

use crate::{
    daemon::eventually,
    run::{Run, trustmesh_fed, trustmesh_in},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tempfile::TempDir;

/// Looks at a condition before a test gives up, and the pause between two.
const LOOKS_MAX: u32 = 60;
const PAUSE: Duration = Duration::from_millis(500);

/// For a slow node to have what the others have.
const CATCH_UP: Duration = Duration::from_secs(60);

/// For the last thread of a killed process to be gone.
const GONE: Duration = Duration::from_secs(10);

static TURN: Mutex<()> = Mutex::new(());

/// Waits for this test's turn to use a mesh.
pub fn one_at_a_time() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A mesh under a temporary folder.
pub struct Mesh {
    root: TempDir,
}

impl Mesh {
    /// Makes one of four nodes and starts it.
    pub fn up() -> Self {
        Self::up_with(&[])
    }

    /// Makes one of four nodes and starts none: the test does.
    pub fn init() -> Self {
        let mesh = Self { root: tempfile::tempdir().expect("a temporary folder") };
        trustmesh_in(mesh.root.path(), &["network", "init", "mesh"]).ok();
        mesh
    }

    /// The same, with more flags to `network init`.
    pub fn up_with(flags: &[&str]) -> Self {
        let mesh = Self { root: tempfile::tempdir().expect("a temporary folder") };
        let init = ["network", "init", "mesh"];
        trustmesh_in(mesh.root.path(), &[&init, flags].concat()).ok();
        mesh.start();
        mesh
    }

    /// The same, with some lines of the nodes' configurations replaced.
    pub fn up_changed(lines: &[(&str, &str)]) -> Self {
        let mesh = Self { root: tempfile::tempdir().expect("a temporary folder") };
        trustmesh_in(mesh.root.path(), &["network", "init", "mesh"]).ok();
        for index in 1..=4 {
            let path = mesh.folder().join(format!("node-{index}/node.toml"));
            let mut text = std::fs::read_to_string(&path).expect("a configuration");
            for (from, to) in lines {
                assert!(text.contains(from), "{from:?} is not in {text}");
                text = text.replace(from, to);
            }
            std::fs::write(&path, text).expect("a file can be written");
        }
        mesh.start();
        mesh
    }

    /// The network's folder.
    pub fn folder(&self) -> PathBuf {
        self.root.path().join("mesh")
    }

    /// Configuration of the node of this number, from 1.
    pub fn config(&self, number: usize) -> PathBuf {
        self.folder().join(format!("node-{number}/node.toml"))
    }

    /// Waits until a node follows the chain.
    pub fn until_caught_up(&self, node: &str, within: Duration) {
        eventually(&format!("{node} follows the chain"), within, || {
            let run = self.run(&["ledger", "status", "--endpoint", node, "-o", "json"]);
            run.code == Some(0) && run.json()["caught_up"] == true
        });
    }

    /// Asserts that the nodes have one ledger, each by its own copy, that charges nobody.
    pub fn agree(&self) {
        let height = self.height();
        let mut first = None;
        for node in (1..=4).map(|number| format!("node-{number}")) {
            eventually(&format!("{node} has block {height}"), CATCH_UP, || {
                let run = self.run(&["ledger", "status", "--endpoint", &node, "-o", "json"]);
                run.code == Some(0) && run.json()["height"].as_u64() >= Some(height)
            });
            let args = ["ledger", "verify", "--endpoint", &node, "-o", "json"];
            let verified = self.run(&args).json();
            assert!(verified["mismatch"].is_null(), "{node}: {verified}");
            let to = height.to_string();
            let args = ["ledger", "blocks", "--to", &to, "--limit", "1", "--endpoint", &node];
            let blocks = self.run(&[&args[..], &["-o", "json"]].concat()).json();
            assert_eq!(blocks[0]["height"], height, "{blocks}");
            let digest = blocks[0]["digest"].clone();
            assert_eq!(*first.get_or_insert(digest.clone()), digest, "{node} at {height}");
        }
        let nodes = self.run(&["node", "list", "-o", "json"]).json();
        let charged = |node: &Value| node["faults"] != 0;
        assert!(nodes.as_array().is_some_and(|all| !all.iter().any(charged)), "{nodes}");
    }

    /// Runs a command inside the network's folder.
    pub fn run(&self, args: &[&str]) -> Run {
        trustmesh_in(&self.folder(), args)
    }

    /// The same, with something on standard input.
    pub fn fed(&self, args: &[&str], input: &str) -> Run {
        trustmesh_fed(&self.folder(), args, input)
    }

    /// Starts the nodes that don't run.
    pub fn start(&self) {
        self.run(&["network", "up"]).ok();
    }

    /// Waits until the ledger has heard of every node's resources.
    pub fn until_all_live(&self) {
        for _ in 0..LOOKS_MAX {
            let nodes = self.run(&["node", "list", "-o", "json"]).json();
            if nodes.as_array().is_some_and(|all| all.iter().all(|node| node["live"] == true)) {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        panic!("some nodes are not live: {:?}", self.run(&["node", "list"]));
    }

    /// Waits until something is so.
    pub fn until(&self, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..LOOKS_MAX {
            if is_so(self) {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        panic!("it never came: {:?}", self.run(&["request", "list"]));
    }

    /// Stops all nodes.
    pub fn stop(&self) {
        self.run(&["network", "down"]).ok();
    }

    /// Writes a file into the network's folder.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder().join(name);
        std::fs::write(&path, content).expect("a file can be written");
        path
    }

    /// Deploys the sample that passes its data on, under a name.
    pub fn deploy_noop(&self, name: &str) {
        let module = self.write("noop.wasm", samples::NOOP);
        self.run(&["app", "deploy", path(&module), "--name", name]).ok();
    }

    /// Makes a key file and registers its device; gives the key file's name.
    pub fn register(&self, name: &str) -> String {
        let file = format!("{name}.key");
        self.run(&["key", "generate", &file]).ok();
        self.run(&["device", "register", name, &format!("{file}.pub")]).ok();
        file
    }

    /// Creates a workflow from text.
    pub fn workflow(&self, file: &str, definition: &str) -> Run {
        self.write(file, definition);
        self.run(&["workflow", "create", file])
    }

    /// How the network is doing.
    pub fn status(&self) -> Value {
        self.run(&["network", "status", "-o", "json"]).json()
    }

    /// Height of the ledger.
    pub fn height(&self) -> u64 {
        self.run(&["ledger", "status", "-o", "json"]).json()["height"].as_u64().expect("a height")
    }

    /// Kills a node without a chance to put anything in order; returns when it is gone.
    pub fn kill_9(&self, index: usize) {
        let pid = || self.status()["nodes"][index]["pid"].as_i64();
        let running = i32::try_from(pid().expect("it runs")).expect("a pid");
        kill(Pid::from_raw(running), Signal::SIGKILL).expect("killed");
        eventually("a killed node is gone", GONE, || pid().is_none());
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        // No assertion here: the test's own failure is the one to see.
        self.run(&["network", "down"]);
        if std::thread::panicking() {
            for index in 1..=4 {
                let log = self.folder().join(format!("node-{index}")).join("node.log");
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                let tail: Vec<&str> = text.lines().rev().take(15).collect();
                eprintln!("node-{index}, newest first:\n{}", tail.join("\n"));
            }
        }
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}
