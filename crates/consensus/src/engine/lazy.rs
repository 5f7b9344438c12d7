//! The archive's two halves, brought to disk for empty blocks only now and then: most of what
//! an idle node would write is the tail of four files, once for each block (docs/disk.md).
//!
//! What holds:
//! - a block with transactions, or at the end of an epoch, is on disk before it is delivered, and
//!   all before it;
//! - of empty blocks at most [`LAZY_BLOCKS_MAX`] are not, the newest ones, each put after the one
//!   before it. A crash loses them here, not on the network: a validator has each on disk, in the
//!   engine's cache, before it votes for it;
//! - the engine is told that a block was dealt with only once it is on disk ([`Gate`]), so it
//!   asks for lost ones again, and delivers them again. It delivers a bounded number before it
//!   waits for that, so a block that fills a gap is brought to disk at once: nothing may come
//!   after it that would.

use crate::{block::LedgerBlock, limits::LAZY_BLOCKS_MAX};
use commonware_consensus::{
    marshal::store::{Blocks, Certificates},
    simplex::types::Finalization,
    types::Height,
};
use commonware_cryptography::Digestible;
use commonware_runtime::Handle;
use commonware_storage::archive::Identifier;
use commonware_utils::sync::Notify;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

#[derive(Debug, Default)]
struct Marks {
    /// The height after the highest one that was put.
    next: u64,
    /// Blocks put since one was last due.
    put: u64,
    /// How often it was time to go to disk.
    due: u64,
    /// The lowest height put since a sync of blocks was last begun.
    open: Option<u64>,
    /// The lowest height of each sync under way, by its number.
    syncing: BTreeMap<u64, u64>,
    syncs: u64,
    /// What ends an epoch is brought to disk at once: the engine of the committee that has
    /// ended never runs again, so nobody could make it final anew.
    epoch_blocks: u64,
}

/// Knows which blocks are on disk. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Gate(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    marks: Mutex<Marks>,
    moved: Notify,
}

impl Gate {
    /// Of a chain with epochs of so many blocks, of which those up to `last` are there.
    pub(crate) fn new(epoch_blocks: u64, last: u64) -> Self {
        let marks = Marks { next: last.saturating_add(1), epoch_blocks, ..Marks::default() };
        Self(Arc::new(Shared { marks: Mutex::new(marks), moved: Notify::default() }))
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        // Every change of it is whole even when its caller panics later.
        self.0.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready when more may pass than when this was called.
    pub(crate) fn moved(&self) -> impl Future<Output = ()> + Send + '_ {
        self.0.moved.notified()
    }

    /// Whether all blocks up to `height` that were put are on disk.
    pub(crate) fn passes(&self, height: u64) -> bool {
        let marks = self.marks();
        marks.syncing.values().copied().chain(marks.open).all(|lowest| height < lowest)
    }

    fn put(&self, height: u64, empty: bool) {
        let mut marks = self.marks();
        marks.open = Some(marks.open.map_or(height, |lowest| lowest.min(height)));
        marks.put += 1;
        let ends_epoch =
            height.saturating_add(1).checked_rem(marks.epoch_blocks).is_some_and(|rest| rest == 0);
        let in_order = height == marks.next;
        marks.next = marks.next.max(height.saturating_add(1));
        if !empty || ends_epoch || !in_order || marks.put >= LAZY_BLOCKS_MAX {
            (marks.put, marks.due) = (0, marks.due + 1);
        }
    }

    fn due(&self) -> u64 {
        self.marks().due
    }

    fn begin(&self) -> u64 {
        let mut marks = self.marks();
        marks.put = 0;
        marks.syncs += 1;
        let number = marks.syncs;
        if let Some(lowest) = marks.open.take() {
            marks.syncing.insert(number, lowest);
        }
        number
    }

    /// A sync covers all that were begun before it.
    fn end(&self, number: u64) {
        let mut marks = self.marks();
        marks.syncing = marks.syncing.split_off(&(number + 1));
        drop(marks);
        self.0.moved.notify_waiters();
    }
}

/// Half of the archive.
pub(super) struct Lazy<A> {
    archive: A,
    gate: Gate,
    /// Up to which of the gate's dues this half was synced.
    synced: u64,
}

impl<A> Lazy<A> {
    pub(super) fn new(archive: A, gate: Gate) -> Self {
        Self { archive, gate, synced: 0 }
    }

    /// The archive, which every change consumes, and the rest.
    fn parted(self) -> (A, Lazy<()>) {
        (self.archive, Lazy { archive: (), gate: self.gate, synced: self.synced })
    }
}

type BlockDigest = <LedgerBlock as Digestible>::Digest;

impl Lazy<()> {
    fn whole<A>(self, archive: A) -> Lazy<A> {
        Lazy { archive, gate: self.gate, synced: self.synced }
    }
}

impl<A: Blocks<Block = Arc<LedgerBlock>>> Blocks for Lazy<A> {
    type Block = Arc<LedgerBlock>;
    type Error = A::Error;

    async fn put(self, digest: BlockDigest, block: &Arc<LedgerBlock>) -> Result<Self, A::Error> {
        self.gate.put(block.number(), block.block().transactions.is_empty());
        let (archive, rest) = self.parted();
        Ok(rest.whole(archive.put(digest, block).await?))
    }

    async fn sync(self) -> Result<Self, A::Error> {
        let (archive, mut rest) = self.parted();
        rest.synced = rest.gate.due();
        let number = rest.gate.begin();
        let archive = archive.sync().await?;
        rest.gate.end(number);
        Ok(rest.whole(archive))
    }

