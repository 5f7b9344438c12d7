//! The newest final state and the executed blocks above it.
//!
//! Invariants: every overlay's height is above the final height; there are at most
//! [`OVERLAYS_MAX`] of them (the lowest go first: they can be executed again); folding takes
//! only the block that follows the final one.

use crate::{block::LedgerBlock, limits::OVERLAYS_MAX};
use commonware_consensus::Block as _;
use commonware_cryptography::{Digestible as _, sha256};
use commonware_utils::sync::{Mutex, Notify};
use std::{collections::BTreeMap, sync::Arc};
use trustmesh_state::{Finalized, State};
use trustmesh_types::{Receipt, events::Event};

/// What executing a block gave.
#[derive(Clone)]
pub(crate) struct Executed {
    /// The state after it.
    pub(crate) state: State,
    /// A receipt per transaction.
    pub(crate) receipts: Vec<Receipt>,
    /// What happened.
    pub(crate) events: Vec<Event>,
}

struct Tree {
    tip: sha256::Digest,
    state: State,
    /// By height first, so that those that finality passed are found together.
    overlays: BTreeMap<(u64, sha256::Digest), Arc<Executed>>,
}

/// The states of a node's chain, shared by its tasks.
#[derive(Clone)]
pub(crate) struct Ledger {
    tree: Arc<Mutex<Tree>>,
    advanced: Arc<Notify>,
}

/// A finalized block does not follow the final one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "block {block} at height {height} does not follow the final block {tip} at height {tip_height}"
)]
pub(crate) struct Unfolded {
    block: sha256::Digest,
    height: u64,
    tip: sha256::Digest,
    tip_height: u64,
}

impl Ledger {
    /// Starts from a final block and its state.
    pub(crate) fn new(tip: sha256::Digest, state: State) -> Self {
        let tree = Tree { tip, state, overlays: BTreeMap::new() };
        Self { tree: Arc::new(Mutex::new(tree)), advanced: Arc::new(Notify::new()) }
    }

    /// Goes on from another final block, before anything was executed.
    pub(crate) fn reset(&self, tip: sha256::Digest, state: State) {
        *self.tree.lock() = Tree { tip, state, overlays: BTreeMap::new() };
        self.advanced.notify_waiters();
    }

    /// The newest final block's digest and state.
    pub(crate) fn tip(&self) -> (sha256::Digest, State) {
        let tree = self.tree.lock();
        (tree.tip, tree.state.clone())
    }

    /// The newest final state.
    pub(crate) fn state(&self) -> State {
        self.tree.lock().state.clone()
    }

    /// Height of the newest final state.
    pub(crate) fn height(&self) -> u64 {
        self.tree.lock().state.height()
    }

    /// The state after that block, if it is final or was executed.
    pub(crate) fn state_of(&self, digest: &sha256::Digest, height: u64) -> Option<State> {
        let tree = self.tree.lock();
        if tree.tip == *digest {
            return Some(tree.state.clone());
        }
        tree.overlays.get(&(height, *digest)).map(|executed| executed.state.clone())
    }

    /// What executing that block gave, if it was executed and is not final.
    pub(crate) fn executed(&self, digest: &sha256::Digest, height: u64) -> Option<Arc<Executed>> {
        self.tree.lock().overlays.get(&(height, *digest)).cloned()
    }

    /// Keeps what executing a block gave until finality decides.
    pub(crate) fn keep(&self, block: &LedgerBlock, executed: Executed) {
        let mut tree = self.tree.lock();
        if block.number() <= tree.state.height() {
            return;
        }
        tree.overlays.insert((block.number(), block.digest()), Arc::new(executed));
        while tree.overlays.len() > OVERLAYS_MAX {
            tree.overlays.pop_first();
        }
    }

    /// Makes a block final and drops what can't become final any more.
    pub(crate) fn fold(
        &self,
        block: &LedgerBlock,
        executed: &Executed,
    ) -> Result<Finalized, Unfolded> {
        let mut tree = self.tree.lock();
        let tip_height = tree.state.height();
        if block.parent() != tree.tip || block.number() != tip_height + 1 {
            let (block, height) = (block.digest(), block.number());
            return Err(Unfolded { block, height, tip: tree.tip, tip_height });
        }
        tree.tip = block.digest();
        tree.state = executed.state.clone();
        tree.overlays = tree.overlays.split_off(&(block.number() + 1, sha256::Digest([0; 32])));
        drop(tree);
        self.advanced.notify_waiters();
        Ok(Finalized {
            block: Arc::clone(block.block()),
            receipts: executed.receipts.clone(),
            events: executed.events.clone(),
            state: executed.state.clone(),
        })
    }

    /// Waits until the final height is at least `height`.
    pub(crate) async fn reach(&self, height: u64) {
        loop {
            let advanced = self.advanced.notified();
            if self.height() >= height {
                return;
            }
            advanced.await;
        }
    }
}
