//! Blobs in memory: a cache by digest, oldest out first, within a bound of bytes. Only bytes
//! that fit their digest come in.

use crate::{Bytes, limits};
use std::collections::{BTreeMap, VecDeque};
use trustmesh_types::Digest;

/// The cache.
#[derive(Debug, Clone, Default)]
pub(crate) struct Blobs {
    held: BTreeMap<Digest, Bytes>,
    order: VecDeque<Digest>,
    bytes: usize,
}

impl Blobs {
    /// Takes bytes whose digest the caller has checked. The newest blob stays whatever its
    /// size, so that one larger than the bound can still be served piece by piece.
    pub(crate) fn insert(&mut self, digest: Digest, data: Bytes) {
        if self.held.contains_key(&digest) {
            return;
        }
        self.bytes = self.bytes.saturating_add(data.len());
        self.held.insert(digest, data);
        self.order.push_back(digest);
        while self.bytes > limits::CACHE_BYTES_MAX && self.order.len() > 1 {
            let oldest = self.order.pop_front().and_then(|d| self.held.remove(&d));
            self.bytes = self.bytes.saturating_sub(oldest.map_or(0, |o| o.len()));
        }
    }

    /// The bytes, when they are here.
    pub(crate) fn get(&self, digest: &Digest) -> Option<Bytes> {
        self.held.get(digest).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_when_the_bound_is_reached() {
        let mut blobs = Blobs::default();
        let half: Bytes = vec![0u8; limits::CACHE_BYTES_MAX / 2 + 1].into();
        blobs.insert(Digest([1; 32]), Bytes::clone(&half));
        blobs.insert(Digest([2; 32]), half);
        assert!(blobs.get(&Digest([1; 32])).is_none());
        assert!(blobs.get(&Digest([2; 32])).is_some());
    }
}
