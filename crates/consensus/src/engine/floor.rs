//! Going on from a final block without those before it: a snapshot that another node gave.

use crate::{
    committees::CommitteeStore,
    ledger::{RecoveryError, Snapshots},
    runtime::Runtime,
    snapshot::{Floor, StateSnapshot, Trusted, committee_at},
};
use commonware_cryptography::{Digestible as _, sha256};
use commonware_runtime::Error as RuntimeError;
use trustmesh_state::State;
use trustmesh_types::{Block, committee::Committee, genesis::Genesis};

/// Brings a snapshot to disk, unless what is there is as new; what points to it comes last.
pub(super) async fn install<E: Runtime>(
    context: &E,
    store: &CommitteeStore,
    snapshots: &Snapshots,
    trusted: &Trusted,
    snapshot: &StateSnapshot,
) -> Result<(), RuntimeError> {
    let height = trusted.state.height();
    if snapshots.newest_height(context).await?.is_some_and(|newest| newest >= height) {
        return Ok(());
    }
    for handover in &trusted.handovers {
        store.begins(context, handover).await?;
    }
    for committee in trusted.state.committees_to_come() {
        store.decided(context, committee).await?;
    }
    let tip = trusted.floor.block.digest();
    snapshots.write(context, tip, height, snapshot.state.clone()).await?;
    store.floor(context, &snapshot.block, &snapshot.certificate).await?;
    tracing::info!(height, "goes on from a snapshot of the ledger");
    Ok(())
}

/// The block to go on from, as it was kept.
pub(super) fn of(
    genesis: &Genesis,
    committees: &[Committee],
    kept: Option<&(Block, Vec<u8>)>,
) -> Option<Floor> {
    let (block, certificate) = kept?;
    let committee = committee_at(committees, block.header.height)?;
    Floor::decode(genesis, committee, block.clone(), certificate)
}

/// Digest and state of the block to go on from.
pub(super) async fn recover<E: Runtime>(
    context: &E,
    snapshots: &Snapshots,
    floor: &Floor,
) -> Result<(sha256::Digest, State), RecoveryError> {
    let header = &floor.block.block().header;
    let found = snapshots.newest(context, header.height).await?;
    let is_it = |(tip, state): &(sha256::Digest, State)| {
        *tip == floor.block.digest() && state.root() == header.state_root
    };
    found.filter(is_it).ok_or_else(|| RecoveryError::Block {
        height: header.height,
        reason: "the snapshot that it went on from is missing".to_owned(),
    })
}
