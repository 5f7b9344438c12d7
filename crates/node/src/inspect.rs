//! A node's files beside the node: looked at for `trustmesh node doctor` and `debug bundle`,
//! while it may be running, and made before it first runs.

use crate::{config::NodeConfig, guard, run};
use nix::sys::statvfs::statvfs;
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use trustmesh_types::{PublicKey, genesis::Genesis};

pub use crate::guard::GuardError;
pub use trustmesh_data::{DataError, Inspected};

/// Deepest folder below a data directory that is listed.
const DEPTH_MAX: u32 = 6;
/// Files that are listed at most.
const FILES_MAX: usize = 20_000;

/// Who uses a data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// No node has run with it.
    Never,
    /// No process now.
    Nobody,
    /// A process that runs.
    Running,
}

/// Room on the disk of a folder, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// What this user may still write.
    pub free_bytes: u64,
    /// All of it.
    pub total_bytes: u64,
}

/// A file and its length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sized {
    /// Below the data directory.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
}

/// Who uses the node's data directory.
///
/// # Errors
/// [`GuardError::Io`] when it can't be told.
pub fn used_by(config: &NodeConfig) -> Result<Use, GuardError> {
    guard::used_by(&config.data_dir)
}

/// Whether the node would start with its data directory, were it free.
///
/// # Errors
/// [`GuardError`] says why not.
pub fn check_directory(
    config: &NodeConfig,
    genesis: &Genesis,
    node: &PublicKey,
) -> Result<(), GuardError> {
    let layout = run::layout(config, genesis, node);
    guard::look(&config.data_dir, &genesis.network_id(), node, layout)
}

/// Makes the data directory of a node of genesis that has never run. Without one a validator
/// takes it that its votes are lost, and does not vote until the network has a new committee.
///
/// # Errors
/// [`GuardError::Used`] when something lies there; [`GuardError::Io`].
pub fn prepare(config: &NodeConfig, genesis: &Genesis, node: &PublicKey) -> Result<(), GuardError> {
    guard::prepare(&config.data_dir, &genesis.network_id(), node)
}

/// Reads the whole store of a node that is stopped; `None` when there is none.
///
/// # Errors
/// [`DataError`] when it can't be read, or is damaged.
pub fn check_store(config: &NodeConfig) -> Result<Option<Inspected>, DataError> {
    let path = run::store_path(config);
    if !path.exists() {
        return Ok(None);
    }
    trustmesh_data::inspect(&path).map(Some)
}

/// Room on the disk of a folder, or of the nearest one above it that is there.
///
/// # Errors
/// What the operating system says.
pub fn space(folder: &Path) -> io::Result<Space> {
    let there = folder.ancestors().find(|it| it.exists()).unwrap_or(Path::new("."));
    let found = statvfs(there).map_err(io::Error::from)?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.fragment_size());
    Ok(Space { free_bytes: bytes(found.blocks_available()), total_bytes: bytes(found.blocks()) })
}

/// The files of a data directory with their lengths, in order of path; bounded.
///
/// # Errors
/// What the operating system says.
pub fn files(data_dir: &Path) -> io::Result<Vec<Sized>> {
    let mut found = Vec::new();
    walk(data_dir, Path::new(""), DEPTH_MAX, &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn walk(root: &Path, below: &Path, depth: u32, found: &mut Vec<Sized>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() && depth > 0 {
            walk(root, &path, depth - 1, found)?;
        } else if kind.is_file() && found.len() < FILES_MAX {
            // One that went away meanwhile has no length.
            let bytes = entry.metadata().map_or(0, |it| it.len());
            found.push(Sized { path, bytes });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_room_are_told() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/c"), b"123").unwrap();
        fs::write(folder.path().join("d"), b"").unwrap();
        let listed = files(folder.path()).unwrap();
        let told: Vec<_> = listed.iter().map(|it| (it.path.to_str().unwrap(), it.bytes)).collect();
        assert_eq!(told, [("a/b/c", 3), ("d", 0)]);
        let room = space(&folder.path().join("not/there")).unwrap();
        assert!(0 < room.total_bytes && room.free_bytes <= room.total_bytes);
    }
}
