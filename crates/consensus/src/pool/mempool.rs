//! Transactions in order of arrival, bounded by count and bytes, in all and of each signer, so
//! that no member can crowd out the others (PROTOCOL §9, flood).
//!
//! For a block the signers take turns, the one whose transaction waits longest first; what was
//! chosen goes in by arrival. So a block that can't take all has something of everybody.
//!
//! Invariants: `by_id`, `by_expiry`, `per_signer` and `bytes` always describe exactly the
//! transactions of `waiting`. Hash maps are only looked up, never iterated: what a node
//! proposes depends on arrival order alone.

use super::allowance;
use crate::limits::{
    POOL_BYTES_MAX, POOL_SIGNER_BYTES_MAX, POOL_SIGNER_TRANSACTIONS_MAX, POOL_TRANSACTIONS_MAX,
    REGOSSIP_BYTES_MAX,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    iter,
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
    /// The signer's transactions come faster than the network takes them from one member.
    #[error(
        "{} brings transactions faster than the network takes them from one member: come back in {wait_ms} ms",
        signer.short()
    )]
    SignerRate {
        /// The signer.
        signer: PublicKey,
        /// When there is room again.
        wait_ms: u64,
    },
}

/// What waits of one signer.
#[derive(Debug, Default)]
pub(super) struct Held {
    places: BTreeSet<u64>,
    bytes: usize,
    units: u64,
}

impl Held {
    /// What it will cost the signer.
    pub(super) const fn units(&self) -> u64 {
        self.units
    }

    /// Whether there is no room for another transaction.
    fn full(&self, bytes: usize) -> bool {
        self.places.len() >= POOL_SIGNER_TRANSACTIONS_MAX
            || self.bytes.saturating_add(bytes) > POOL_SIGNER_BYTES_MAX
    }
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
    per_signer: BTreeMap<PublicKey, Held>,
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

    /// What waits of a signer.
    pub(super) fn held(&self, signer: &PublicKey) -> Option<&Held> {
        self.per_signer.get(signer)
    }

    /// Whether there is room for a transaction of a signer.
    pub(super) fn room(&self, signer: &PublicKey, bytes: usize) -> Result<(), PoolError> {
        if self.len() >= POOL_TRANSACTIONS_MAX || self.bytes + bytes > POOL_BYTES_MAX {
            return Err(PoolError::Full { transactions: self.len(), bytes: self.bytes });
        }
        match self.held(signer).filter(|held| held.full(bytes)) {
            Some(held) => {
                let waiting = held.places.len();
                Err(PoolError::SignerFull { signer: *signer, waiting })
            }
            None => Ok(()),
        }
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
        let signer = transaction.transaction.signer;
        self.room(&signer, bytes)?;
        let at = self.next;
        self.next += 1;
        let held = self.per_signer.entry(signer).or_default();
        held.places.insert(at);
        held.bytes += bytes;
        held.units += allowance::units(bytes);
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
        if let Some(held) = self.per_signer.get_mut(&transaction.signer) {
            held.places.remove(&at);
            held.bytes -= entry.bytes;
            held.units -= allowance::units(entry.bytes);
            if held.places.is_empty() {
                self.per_signer.remove(&transaction.signer);
            }
        }
    }

    /// What waits, the signers taking turns.
    fn in_turns(&self) -> impl Iterator<Item = (u64, &Entry)> {
        let mut queues: Vec<_> = self.per_signer.values().map(|held| held.places.iter()).collect();
        queues.sort_unstable_by_key(|places| places.clone().next().copied());
        let mut queues = VecDeque::from(queues);
        iter::from_fn(move || {
            while let Some(mut places) = queues.pop_front() {
                if let Some(at) = places.next() {
                    queues.push_back(places);
                    return Some(*at);
                }
            }
            None
        })
        .filter_map(|at| Some((at, self.waiting.get(&at)?)))
    }

    /// What a block on `parent` may hold, each signer's share of it.
    pub(super) fn select(&self, parent: &State) -> Vec<(TxId, Arc<SignedTransaction>)> {
        let mut offered = Vec::new();
        let candidates = self.in_turns().map(|(at, entry)| {
            offered.push(at);
            (entry.id, entry.bytes, entry.transaction.as_ref())
        });
        let chosen = parent.select(candidates);
        let mut places: Vec<u64> =
            chosen.into_iter().filter_map(|index| offered.get(index).copied()).collect();
        places.sort_unstable();
        let entries = places.iter().filter_map(|at| self.waiting.get(at));
        entries.map(|entry| (entry.id, Arc::clone(&entry.transaction))).collect()
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
#[path = "mempool_tests.rs"]
mod tests;
