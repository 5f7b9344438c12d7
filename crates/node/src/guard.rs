//! The data directory's guard: one process at a time, of the right network, key and format,
//! with all that the node has signed for.
//!
//! `network.json` says whose data lies there and which parts it holds ([`parts`]); `lock` is
//! held by the process that uses it. Both are checked before anything in the directory is
//! opened, and so is what the node wrote down when it last stopped ([`seal`]).

pub(crate) mod parts;
pub(crate) mod seal;

use crate::inspect::Use;
use nix::fcntl::{Flock, FlockArg};
use parts::{Layout, Made, Parts};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use trustmesh_types::{NetworkId, PublicKey};

/// Format of the directory that this program reads and writes.
const FORMAT: u32 = 1;
/// Where artifacts of applications are, in a data directory.
pub(crate) const ARTIFACTS: &str = "artifacts";
/// A process that was killed holds its lock until its last thread is gone, which can be a
/// moment after it is dead for whoever killed it and starts it again.
const LOCK_WAIT: Duration = Duration::from_secs(2);
const LOCK_PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Marker {
    format: u32,
    network: NetworkId,
    node: PublicKey,
    /// Whether the directory was made for a node that has never run ([`prepare`]). One that
    /// a node finds missing and makes anew may stand in for one that was lost.
    #[serde(default = "yes")]
    prepared: bool,
    /// Parts that were there once. A directory from before they were noted names none.
    #[serde(default)]
    made: Made,
}

/// Directories from before it was noted.
const fn yes() -> bool {
    true
}

/// Makes the data directory of a node that has never run: once in a key's life, by whoever
/// made the key. A node without one takes it that its data may have been lost, and does not
/// vote until the network has a new committee. A directory that was made for another genesis
/// and not used is made anew.
///
/// # Errors
/// [`GuardError::Used`] when something lies there; [`GuardError::Io`].
pub fn prepare(directory: &Path, network: &NetworkId, node: &PublicKey) -> Result<(), GuardError> {
    std::fs::create_dir_all(directory).map_err(|e| io("make", directory, &e))?;
    let marker = directory.join("network.json");
    for entry in std::fs::read_dir(directory).map_err(|e| io("read", directory, &e))? {
        let path = entry.map_err(|e| io("read", directory, &e))?.path();
        let unused = path == marker && is_unused(&path)?;
        if !unused {
            return Err(GuardError::Used { path: directory.to_owned() });
        }
    }
    let (network, node, made) = (*network, *node, Made::default());
    write(&marker, &Marker { format: FORMAT, network, node, prepared: true, made })
}

/// Whether this is the marker of a directory that no node has run with.
fn is_unused(marker: &Path) -> Result<bool, GuardError> {
    let bytes = std::fs::read(marker).map_err(|e| io("read", marker, &e))?;
    let marker: Option<Marker> = serde_json::from_slice(&bytes).ok();
    Ok(marker.is_some_and(|it| it.prepared && it.made == Made::default()))
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
    /// What lies there may be what a node has signed.
    #[error(
        "data directory {} is in use or was: only a node that has never run is prepared; one that lost its data \
         is started without any, and votes again when the network has a new committee",
        path.display()
    )]
    Used {
        /// The directory.
        path: PathBuf,
    },
    /// There is a ledger already.
    #[error(
        "data directory {} holds a ledger: a chain is written only where none is; a node that has its ledger \
         needs nothing but to be started",
        path.display()
    )]
    Occupied {
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
    /// What the node has signed is no longer known here.
    #[error(
        "{} is missing or empty, but this node has run with it: without {holds} it could contradict what it has signed; \
         put the data directory back as it was when the node last ran (an older copy lacks the newest of it), \
         or, if it is lost for good, move the whole data directory away: the node then follows the chain and \
         votes again when the network has a new committee",
        path.display()
    )]
    Lost {
        /// The part.
        path: PathBuf,
        /// What it held.
        holds: &'static str,
    },
    /// A file has changed since the node stopped.
    #[error(
        "{} is not as this node left it when it stopped ({what}): put the data directory back as it was then, \
         or, if that is lost for good, {}",
        path.display(),
        way_out(*fetchable)
    )]
    Altered {
        /// The file.
        path: PathBuf,
        /// What is not the same.
        what: String,
        /// Whether the others have what it held.
        fetchable: bool,
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

/// What is left to do without a file's last content.
const fn way_out(fetchable: bool) -> &'static str {
    if fetchable {
        "move seal.json and all of its ledger folder aside but ledger-committees and what begins with ledger-votes: the node fetches the \
         chain from the others"
    } else {
        "move the whole data directory away: the node then follows the chain and votes again when the network \
         has a new committee"
    }
}

