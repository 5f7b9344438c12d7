//! Getting back to the final state after a restart: the newest sound snapshot, then the
//! blocks that the engine's archive holds above it. The archive is durable before a block is
//! delivered, so nothing that was final is lost.

use super::{Executed, Snapshots, execute};
use crate::{block::LedgerBlock, runtime::Runtime};
use commonware_consensus::{
    Block as _,
    marshal::{Identifier, core::Mailbox, standard::Standard},
    simplex::scheme::ed25519::Scheme,
    types::Height,
};
use commonware_cryptography::{Digestible as _, sha256};
use trustmesh_state::State;

/// The engine's ordered archive of final blocks.
pub(crate) type Chain = Mailbox<Scheme, Standard<LedgerBlock>>;

/// The archive and the states don't fit.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecoveryError {
    /// A snapshot can't be read.
    #[error("snapshots can't be read: {0}")]
    Storage(#[from] commonware_runtime::Error),
    /// A block is missing or does not execute.
    #[error("{reason}")]
    Block {
        /// Its height.
        height: u64,
        /// What is wrong.
        reason: String,
    },
}

/// The final block at `height` as the archive has it.
pub(crate) async fn stored(chain: &Chain, height: u64) -> Option<LedgerBlock> {
    let identifier: Identifier<sha256::Digest> = Identifier::Height(Height::new(height));
    chain.get_block(identifier).await.map(|block| block.inner().clone())
}

/// Executes the archive's block that follows `tip`.
pub(crate) async fn next<E: Runtime>(
    context: &E,
    chain: &Chain,
    tip: sha256::Digest,
    state: State,
) -> Result<(LedgerBlock, Executed), RecoveryError> {
    let height = state.height() + 1;
    let broken = |reason: String| RecoveryError::Block { height, reason };
    let block = stored(chain, height).await.ok_or_else(|| broken("it is missing".to_owned()))?;
    if block.parent() != tip {
        return Err(broken("it does not follow the block before it".to_owned()));
    }
    let executed =
        execute(context, state, block.clone()).await.map_err(|e| broken(e.to_string()))?;
    Ok((block, executed))
}

/// The digest and state of the final block at `height`, or of the newest one below it that
/// the archive has. `genesis` is where the chain starts.
pub(crate) async fn recover<E: Runtime>(
    context: &E,
    chain: &Chain,
    snapshots: &Snapshots,
    genesis: (sha256::Digest, State),
    height: u64,
) -> Result<(sha256::Digest, State), RecoveryError> {
    let (mut tip, mut state) = match trusted_snapshot(context, chain, snapshots, height).await? {
        Some(found) => found,
        None => genesis,
    };
    let from = state.height();
    while state.height() < height {
        let (block, executed) = next(context, chain, tip, state).await?;
        (tip, state) = (block.digest(), executed.state);
    }
    if state.height() > from {
        tracing::info!(from, to = state.height(), "replayed final blocks");
    }
    Ok((tip, state))
}

/// The newest snapshot at or below `height_max` whose root is the one that the archive's
/// block names.
async fn trusted_snapshot<E: Runtime>(
    context: &E,
    chain: &Chain,
    snapshots: &Snapshots,
    mut height_max: u64,
) -> Result<Option<(sha256::Digest, State)>, RecoveryError> {
    while let Some((tip, state)) = snapshots.newest(context, height_max).await? {
        let height = state.height();
        let block = stored(chain, height).await;
        let named = block.filter(|b| b.digest() == tip).map(|b| b.block().header.state_root);
        if named == Some(state.root()) {
            return Ok(Some((tip, state)));
        }
        tracing::warn!(height, "a snapshot is not of the stored chain and is passed over");
        let Some(below) = height.checked_sub(1) else { break };
        height_max = below;
    }
    Ok(None)
}
