//! The data directory's guard: one process at a time, of the right network, key and format.
//!
//! `network.json` says whose data lies there; `lock` is held by the process that uses it.
//! Both are checked before anything in the directory is opened.

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    path::{Path, PathBuf},
};
use trustmesh_types::{NetworkId, PublicKey};

/// Format of the directory that this program reads and writes.
const FORMAT: u32 = 1;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Marker {
    format: u32,
    network: NetworkId,
    node: PublicKey,
}

/// A data directory that must not be used.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Another process uses it.
    #[error("data directory {} is in use by another process: stop that node first", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// It belongs to another network.
    #[error(
        "data directory {} belongs to network {found}, the genesis is that of {expected}: use the right genesis, or another data_dir",
        path.display()
    )]
    OtherNetwork {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose the genesis is.
        expected: String,
    },
    /// It belongs to another node.
    #[error("data directory {} belongs to node {found}: use that node's key, or another data_dir", path.display())]
    OtherNode {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: String,
    },
    /// A newer program wrote it.
    #[error("data directory {} has format {found}, this program knows {FORMAT}: use a newer version", path.display())]
    Newer {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The marker is damaged.
    #[error("{} is damaged ({reason}): restore it, or use another data_dir", path.display())]
    Damaged {
        /// The marker.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The operating system refused.
    #[error("can't {action} {}: {reason}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What it said.
        reason: String,
    },
}

/// Held while a node uses its data directory.
#[derive(Debug)]
pub(crate) struct DataGuard {
    _lock: Flock<File>,
}

impl DataGuard {
    /// Takes the directory, making it when it is not there.
    pub(crate) fn take(
        directory: &Path,
        network: &NetworkId,
        node: &PublicKey,
    ) -> Result<Self, GuardError> {
        let io = |action, path: &Path, e: &std::io::Error| GuardError::Io {
            action,
            path: path.to_owned(),
            reason: e.to_string(),
        };
        std::fs::create_dir_all(directory).map_err(|e| io("make", directory, &e))?;
        let path = directory.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| io("open", &path, &e))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|_| GuardError::InUse { path: directory.to_owned() })?;
        let wanted = Marker { format: FORMAT, network: *network, node: *node };
        let marker = directory.join("network.json");
        match std::fs::read(&marker) {
            Ok(bytes) => check(directory, &marker, &bytes, &wanted)?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let text = serde_json::to_vec_pretty(&wanted).unwrap_or_default();
                std::fs::write(&marker, text).map_err(|e| io("write", &marker, &e))?;
            }
            Err(e) => return Err(io("read", &marker, &e)),
        }
        Ok(Self { _lock: lock })
    }
}

fn check(directory: &Path, marker: &Path, bytes: &[u8], wanted: &Marker) -> Result<(), GuardError> {
    let found: Marker = serde_json::from_slice(bytes)
        .map_err(|e| GuardError::Damaged { path: marker.to_owned(), reason: e.to_string() })?;
    let path = directory.to_owned();
    if found.format > FORMAT {
        return Err(GuardError::Newer { path, found: found.format });
    }
    if found.network != wanted.network {
        let (found, expected) = (found.network.to_string(), wanted.network.to_string());
        return Err(GuardError::OtherNetwork { path, found, expected });
    }
    if found.node != wanted.node {
        return Err(GuardError::OtherNode { path, found: found.node.to_string() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use trustmesh_types::Digest;

    fn take(directory: &Path, network: u8, node: u8) -> Result<DataGuard, GuardError> {
        DataGuard::take(directory, &NetworkId(Digest([network; 32])), &PublicKey([node; 32]))
    }

    #[test]
    fn a_directory_is_used_by_one_process_of_one_node_of_one_network() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let held = take(&data, 1, 1).unwrap();
        assert!(matches!(take(&data, 1, 1), Err(GuardError::InUse { .. })));
        drop(held);
        assert!(take(&data, 1, 1).is_ok());
        assert!(matches!(take(&data, 2, 1), Err(GuardError::OtherNetwork { .. })));
        assert!(matches!(take(&data, 1, 2), Err(GuardError::OtherNode { .. })));
        std::fs::write(data.join("network.json"), b"{").unwrap();
        assert!(matches!(take(&data, 1, 1), Err(GuardError::Damaged { .. })));
    }
}
