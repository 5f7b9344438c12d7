//! A process of a local mesh, by its number and start time.

use super::{
    create::LocalNode,
    error::{LocalError, io},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read as _, Seek as _, SeekFrom},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

/// How much of the end of a log is shown in an error.
const TAIL_BYTES: u64 = 2 * 1024;

/// A process, told apart from a later one of the same number by when it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProcessId {
    pub(super) pid: u32,
    /// Clock ticks from the machine's start to the process's (field 22 of `/proc/<pid>/stat`).
    pub(super) start_ticks: u64,
}

impl ProcessId {
    /// The process of a number, if it lives.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may hold anything; the rest are words.
        let (_, rest) = stat.rsplit_once(')')?;
        let mut words = rest.split_ascii_whitespace();
        let state = words.next()?;
        // One that has ended and waits for its parent does nothing any more, once its last
        // thread is gone: until then it holds its files, and the lock of its data.
        let threads: u32 = words.nth(16)?.parse().ok()?;
        let ended = matches!(state, "Z" | "X") && threads <= 1;
        let start_ticks = words.nth(1)?.parse().ok()?;
        (!ended).then_some(Self { pid, start_ticks })
    }

    pub(super) fn lives(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Signals the process, if it still is the one.
    pub(super) fn signal(&self, signal: Signal) {
        if self.lives()
            && let Ok(pid) = i32::try_from(self.pid)
        {
            // It may have ended this moment.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// What is written down of a node's process, if it lives.
    pub(super) fn read(node: &LocalNode) -> Option<Self> {
        let text = std::fs::read_to_string(node.process()).ok()?;
        let process: Self = serde_json::from_str(&text).ok()?;
        process.lives().then_some(process)
    }

    pub(super) fn write(&self, node: &LocalNode) -> Result<(), LocalError> {
        let path = node.process();
        let text = serde_json::to_string(self)
            .map_err(|e| io("write", &path, &std::io::Error::other(e)))?;
        std::fs::write(&path, text).map_err(|e| io("write", &path, &e))
    }

    pub(super) fn forget(node: &LocalNode) {
        // Left behind, it names a process that is gone, which is harmless.
        let _ = std::fs::remove_file(node.process());
    }
}

/// Starts a node's process; gives it, and where its log stood.
pub(super) fn spawn(
    exe: &Path,
    node: &LocalNode,
    attached: bool,
) -> Result<(Child, u64), LocalError> {
    let path = node.log();
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(|e| io("open log", &path, &e))?;
    let from = log.metadata().map_err(|e| io("open log", &path, &e))?.len();
    let second = log.try_clone().map_err(|e| io("open log", &path, &e))?;
    let mut command = Command::new(exe);
    command.args(["node", "run", "--config"]).arg(node.config());
    // The surroundings are those of whoever makes the mesh, not of a node.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TRUSTMESH_") {
            command.env_remove(&name);
        }
    }
    if attached {
        command.env("TRUSTMESH_NODE_STOP_WITH_STDIN", "true").stdin(Stdio::piped());
    } else {
        command.stdin(Stdio::null());
    }
    // A group of its own: Ctrl-C reaches the parent alone, which then stops all in order.
    let child = command.stdout(log).stderr(second).process_group(0).spawn();
    Ok((child.map_err(|e| io("run", exe, &e))?, from))
}

/// What was logged from an offset on, at most the last part of it.
pub(super) fn log_since(path: &Path, from: u64) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(from.max(length.saturating_sub(TAIL_BYTES))))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    };
    read().unwrap_or_else(|e| match e.kind() {
        ErrorKind::NotFound => "(no log)".to_owned(),
        _ => format!("(the log can't be read: {e})"),
    })
}

/// Whether a node said since an offset of its log that it is ready.
pub(super) fn said_ready(path: &Path, from: u64) -> bool {
    let read = || -> std::io::Result<bool> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(from))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        Ok(text.lines().any(|line| line.starts_with('{') && line.contains("\"event\":\"ready\"")))
    };
    read().unwrap_or(false)
}
