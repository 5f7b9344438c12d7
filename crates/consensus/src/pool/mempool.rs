//! Transactions in order of arrival, bounded by count, bytes and signer, so that no member
//! can crowd out the others (PROTOCOL §9, flood).
//!
//! Invariants: `by_id`, `by_expiry`, `per_signer` and `bytes` always describe exactly the
//! transactions of `waiting`. Hash maps are only looked up, never iterated: what a node
//! proposes depends on arrival order alone.

use crate::limits::{
    POOL_BYTES_MAX, POOL_SIGNER_TRANSACTIONS_MAX, POOL_TRANSACTIONS_MAX, REGOSSIP_BYTES_MAX,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};
use trustmesh_state::State;
use trustmesh_types::{PublicKey, Signature, SignedTransaction, TxId};

/// The mempool has no place for a transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// It is full.
    #[error(
        "the node has {transactions} transactions ({bytes} bytes) waiting, which is its limit: try again after the next block"
    )]
    Full {
        /// How many wait.
        transactions: usize,
        /// Their bytes.
        bytes: usize,
    },
    /// The signer has too many waiting.
    #[error(
        "{signer} has {waiting} transactions waiting at this node, which is its limit: wait for some to be included"
    )]
    SignerFull {
        /// The signer.
        signer: PublicKey,
        /// How many of its transactions wait.
        waiting: usize,
    },
}

struct Entry {
    id: TxId,
    bytes: usize,
    /// Shared: an entry moves within the tree, its transaction does not.
    transaction: Arc<SignedTransaction>,
    /// For a transaction that came in at this node: when it was last sent out.
    gossiped_ms: Option<u64>,
}

/// The transactions that wait.
#[derive(Default)]
pub(super) struct Mempool {
    next: u64,
    waiting: BTreeMap<u64, Entry>,
    by_id: HashMap<TxId, u64>,
    by_expiry: BTreeSet<(u64, u64)>,
    own: BTreeSet<u64>,
    per_signer: HashMap<PublicKey, usize>,
    bytes: usize,
}

impl Mempool {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn contains(&self, id: &TxId) -> bool {
        self.by_id.contains_key(id)
    }

    pub(super) fn signature(&self, id: &TxId) -> Option<&Signature> {
        let at = self.by_id.get(id)?;
        self.waiting.get(at).map(|entry| &entry.transaction.signature)
    }

    /// Adds a transaction; one that is there already stays as it is.
    pub(super) fn insert(
        &mut self,
        id: TxId,
        bytes: usize,
        transaction: Arc<SignedTransaction>,
        gossiped_ms: Option<u64>,
    ) -> Result<(), PoolError> {
        if self.contains(&id) {
            return Ok(());
        }
        let full = self.len() >= POOL_TRANSACTIONS_MAX || self.bytes + bytes > POOL_BYTES_MAX;
        if full {
            return Err(PoolError::Full { transactions: self.len(), bytes: self.bytes });
        }
        let signer = transaction.transaction.signer;
        let count = self.per_signer.entry(signer).or_default();
        if *count >= POOL_SIGNER_TRANSACTIONS_MAX {
            return Err(PoolError::SignerFull { signer, waiting: *count });
        }
        *count += 1;
        let at = self.next;
        self.next += 1;
        self.bytes += bytes;
        self.by_id.insert(id, at);
        self.by_expiry.insert((transaction.transaction.valid_until_height, at));
        if gossiped_ms.is_some() {
            self.own.insert(at);
        }
        self.waiting.insert(at, Entry { id, bytes, transaction, gossiped_ms });
        Ok(())
    }

    fn remove(&mut self, at: u64) {
        let Some(entry) = self.waiting.remove(&at) else { return };
        let transaction = &entry.transaction.transaction;
        self.by_id.remove(&entry.id);
        self.by_expiry.remove(&(transaction.valid_until_height, at));
        self.own.remove(&at);
        self.bytes -= entry.bytes;
        if let Some(count) = self.per_signer.get_mut(&transaction.signer) {
            *count -= 1;
            if *count == 0 {
                self.per_signer.remove(&transaction.signer);
            }
        }
    }