    async fn start_sync(self) -> Result<(Self, Handle<()>), A::Error> {
        let due = self.gate.due();
        if due == self.synced {
            return Ok((self, Handle::ready(Ok(()))));
        }
        let (archive, mut rest) = self.parted();
        rest.synced = due;
        let number = rest.gate.begin();
        let (archive, handle) = archive.start_sync().await?;
        let gate = rest.gate.clone();
        let synced = async move {
            handle.await?;
            gate.end(number);
            Ok(())
        };
        Ok((rest.whole(archive), Handle::from_future(synced)))
    }

    async fn get(
        &self,
        id: Identifier<'_, BlockDigest>,
    ) -> Result<Option<Arc<LedgerBlock>>, A::Error> {
        self.archive.get(id).await
    }

    async fn prune(self, min: Height) -> Result<Self, A::Error> {
        let (archive, rest) = self.parted();
        Ok(rest.whole(archive.prune(min).await?))
    }

    fn missing_items(&self, start: Height, max: usize) -> Vec<Height> {
        self.archive.missing_items(start, max)
    }

    fn next_gap(&self, value: Height) -> (Option<Height>, Option<Height>) {
        self.archive.next_gap(value)
    }

    fn last_index(&self) -> Option<Height> {
        self.archive.last_index()
    }
}

impl<A: Certificates> Certificates for Lazy<A> {
    type BlockDigest = A::BlockDigest;
    type Commitment = A::Commitment;
    type Scheme = A::Scheme;
    type Error = A::Error;

    async fn put(
        self,
        height: Height,
        digest: A::BlockDigest,
        finalization: &Finalization<A::Scheme, A::Commitment>,
    ) -> Result<Self, A::Error> {
        let (archive, rest) = self.parted();
        Ok(rest.whole(archive.put(height, digest, finalization).await?))
    }

    async fn sync(self) -> Result<Self, A::Error> {
        let (archive, mut rest) = self.parted();
        rest.synced = rest.gate.due();
        Ok(rest.whole(archive.sync().await?))
    }

    async fn start_sync(self) -> Result<(Self, Handle<()>), A::Error> {
        let due = self.gate.due();
        if due == self.synced {
            return Ok((self, Handle::ready(Ok(()))));
        }
        let (archive, mut rest) = self.parted();
        rest.synced = due;
        let (archive, handle) = archive.start_sync().await?;
        Ok((rest.whole(archive), handle))
    }

    async fn get(
        &self,
        id: Identifier<'_, A::BlockDigest>,
    ) -> Result<Option<Finalization<A::Scheme, A::Commitment>>, A::Error> {
        self.archive.get(id).await
    }

    async fn has(&self, height: Height) -> Result<bool, A::Error> {
        self.archive.has(height).await
    }

    async fn prune(self, min: Height) -> Result<Self, A::Error> {
        let (archive, rest) = self.parted();
        Ok(rest.whole(archive.prune(min).await?))
    }

    fn last_index(&self) -> Option<Height> {
        self.archive.last_index()
    }

    fn ranges_from(&self, from: Height) -> impl Iterator<Item = (Height, Height)> {
        self.archive.ranges_from(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[test]
    fn an_empty_block_passes_only_once_a_sync_that_covers_it_has_ended() {
        let gate = Gate::new(1 << 16, 0);
        gate.put(1, true);
        assert_eq!(gate.due(), 0, "an empty block alone is not brought to disk");
        assert!(!gate.passes(1) && gate.passes(0));
        gate.put(2, false);
        assert_eq!(gate.due(), 1, "a block with transactions is");
        let first = gate.begin();
        gate.put(3, true);
        assert!(!gate.passes(2));
        gate.end(first);
        assert!(gate.passes(2) && !gate.passes(3));
    }

    #[test]
    fn a_later_sync_covers_earlier_ones_and_not_the_other_way_round() {
        let gate = Gate::new(1 << 16, 0);
        gate.put(1, false);
        let first = gate.begin();
        gate.put(2, false);
        let second = gate.begin();
        gate.end(first);
        assert!(gate.passes(1) && !gate.passes(2));
        gate.put(3, false);
        let third = gate.begin();
        gate.end(third);
        assert!(gate.passes(3));
        gate.end(second);
        assert!(gate.passes(3));
    }

    #[test]
    fn empty_blocks_go_to_disk_together() {
        let gate = Gate::new(1 << 16, 0);
        for height in 1..=3 * LAZY_BLOCKS_MAX {
            gate.put(height, true);
            assert_eq!(gate.due(), height / LAZY_BLOCKS_MAX, "after block {height}");
        }
    }

    #[test]
    fn what_fills_a_gap_or_makes_one_goes_to_disk_at_once() {
        let gate = Gate::new(1 << 16, 7);
        gate.put(8, true);
        assert_eq!(gate.due(), 0);
        // The last block that is known; the one before it; the rest of the gap.
        for (due, height) in [20, 19, 9, 18].into_iter().enumerate() {
            gate.put(height, true);
            assert_eq!(gate.due(), 1 + due as u64, "after block {height}");
        }
        gate.put(21, true);
        assert_eq!(gate.due(), 4, "the chain goes on in order");
    }

    #[test]
    fn who_waits_is_told_when_a_sync_has_ended() {
        let gate = Gate::new(1 << 16, 0);
        gate.put(1, false);
        let number = gate.begin();
        let moved = gate.moved();
        assert!(moved.now_or_never().is_none());
        let moved = gate.moved();
        gate.end(number);
        assert!(moved.now_or_never().is_some() && gate.passes(1));
    }
}
