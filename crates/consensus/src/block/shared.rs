//! Blocks that many simulated nodes hold at once: all of them in one process, so each is decoded
//! and kept once. A block never changes, and its encoding says all of it.
//!
//! Nothing is shared unless a [`SharedBlocks`] lives on the thread, so nodes never use it.

use super::{Inner, LedgerBlock};
use bytes::Bytes;
use commonware_cryptography::{Hasher as _, Sha256, sha256};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    sync::{Arc, Weak},
};
use trustmesh_types::codec::DecodeError;

/// Blocks that are known; those that nobody holds any more go when there are more.
const BLOCKS_MAX: usize = 1 << 12;

thread_local! {
    static KNOWN: RefCell<Option<BTreeMap<sha256::Digest, Weak<Inner>>>> =
        const { RefCell::new(None) };
}

/// While it lives, blocks of the same bytes are one on this thread.
#[derive(Debug)]
pub struct SharedBlocks(());

impl SharedBlocks {
    /// Begins with none.
    #[must_use]
    pub fn begin() -> Self {
        KNOWN.with_borrow_mut(|known| *known = Some(BTreeMap::new()));
        Self(())
    }
}

impl Drop for SharedBlocks {
    fn drop(&mut self) {
        KNOWN.with_borrow_mut(|known| *known = None);
    }
}

/// The block of that encoding, by `decode` unless it is known.
pub(super) fn block(
    encoded: Bytes,
    decode: impl FnOnce(Bytes) -> Result<LedgerBlock, DecodeError>,
) -> Result<LedgerBlock, DecodeError> {
    if KNOWN.with_borrow(Option::is_none) {
        return decode(encoded);
    }
    let key = Sha256::hash(&[&encoded]);
    let held = KNOWN.with_borrow(|known| known.as_ref()?.get(&key)?.upgrade());
    if let Some(block) = held {
        return Ok(LedgerBlock(block));
    }
    let block = decode(encoded)?;
    KNOWN.with_borrow_mut(|known| {
        let Some(known) = known else { return };
        if known.len() >= BLOCKS_MAX {
            known.retain(|_, held| held.strong_count() > 0);
        }
        known.insert(key, Arc::downgrade(&block.0));
    });
    Ok(block)
}
