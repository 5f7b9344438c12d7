//! A chain that was kept in a file, put where a node's ledger would be: what `ledger import`
//! does with a data directory (docs/operations.md).
//!
//! Invariants: it comes only where no ledger is, so it never takes the place of votes; it is
//! written beside and moved there when it is whole, so a crash leaves all of it or nothing; and
//! the directory's marker stays as it is, so a validator that may have voted before still
//! follows until the network has a new committee.

use crate::{
    config::NodeConfig,
    error::NodeError,
    guard::{self, DataGuard, GuardError, seal},
    inspect::Use,
    run::{PARTITION, identity, layout},
};
use std::{fs, io::ErrorKind, path::Path};
use trustmesh_consensus::restore_chain;
use trustmesh_state::State;

/// Finds out whether the node of a configuration could take a chain, without changing anything.
///
/// # Errors
/// [`NodeError::Guard`] when its data directory holds a ledger, is another node's or in use;
/// what its files say otherwise.
pub fn check(config: &NodeConfig) -> Result<(), NodeError> {
    let (genesis, key, _) = identity(config)?;
    let layout = layout(config, &genesis, &key.public());
    guard::look(&config.data_dir, &genesis.network_id(), &key.public(), layout.clone())?;
    if guard::used_by(&config.data_dir)? == Use::Running {
        return Err(GuardError::InUse { path: config.data_dir.clone() }.into());
    }
    if layout.has_ledger()? {
        return Err(GuardError::Occupied { path: config.data_dir.clone() }.into());
    }
    Ok(())
}

/// Writes a chain: encoded blocks from height 1 on, each with its finality certificate (empty
/// where a later one makes it final), and the state after the last one, which must be final. All
/// of it must have been checked by the genesis; an error among the blocks leaves everything as
/// it was.
///
/// # Errors
/// As [`check`]; [`NodeError::Ledger`] when a block is an error or the archive can't be written.
pub fn restore(
    config: &NodeConfig,
    state: &State,
    blocks: impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), String>> + Send,
) -> Result<(), NodeError> {
    let (genesis, key, _) = identity(config)?;
    let (network, data) = (genesis.network_id(), &config.data_dir);
    let layout = layout(config, &genesis, &key.public());
    let (_guard, _) = DataGuard::take(data, &network, &key.public(), layout.clone())?;
    if layout.has_ledger()? {
        return Err(GuardError::Occupied { path: data.clone() }.into());
    }
    seal::open(data, &layout)?;
    let staged = layout.ledger.with_extension("restoring");
    remove(&staged)?;
    let written = restore_chain(&staged, PARTITION, state, blocks);
    if written.is_err() {
        remove(&staged)?;
    }
    written?;
    fs::rename(&staged, &layout.ledger)
        .and_then(|()| fs::File::open(data)?.sync_all())
        .map_err(|e| guard::io("write", &layout.ledger, &e).into())
}

/// Removes what a try left behind.
fn remove(staged: &Path) -> Result<(), GuardError> {
    match fs::remove_dir_all(staged) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(guard::io("remove", staged, &e)),
        _ => Ok(()),
    }
}