    pub(super) fn select(&self, parent: &State) -> Vec<(TxId, Arc<SignedTransaction>)> {
        let candidates: Vec<&Entry> = self.waiting.values().collect();
        parent
            .select(candidates.iter().map(|e| (e.id, e.bytes, e.transaction.as_ref())))
            .into_iter()
            .filter_map(|at| candidates.get(at))
            .map(|entry| (entry.id, Arc::clone(&entry.transaction)))
            .collect()
    }

    pub(super) fn finalized(&mut self, ids: &[TxId], height: u64) {
        for id in ids {
            if let Some(at) = self.by_id.get(id).copied() {
                self.remove(at);
            }
        }
        // A transaction may be included up to its last height, so at `height` it has expired
        // for every later block.
        while let Some((valid_until, at)) = self.by_expiry.first().copied() {
            if valid_until > height {
                break;
            }
            self.remove(at);
        }
    }

    pub(super) fn due_for_gossip(
        &mut self,
        before_ms: u64,
        now_ms: u64,
    ) -> Vec<Arc<SignedTransaction>> {
        let (mut out, mut bytes) = (Vec::new(), 0);
        for at in &self.own {
            let Some(entry) = self.waiting.get_mut(at) else { continue };
            if entry.gossiped_ms.is_some_and(|sent| sent > before_ms) {
                continue;
            }
            bytes += entry.bytes;
            if bytes > REGOSSIP_BYTES_MAX {
                break;
            }
            entry.gossiped_ms = Some(now_ms);
            out.push(Arc::clone(&entry.transaction));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trustmesh_types::{
        Digest, NetworkId, Payload, SecretKey, Transaction, transaction::TRANSACTION_VERSION,
    };

    fn note(signer: u8, nonce: u64, valid_until_height: u64) -> (TxId, Arc<SignedTransaction>) {
        let key = SecretKey::from_seed([signer; 32]);
        let signed = Transaction {
            version: TRANSACTION_VERSION,
            network: NetworkId(Digest([0; 32])),
            signer: key.public(),
            valid_until_height,
            nonce,
            payload: Payload::Note { bytes: vec![1; 8] },
        }
        .sign(&key);
        (signed.id(), Arc::new(signed))
    }

    #[test]
    fn one_signer_cannot_fill_it_and_inclusion_makes_room() {
        let mut pool = Mempool::default();
        let mut first = None;
        for nonce in 0..POOL_SIGNER_TRANSACTIONS_MAX as u64 {
            let (id, tx) = note(1, nonce, 10);
            first.get_or_insert(id);
            pool.insert(id, 200, tx, None).unwrap();
        }
        let (id, tx) = note(1, u64::MAX, 10);
        let refused = pool.insert(id, 200, tx.clone(), None);
        assert!(matches!(refused, Err(PoolError::SignerFull { .. })));
        let (other, by_other) = note(2, 0, 10);
        pool.insert(other, 200, by_other, None).unwrap();
        pool.finalized(&[first.unwrap()], 3);
        pool.insert(id, 200, tx, None).unwrap();
    }

    #[test]
    fn expired_transactions_leave_and_nothing_is_left_behind() {
        let mut pool = Mempool::default();
        for (nonce, until) in [(0, 5), (1, 6), (2, 7)] {
            let (id, tx) = note(1, nonce, until);
            pool.insert(id, 100, tx, Some(0)).unwrap();
        }
        pool.finalized(&[], 6);
        assert_eq!(pool.len(), 1);
        assert_eq!(pool.bytes, 100);
        pool.finalized(&[], 7);
        assert!(pool.by_id.is_empty() && pool.own.is_empty() && pool.per_signer.is_empty());
        assert_eq!(pool.bytes, 0);
    }

    #[test]
    fn only_own_transactions_are_gossiped_again_and_not_too_soon() {
        let mut pool = Mempool::default();
        let (own, own_tx) = note(1, 0, 10);
        let (other, other_tx) = note(1, 1, 10);
        pool.insert(own, 100, own_tx, Some(1_000)).unwrap();
        pool.insert(other, 100, other_tx, None).unwrap();
        assert!(pool.due_for_gossip(999, 1_999).is_empty());
        assert_eq!(pool.due_for_gossip(1_000, 2_000).len(), 1);
        assert!(pool.due_for_gossip(1_500, 2_500).is_empty());
    }
}
