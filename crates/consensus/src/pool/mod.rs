//! The mempool: transactions that wait for a block (PROTOCOL §2).
//!
//! Every transaction in it was admissible in the finalized state and has a good signature.
//! A node checks each signature once: on arrival, or, when a block brings it first, with the
//! block.
//!
//! No member crowds out the others: `allowance` bounds how fast each signer's transactions
//! come, `mempool` how many wait, `State::select` how many go into one block.

mod allowance;
mod intake;
mod mempool;
mod verified;

use allowance::Allowances;
pub(crate) use intake::{Arrival, Incoming, run as run_intake};
pub use mempool::PoolError;
use mempool::{Held, Mempool};

use commonware_utils::sync::{Mutex, Notify};
use std::sync::Arc;
use trustmesh_state::State;
use trustmesh_types::{PublicKey, Signature, SignedTransaction, TxId, codec};
use verified::Verified;

#[derive(Default)]
struct Inner {
    waiting: Mempool,
    verified: Verified,
    allowances: Allowances,
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

    /// Transactions of one device or operator that may become final per second; nodes get
    /// more ([`crate::limits::NODE_RATE_FACTOR`]).
    pub(crate) fn limit_signers(&self, per_second: u32) {
        self.inner.lock().allowances.limit_signers(per_second);
    }

    /// Whether a signer may bring a transaction of `bytes`, after some of `ahead` units that
    /// came with it. Looks only: the signature is not checked yet.
    pub(crate) fn admits(
        &self,
        state: &State,
        signer: &PublicKey,
        (ahead, bytes): (u64, usize),
        now_ms: u64,
    ) -> Result<(), PoolError> {
        let inner = self.inner.lock();
        inner.waiting.room(signer, bytes)?;
        let nothing = Held::default();
        let held = inner.waiting.held(signer).unwrap_or(&nothing);
        let units = ahead.saturating_add(allowance::units(bytes));
        inner.allowances.check(state, signer, held, units, now_ms)
    }

    /// Whether a peer may gossip more; counts `bytes` if so.
    pub(crate) fn hears(&self, peer: PublicKey, bytes: usize, now_ms: u64) -> bool {
        let allowances = &mut self.inner.lock().allowances;
        let hears = allowances.hears(&peer, now_ms);
        if hears {
            allowances.heard(peer, bytes, now_ms);
        }
        hears
    }

    /// A peer gossiped a bad signature.
    pub(crate) fn distrust(&self, peer: PublicKey, now_ms: u64) {
        self.inner.lock().allowances.distrust(peer, now_ms);
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

    /// What a block on `parent` may hold, each signer's share of it, by arrival.
    pub(crate) fn select(&self, parent: &State) -> Vec<(TxId, Arc<SignedTransaction>)> {
        self.inner.lock().waiting.select(parent)
    }

    /// Drops what a finalized block included or what has expired by then, and counts it
    /// against its signers' allowances, at the block's time: what a node replays when it
    /// starts, or catches up with, is long paid for.
    pub(crate) fn finalized(
        &self,
        state: &State,
        transactions: &[SignedTransaction],
        ids: &[TxId],
    ) {
        let at_ms = state.timestamp_ms();
        let charged: Vec<_> = transactions
            .iter()
            .map(|tx| (tx.transaction.signer, codec::encode(tx).len()))
            .collect();
        let mut inner = self.inner.lock();
        for (signer, bytes) in charged {
            inner.allowances.charge(state, signer, bytes, at_ms);
        }
        inner.waiting.finalized(ids, state.height());
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
