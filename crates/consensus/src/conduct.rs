//! Where a simulated validator can be made to misbehave (PROTOCOL §9, evil leaders and
//! voters). A daemon's ledger has no [`Conduct`]: it passes by every place below with one
//! look at an empty option, and [`crate::start_node`] takes none.
//!
//! The node is the real one: what a conduct alters goes through the same engine, the same
//! votes and the same network as an honest node's work.

use crate::{block::LedgerBlock, ledger::Executed};
use std::{fmt::Debug, sync::Arc, time::Duration};
use trustmesh_state::State;
use trustmesh_types::{Block, SignedTransaction, TxId};

/// Transactions with their ids, in a block's order.
pub type Chosen = Vec<(TxId, Arc<SignedTransaction>)>;

/// What an evil node does otherwise; every method's default is what an honest one does.
pub trait Conduct: Send + Sync + Debug {
    /// What goes into a block on `parent`, in place of `chosen`.
    fn choose(&self, parent: &State, chosen: Chosen) -> Chosen {
        let _ = parent;
        chosen
    }

    /// The block's timestamp in place of the right one, both in Unix milliseconds. The block
    /// is executed with it, so it must lie after the parent's.
    fn timestamp_ms(&self, right_ms: u64) -> u64 {
        right_ms
    }

    /// How long a finished choice is held back before it is proposed.
    fn delay(&self) -> Duration {
        Duration::ZERO
    }

    /// What is proposed in place of `block`, which is sound and stands on `parent`.
    fn seal(&self, parent: &State, block: Block) -> Block {
        let _ = parent;
        block
    }

    /// Whether it judges blocks before it votes for them; else it votes for any.
    fn judges(&self) -> bool {
        true
    }
}

/// The block that is proposed, and what executing it gave when it is as it was built.
pub(crate) fn sealed(
    conduct: Option<&dyn Conduct>,
    parent: &State,
    block: LedgerBlock,
    executed: Executed,
) -> (LedgerBlock, Option<Executed>) {
    let Some(conduct) = conduct else { return (block, Some(executed)) };
    let altered = conduct.seal(parent, Block::clone(block.block()));
    if altered == **block.block() {
        (block, Some(executed))
    } else {
        (LedgerBlock::new(altered), None)
    }
}
