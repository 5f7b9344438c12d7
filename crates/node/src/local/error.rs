//! What can go wrong with a local mesh.

use crate::{config::ConfigError, guard::GuardError, keystore::KeyError};
use std::path::PathBuf;

/// What the operating system and the engine say of a port that is taken.
const TAKEN: [&str; 2] = ["Address already in use", "BindFailed"];

/// A local mesh can't be made, started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The folder is in use.
    #[error("{} is not empty: choose another folder, or remove it", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds no network.
    #[error("{} holds no local network (no genesis.json): make one with `trustmesh network init`", path.display())]
    NoNetwork {
        /// The folder.
        path: PathBuf,
    },
    /// A node's data directory can't be made.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// The operating system refused.
    #[error("can't {action} {}: {reason}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// A number of nodes that no network can have.
    #[error("{nodes} nodes: a local network has {min} to {max}")]
    Nodes {
        /// The number asked for.
        nodes: usize,
        /// The fewest.
        min: usize,
        /// The most.
        max: usize,
    },
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A configuration or the genesis.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A node runs already.
    #[error("{node} runs already (process {pid}): stop it with `trustmesh network down`")]
    Running {
        /// The node.
        node: String,
        /// Its process.
        pid: u32,
    },
    /// A node ended instead of getting ready.
    #[error("{node} ended while starting:\n{log}")]
    Ended {
        /// The node.
        node: String,
        /// The end of its log.
        log: String,
    },
    /// A node did not get ready in time.
    #[error("{node} was not ready within {waited_s} s; the end of its log:\n{log}")]
    NotReady {
        /// The node.
        node: String,
        /// How long it had.
        waited_s: u64,
        /// The end of its log.
        log: String,
    },
    /// A process does not end.
    #[error("process {pid} of {node} does not end, not even when killed")]
    Immortal {
        /// The node.
        node: String,
        /// Its process.
        pid: u32,
    },
}

impl LocalError {
    /// Whether a node did not start because another process listens where it should.
    #[must_use]
    pub fn port_taken(&self) -> bool {
        matches!(self, Self::Ended { log, .. } if TAKEN.iter().any(|said| log.contains(said)))
    }
}

pub(super) fn io(
    action: &'static str,
    path: &std::path::Path,
    error: &std::io::Error,
) -> LocalError {
    LocalError::Io { action, path: path.to_owned(), reason: error.to_string() }
}
