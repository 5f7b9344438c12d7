//! Old blocks go; their headers and certificates stay (docs/disk.md).
//!
//! - `headers`: where the headers of all blocks are found;
//! - `plan`: up to where blocks may go.
//!
//! Invariants: a block's header and certificate are durable in the store before the block
//! leaves the ledger's archive; blocks that a restart needs stay (`Handle::prunable`), and
//! the newest `retention.blocks_min`, from which other nodes catch up.

mod headers;
mod plan;

pub(crate) use headers::Headers;

use crate::{config::Retention, history::HistoryError};
use std::path::PathBuf;

/// Prunes now and then.
#[derive(Debug)]
pub(crate) struct Pruning {
    headers: Headers,
    /// The archive's files with the blocks.
    blocks: PathBuf,
    retention: Retention,
}

impl Pruning {
    pub(crate) const fn new(headers: Headers, blocks: PathBuf, retention: Retention) -> Self {
        Self { headers, blocks, retention }
    }

    /// Removes blocks past retention.
    ///
    /// # Errors
    /// [`HistoryError`] when headers can't be kept: then the blocks stay.
    pub(crate) async fn run(&self, now_ms: u64) -> Result<(), HistoryError> {
        let ledger = self.headers.ledger();
        let (height, oldest) = (ledger.status().height, ledger.oldest());
        let sections = plan::sections(&self.blocks);
        let mut below = plan::below(&self.retention, height, &sections);
        let oldest_ms = now_ms.saturating_sub(self.retention.blocks_max_age_s * 1_000);
        for section in plan::by_age(&self.retention, height, &sections) {
            match ledger.block(section).await {
                Some(block) if block.header.timestamp_ms < oldest_ms => below = below.max(section),
                _ => break,
            }
        }
        let below = ledger.prunable(below);
        if below <= oldest {
            return Ok(());
        }
        if self.headers.keep(oldest, below).await? {
            ledger.prune(below);
            tracing::info!(from = oldest, below, "pruned blocks");
        }
        Ok(())
    }
}
