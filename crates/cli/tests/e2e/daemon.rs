//! Single nodes of a mesh as children of the test, so that it can signal them, run them under
//! other programs, and see how they end.

use crate::mesh::Mesh;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// For a node to be ready, on a machine that has other things to do.
const READY: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// A node's process.
pub struct Daemon {
    child: Child,
    log: PathBuf,
    log_from: u64,
}

impl Daemon {
    /// Starts the node of a configuration.
    pub fn start(config: &Path) -> Self {
        Self::start_under(&[], config)
    }

    /// The same under another program, which must become the node or pass its number on.
    pub fn start_under(program: &[String], config: &Path) -> Self {
        let folder = config.parent().expect("a configuration is in a folder");
        let config = config.to_str().expect("UTF-8");
        Self::spawn(program, &["node", "run", "--config", config], folder)
    }

    /// A command that is a node until it ends, in a folder, where its log is too.
    pub fn of(args: &[&str], folder: &Path) -> Self {
        Self::spawn(&[], args, folder)
    }

    fn spawn(program: &[String], args: &[&str], folder: &Path) -> Self {
        let log = folder.join("node.log");
        let out = OpenOptions::new().create(true).append(true).open(&log).expect("a log");
        let log_from = out.metadata().expect("a log").len();
        let exe = env!("CARGO_BIN_EXE_trustmesh").to_owned();
        let mut words = program.iter().cloned().chain([exe]);
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words).args(args).current_dir(folder);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TRUSTMESH_")) {
            command.env_remove(name);
        }
        let second: File = out.try_clone().expect("a log");
        let child = command
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(second)
            .spawn()
            .expect("the node's process starts");
        Self { child, log, log_from }
    }

    /// Every node of a mesh that was not started yet, ready.
    pub fn all_of(mesh: &Mesh) -> Vec<Self> {
        let mut all: Vec<Self> = (1..=4).map(|n| Self::start(&mesh.config(n))).collect();
        all.iter_mut().for_each(Self::until_ready);
        all
    }

    /// Waits until it says that it is ready.
    pub fn until_ready(&mut self) {
        let ready = |it: &mut Self| it.said("\"event\":\"ready\"") || it.code().is_some();
        eventually("a node is ready", READY, || ready(self));
        assert_eq!(self.code(), None, "the node has ended: {}", self.log());
    }

    /// Signals it.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("a process that is not waited for is there");
    }

    /// How it ended, if it has: its exit code, or the signal's number with a minus.
    pub fn code(&mut self) -> Option<i32> {
        use std::os::unix::process::ExitStatusExt as _;
        let status = self.child.try_wait().expect("it is a child")?;
        status.code().or_else(|| status.signal().map(|signal| -signal))
    }

    /// Waits until it has ended; gives how, and how long that took.
    pub fn ended(&mut self, within: Duration) -> (i32, Duration) {
        let start = Instant::now();
        eventually("a node has ended", within, || self.code().is_some());
        (self.code().expect("it has ended"), start.elapsed())
    }

    /// Whether it logged this since it was started.
    pub fn said(&self, part: &str) -> bool {
        self.log().contains(part)
    }

    /// What it logged since it was started.
    pub fn log(&self) -> String {
        let all = std::fs::read(&self.log).unwrap_or_default();
        let from = usize::try_from(self.log_from).expect("a length");
        String::from_utf8_lossy(all.get(from..).unwrap_or_default()).into_owned()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended, and a stopped one dies as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is so.
pub fn eventually(what: &str, within: Duration, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + within;
    while !is_so() {
        assert!(Instant::now() < until, "not within {within:?}: {what}");
        sleep(PAUSE);
    }
}
