//! Final blocks as they come, for whoever waits: long polls for receipts, watchers of events.
//!
//! Invariants: a slow receiver is told what it missed ([`RecvError::Lagged`]) and holds up
//! nobody; at most [`BLOCKS_HELD`] blocks stay in memory for it. A block is published after
//! the history has it, so that what is not in the feed is in the history.
//!
//! [`RecvError::Lagged`]: tokio::sync::broadcast::error::RecvError::Lagged

use std::sync::Arc;
use tokio::sync::broadcast;
use trustmesh_state::Finalized;

/// Blocks that a receiver may lag behind.
const BLOCKS_HELD: usize = 64;

/// Final blocks as they come. Clones are the same feed.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    sender: broadcast::Sender<Arc<Finalized>>,
}

impl Feed {
    /// A feed without receivers.
    pub(crate) fn new() -> Self {
        Self { sender: broadcast::channel(BLOCKS_HELD).0 }
    }

    /// Gives a block to all receivers.
    pub(crate) fn publish(&self, block: Arc<Finalized>) {
        // An error means that nobody listens.
        let _ = self.sender.send(block);
    }

    /// Receives blocks from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Finalized>> {
        self.sender.subscribe()
    }
}
