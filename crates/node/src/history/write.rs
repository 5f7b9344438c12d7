//! Recording final blocks, and pruning those past retention.

use super::{
    History, HistoryError, record,
    tables::{
        BlockRecord, HISTORY, LAST, block_key, ended_key, faults_at, height_bytes, lines_at, read,
        read_line_key, transaction_key,
    },
};
use std::sync::atomic::Ordering;
use trustmesh_data::{Entry, Order};
use trustmesh_state::Finalized;

/// Entries of one write; the store takes a few more.
const ENTRIES_PER_WRITE_MAX: usize = 4_000;
/// Bytes of one write, roughly: the store's queue is bounded.
const BYTES_PER_WRITE_MAX: usize = 8 * 1024 * 1024;
/// Blocks of which none need be on disk: what a restart takes from the chain again at most.
const LAZY_BLOCKS_MAX: u64 = 64;
/// Blocks held in memory at once while pruning.
const BLOCKS_PER_READ_MAX: usize = 32;

impl History {
    /// Records a final block; ready when readers find it. On disk it is after at most
    /// [`LAZY_BLOCKS_MAX`] more. A height recorded before is left alone, and a block that
    /// holds nothing only counted. To be called in order of height, by one task.
    ///
    /// # Errors
    /// [`HistoryError`] when the store takes no more.
    pub(crate) async fn record(&self, finalized: &Finalized) -> Result<(), HistoryError> {
        let height = finalized.block.header.height;
        if height <= self.height() {
            return Ok(());
        }
        let empty = finalized.block.transactions.is_empty() && finalized.events.is_empty();
        let lazy = height < self.flush_at.load(Ordering::Acquire);
        if empty && lazy {
            self.height.store(height, Ordering::Release);
            return Ok(());
        }
        let block = record::block(finalized);
        let mut entries = {
            let mut recent = self.recent();
            recent.add(&block);
            record::entries(&block, finalized, &recent, self.first_kept())
        };
        entries.push((LAST.to_vec(), height_bytes(height)));
        for part in parts(entries) {
            self.documents.put_lazily(HISTORY, part).await?;
        }
        self.recent().forget(&block);
        self.height.store(height, Ordering::Release);
        if lazy { Ok(()) } else { self.flush().await }
    }

    /// Brings to disk what was recorded.
    ///
    /// # Errors
    /// [`HistoryError`] when the store takes no more.
    pub(crate) async fn flush(&self) -> Result<(), HistoryError> {
        let height = self.height();
        let marker = vec![(LAST.to_vec(), height_bytes(height))];
        self.documents.put_many(HISTORY, marker).await?;
        self.flush_at.store(height.saturating_add(LAZY_BLOCKS_MAX), Ordering::Release);
        Ok(())
    }

    /// Removes the blocks past retention, with all that belongs to them.
    ///
    /// # Errors
    /// [`HistoryError`] when the store can't be read or written.
    pub(crate) async fn prune(&self) -> Result<(), HistoryError> {
        let keep_from = self.height().saturating_add(1).saturating_sub(self.blocks_kept);
        let (from, to) = (block_key(0), block_key(keep_from));
        let limit = BLOCKS_PER_READ_MAX;
        loop {
            let found = self.documents.range(HISTORY, &from, &to, limit, Order::Ascending)?;
            let last = found.len() < limit;
            for (key, value) in found {
                self.remove_block(key, &read(&value)?).await?;
            }
            if last {
                return Ok(());
            }
        }
    }

    async fn remove_block(&self, key: Vec<u8>, block: &BlockRecord) -> Result<(), HistoryError> {
        let mut keys: Vec<Vec<u8>> =
            block.transactions.iter().map(|t| transaction_key(&t.id)).collect();
        let faults = faults_at(block.height);
        let faults = self.documents.scan(HISTORY, &faults, usize::MAX, Order::Ascending)?;
        keys.extend(faults.into_iter().map(|(key, _)| key));
        let prefix = lines_at(block.height);
        let lines = self.documents.scan(HISTORY, &prefix, usize::MAX, Order::Ascending)?;
        for (line, _) in lines {
            keys.extend(read_line_key(&line).map(|(_, id)| ended_key(&id)));
            keys.push(line);
        }
        // The block last: a pruning cut short finds it again.
        keys.push(key);
        for part in keys.chunks(ENTRIES_PER_WRITE_MAX) {
            self.documents.remove(HISTORY, part.to_vec()).await?;
        }
        Ok(())
    }
}

/// Cuts entries into writes, in order: the marker is in the last.
fn parts(entries: Vec<Entry>) -> Vec<Vec<Entry>> {
    let mut parts: Vec<Vec<Entry>> = Vec::new();
    let (mut part, mut bytes) = (Vec::new(), 0_usize);
    for entry in entries {
        let entry_bytes = entry.0.len() + entry.1.len();
        let full = part.len() >= ENTRIES_PER_WRITE_MAX || bytes + entry_bytes > BYTES_PER_WRITE_MAX;
        if full && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes += entry_bytes;
        part.push(entry);
    }
    parts.push(part);
    parts
}