/// Held while a node uses its data directory.
#[derive(Debug)]
pub(crate) struct DataGuard {
    _lock: Flock<File>,
}

impl DataGuard {
    /// Takes the directory, making it when it is not there. Gives its parts as well, to be
    /// noted once they are made.
    pub(crate) fn take(
        directory: &Path,
        network: &NetworkId,
        node: &PublicKey,
        layout: Layout,
    ) -> Result<(Self, Parts), GuardError> {
        std::fs::create_dir_all(directory).map_err(|e| io("make", directory, &e))?;
        let path = directory.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| io("open", &path, &e))?;
        let lock = lock(file).ok_or_else(|| GuardError::InUse { path: directory.to_owned() })?;
        let fresh = Marker {
            format: FORMAT,
            network: *network,
            node: *node,
            prepared: false,
            made: Made::default(),
        };
        let path = directory.join("network.json");
        let marker = match std::fs::read(&path) {
            Ok(bytes) => check(directory, &path, &bytes, &fresh)?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                write(&path, &fresh)?;
                fresh
            }
            Err(e) => return Err(io("read", &path, &e)),
        };
        let parts = Parts::checked(path, marker, layout)?;
        Ok((Self { _lock: lock }, parts))
    }
}

/// Locks a file, waiting a little for its last user to be gone.
fn lock(mut file: File) -> Option<Flock<File>> {
    let until = Instant::now() + LOCK_WAIT;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Some(lock),
            Err(_) if Instant::now() >= until => return None,
            Err((again, _)) => file = again,
        }
        std::thread::sleep(LOCK_PAUSE);
    }
}

/// Who uses a data directory, without taking it.
pub(crate) fn used_by(directory: &Path) -> Result<Use, GuardError> {
    let path = directory.join("lock");
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Use::Never),
        Err(e) => return Err(io("open", &path, &e)),
    };
    // Given back at once: whoever starts a node just then would have to start it again.
    Ok(Flock::lock(file, FlockArg::LockSharedNonblock).map_or(Use::Running, |_| Use::Nobody))
}

/// What [`DataGuard::take`] would refuse, without taking or making anything.
pub(crate) fn look(
    directory: &Path,
    network: &NetworkId,
    node: &PublicKey,
    layout: Layout,
) -> Result<(), GuardError> {
    let path = directory.join("network.json");
    let (network, node, made) = (*network, *node, Made::default());
    let wanted = Marker { format: FORMAT, network, node, prepared: false, made };
    match std::fs::read(&path) {
        Ok(bytes) => {
            let marker = check(directory, &path, &bytes, &wanted)?;
            Parts::checked(path, marker, layout).map(drop)
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(io("read", &path, &e)),
    }
}

pub(crate) fn io(action: &'static str, path: &Path, error: &std::io::Error) -> GuardError {
    GuardError::Io { action, path: path.to_owned(), reason: error.to_string() }
}

/// Writes the marker.
fn write(path: &Path, marker: &Marker) -> Result<(), GuardError> {
    let bytes = serde_json::to_vec_pretty(marker).map_err(|e| io("write", path, &e.into()))?;
    write_atomic(path, &bytes)
}

/// Writes a file such that a crash leaves the old one or the new one.
fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), GuardError> {
    let beside = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    };
    write().map_err(|e| io("write", path, &e))
}

fn check(
    directory: &Path,
    marker: &Path,
    bytes: &[u8],
    wanted: &Marker,
) -> Result<Marker, GuardError> {
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
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use trustmesh_types::Digest;

    fn take(directory: &Path, network: u8, node: u8) -> Result<DataGuard, GuardError> {
        let layout = parts::tests::layout(directory, true);
        let (network, node) = (NetworkId(Digest([network; 32])), PublicKey([node; 32]));
        DataGuard::take(directory, &network, &node, layout).map(|(guard, _)| guard)
    }

    #[test]
    fn a_directory_is_used_by_one_process_of_one_node_of_one_network() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        assert_eq!(used_by(&data).unwrap(), Use::Never);
        let held = take(&data, 1, 1).unwrap();
        assert_eq!(used_by(&data).unwrap(), Use::Running);
        assert!(matches!(take(&data, 1, 1), Err(GuardError::InUse { .. })));
        drop(held);
        assert_eq!(used_by(&data).unwrap(), Use::Nobody);
        assert!(take(&data, 1, 1).is_ok());
        assert!(matches!(take(&data, 2, 1), Err(GuardError::OtherNetwork { .. })));
        assert!(matches!(take(&data, 1, 2), Err(GuardError::OtherNode { .. })));
        std::fs::write(data.join("network.json"), b"{").unwrap();
        assert!(matches!(take(&data, 1, 1), Err(GuardError::Damaged { .. })));
    }
}
