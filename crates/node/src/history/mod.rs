//! What happened: receipts, events and ended requests, kept beside the ledger's state for
//! people and devices that ask later (the state forgets ended requests, PROTOCOL §4).
//!
//! - `tables`: keys and records as they are stored;
//! - `record`: what a block adds; `faults`: faults among it;
//! - `recent`: events of open requests, in memory;
//! - `write`: recording and pruning;
//! - `read`: lookups and lists.
//!
//! Invariants: a block's entries and the height marker reach the disk together, or the marker
//! last; what had not before a crash is recorded again from the chain; recording a height
//! twice changes nothing; only the last `retention.history_blocks` blocks are kept; a block
//! that held nothing is not written; nothing here is an input to consensus. Times are Unix
//! milliseconds.

mod faults;
mod read;
mod recent;
mod record;
mod tables;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use faults::{FaultPlace, place};
pub(crate) use read::{Cursor, Ended, Filter};

use crate::config::Retention;
use recent::Recent;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};
use trustmesh_data::{DataError, Documents, Store};
use trustmesh_types::codec::DecodeError;

/// The history can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The store failed.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A document is not what was written.
    #[error(
        "the history is damaged: {0}; put the data directory back as it was when the node last ran"
    )]
    Damaged(#[from] DecodeError),
}

/// The history. Clones are the same one; one of them records.
#[derive(Debug, Clone)]
pub(crate) struct History {
    documents: Documents,
    blocks_kept: u64,
    height: Arc<AtomicU64>,
    /// The height that brings to disk what was recorded.
    flush_at: Arc<AtomicU64>,
    recent: Arc<Mutex<Recent>>,
}

impl History {
    /// The history in a store; reads back the events of requests that were open.
    ///
    /// # Errors
    /// [`HistoryError`] when the store can't be read, or what stands in it.
    pub(crate) fn open(store: Store, retention: &Retention) -> Result<Self, HistoryError> {
        let documents = store.documents();
        let height = read::last_height(&documents)?;
        let history = Self {
            documents,
            blocks_kept: retention.history_blocks.max(1),
            height: Arc::new(AtomicU64::new(height)),
            flush_at: Arc::default(),
            recent: Arc::default(),
        };
        history.recall()?;
        Ok(history)
    }

    /// The last height recorded; 0 before the first. After a crash it is lower by what was
    /// not on disk, which is then recorded again.
    pub(crate) fn height(&self) -> u64 {
        self.height.load(Ordering::Acquire)
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        // Every change of it is whole even when its caller panics later.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
