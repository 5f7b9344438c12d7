//! Which blocks a ledger still has.

use crate::limits::BLOCKS_PER_SECTION;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// The lowest block there is, and the lowest that must stay. Only rises.
#[derive(Debug)]
pub(crate) struct Kept {
    oldest: AtomicU64,
    /// What a restart needs: see [`crate::ledger::Snapshots`].
    floor: Arc<AtomicU64>,
}

impl Kept {
    pub(crate) fn new(oldest: u64, floor: Arc<AtomicU64>) -> Self {
        Self { oldest: AtomicU64::new(oldest.max(1)), floor }
    }

    pub(crate) fn oldest(&self) -> u64 {
        self.oldest.load(Ordering::Acquire)
    }

    /// Where pruning below `height` ends.
    pub(crate) fn prunable(&self, height: u64) -> u64 {
        let wanted = height.min(self.floor.load(Ordering::Acquire));
        let below = wanted - wanted % BLOCKS_PER_SECTION;
        below.max(self.oldest())
    }

    pub(crate) fn raise(&self, oldest: u64) {
        self.oldest.fetch_max(oldest, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_goes_that_a_restart_needs_and_only_whole_sections_do() {
        let section = BLOCKS_PER_SECTION.get();
        let floor = Arc::new(AtomicU64::new(0));
        let kept = Kept::new(1, Arc::clone(&floor));
        assert_eq!(kept.prunable(10 * section), 1, "without snapshots all stays");
        floor.store(3 * section + 5, Ordering::Release);
        assert_eq!(kept.prunable(10 * section), 3 * section);
        assert_eq!(kept.prunable(2 * section + 1), 2 * section);
        assert_eq!(kept.prunable(section - 1), 1);
        kept.raise(2 * section);
        assert_eq!(kept.prunable(section), 2 * section, "what is gone does not come back");
        assert_eq!(kept.oldest(), 2 * section);
    }
}
