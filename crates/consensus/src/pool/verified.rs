//! Signatures known to be good, of transactions that are not in the mempool: a block brought
//! them before gossip did.
//!
//! Two generations: when the younger is full it becomes the older one and the older one is
//! forgotten, so the memory is bounded and an entry outlives at least a full generation.
//! The key is the id *and* the signature: an id does not cover its signature.

use crate::limits::VERIFIED_IDS_MAX;
use std::collections::HashMap;
use trustmesh_types::{Signature, TxId};

#[derive(Default)]
pub(super) struct Verified {
    young: HashMap<TxId, Signature>,
    old: HashMap<TxId, Signature>,
}

impl Verified {
    pub(super) fn contains(&self, id: &TxId, signature: &Signature) -> bool {
        [&self.young, &self.old].iter().any(|map| map.get(id) == Some(signature))
    }

    pub(super) fn insert(&mut self, id: TxId, signature: Signature) {
        if self.young.len() >= VERIFIED_IDS_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id, signature);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trustmesh_types::Digest;

    #[test]
    fn another_signature_of_the_same_transaction_is_not_known() {
        let mut verified = Verified::default();
        let id = TxId(Digest([1; 32]));
        verified.insert(id, Signature([2; 64]));
        assert!(verified.contains(&id, &Signature([2; 64])));
        assert!(!verified.contains(&id, &Signature([3; 64])));
    }

    #[test]
    fn memory_is_bounded_and_the_newest_stay() {
        let mut verified = Verified::default();
        let id = |n: usize| TxId(Digest::of(&n.to_be_bytes()));
        let count = 5 * VERIFIED_IDS_MAX;
        for n in 0..count {
            verified.insert(id(n), Signature([0; 64]));
        }
        assert!(verified.young.len() + verified.old.len() <= 2 * VERIFIED_IDS_MAX);
        let newest = count - VERIFIED_IDS_MAX..count;
        assert!(newest.into_iter().all(|n| verified.contains(&id(n), &Signature([0; 64]))));
    }
}
