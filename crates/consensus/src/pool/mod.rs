//! The mempool: transactions that wait for a block (PROTOCOL §2).
//!
//! Every transaction in it was admissible in the finalized state and has a good signature.
//! A node checks each signature once: on arrival, or, when a block brings it first, with the
//! block.

mod intake;
mod mempool;
mod verified;

pub(crate) use intake::{Arrival, Incoming, run as run_intake};
use mempool::Mempool;
pub use mempool::PoolError;

use commonware_utils::sync::{Mutex, Notify};
use std::sync::Arc;
use trustmesh_state::State;
use trustmesh_types::{Signature, SignedTransaction, TxId};
use verified::Verified;

#[derive(Default)]
struct Inner {
    waiting: Mempool,
    verified: Verified,
}

/// The mempool and what is known of signatures, shared by the tasks of a node.
#[derive(Clone, Default)]
pub(crate) struct Pool {
    inner: Arc<Mutex<Inner>>,
    arrived: Arc<Notify>,
}

impl Pool {
    /// How many transactions wait.
    pub(crate) fn len(&self) -> usize {
        self.inner.lock().waiting.len()
    }

    /// Whether that transaction waits.
    pub(crate) fn contains(&self, id: &TxId) -> bool {
        self.inner.lock().waiting.contains(id)
    }

    /// Whether exactly this signature of that transaction was checked before.
    pub(crate) fn is_verified(&self, id: &TxId, signature: &Signature) -> bool {
        let inner = self.inner.lock();
        inner.waiting.signature(id).is_some_and(|known| known == signature)
            || inner.verified.contains(id, signature)
    }

    /// Remembers signatures that were checked with a block.
    pub(crate) fn remember(&self, checked: impl Iterator<Item = (TxId, Signature)>) {
        let mut inner = self.inner.lock();
        for (id, signature) in checked {
            inner.verified.insert(id, signature);
        }
    }

    /// Adds transactions whose signatures are good and wakes the proposer.
    pub(crate) fn insert(
        &self,
        transactions: Vec<(TxId, usize, Arc<SignedTransaction>, bool)>,
        now_ms: u64,
    ) -> Vec<Result<(), PoolError>> {
        let mut inner = self.inner.lock();
        let results: Vec<_> = transactions
            .into_iter()
            .map(|(id, bytes, transaction, own)| {
                inner.waiting.insert(id, bytes, transaction, own.then_some(now_ms))
            })
            .collect();
        drop(inner);
        if results.iter().any(Result::is_ok) {
            self.arrived.notify_waiters();
        }
        results
    }

    /// What a block on `parent` may hold, in order of arrival.
    pub(crate) fn select(&self, parent: &State) -> Vec<(TxId, Arc<SignedTransaction>)> {
        self.inner.lock().waiting.select(parent)
    }

    /// Drops what a finalized block included or what has expired by then.
    pub(crate) fn finalized(&self, ids: &[TxId], height: u64) {
        self.inner.lock().waiting.finalized(ids, height);
    }

    /// Own transactions that were last sent out at or before `before_ms`; they count as sent
    /// at `now_ms`.
    pub(crate) fn due_for_gossip(
        &self,
        before_ms: u64,
        now_ms: u64,
    ) -> Vec<Arc<SignedTransaction>> {
        self.inner.lock().waiting.due_for_gossip(before_ms, now_ms)
    }

    /// Completes when something arrives after this call.
    pub(crate) fn arrival(&self) -> impl Future<Output = ()> + Send + '_ {
        self.arrived.notified()
    }
}
