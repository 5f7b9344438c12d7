//! How transactions get into the mempool: admission against the finalized state, then the
//! signatures of all that came meanwhile in one batch, off the async threads.
//!
//! While a batch is being checked the next one gathers, so batches grow with the load and a
//! lone transaction waits for nothing.

use super::{Pool, PoolError, allowance};
use crate::{
    error::SubmitError,
    ledger::Ledger,
    limits::{BATCH_SIGNATURES_MAX, INLINE_SIGNATURES_MAX},
    runtime::{self, Runtime},
    signatures,
};
use commonware_utils::channel::{mpsc, oneshot};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use trustmesh_state::State;
use trustmesh_types::{PublicKey, SignedTransaction, TxId, limits::TRANSACTION_BYTES_MAX};

/// A transaction with what was computed of it on arrival.
pub(crate) struct Incoming {
    /// Its id.
    pub(crate) id: TxId,
    /// Length of its encoding.
    pub(crate) bytes: usize,
    /// The transaction.
    pub(crate) transaction: Arc<SignedTransaction>,
}

/// Transactions that came together.
pub(crate) struct Arrival {
    /// The transactions.
    pub(crate) transactions: Vec<Incoming>,
    /// For those submitted at this node: who waits for the outcome. They are gossiped.
    pub(crate) reply: Option<oneshot::Sender<Vec<Result<TxId, SubmitError>>>>,
    /// For those that were gossiped: by whom.
    pub(crate) peer: Option<PublicKey>,
}

type Outcome = Result<TxId, SubmitError>;

/// What is known of one transaction of a group before its signature is checked.
enum Step {
    Done(Outcome),
    Check(Incoming),
}

/// A transaction's step, and the peer that brought it; without one it came in at this node.
type Brought = (Option<PublicKey>, Step);

/// What the transactions that came together have in common.
struct Batch<'a> {
    pool: &'a Pool,
    state: State,
    now_ms: u64,
    seen: HashSet<TxId>,
    /// Units of each signer's transactions that came before.
    ahead: HashMap<PublicKey, u64>,
}

/// Runs until the sending side is gone.
pub(crate) async fn run<E: Runtime>(
    context: E,
    pool: Pool,
    ledger: Ledger,
    gossip: mpsc::Sender<Vec<u8>>,
    entropy: [u8; 32],
    mut arrivals: mpsc::Receiver<Arrival>,
) {
    while let Some(first) = arrivals.recv().await {
        let mut groups = vec![first];
        let mut count: usize = groups.iter().map(|g| g.transactions.len()).sum();
        while count < BATCH_SIGNATURES_MAX
            && let Ok(next) = arrivals.try_recv()
        {
            count += next.transactions.len();
            groups.push(next);
        }
        take(&context, &pool, &ledger, &gossip, entropy, groups).await;
    }
}

async fn take<E: Runtime>(
    context: &E,
    pool: &Pool,
    ledger: &Ledger,
    gossip: &mpsc::Sender<Vec<u8>>,
    entropy: [u8; 32],
    groups: Vec<Arrival>,
) {
    let now_ms = runtime::now_ms(context);
    let (seen, ahead) = (HashSet::new(), HashMap::new());
    let mut batch = Batch { pool, state: ledger.state(), now_ms, seen, ahead };
    let mut replies = Vec::new();
    let mut steps = Vec::new();
    for group in groups {
        let before = steps.len();
        for incoming in group.transactions {
            steps.push((group.peer, batch.admit(incoming)));
        }
        replies.push((group.reply, steps.len() - before));
    }

    let (steps, bad) = check(context, &batch.state, entropy, steps).await;
    let mut outcomes = insert(pool, gossip, steps, &bad, now_ms).into_iter();
    for (reply, count) in replies {
        let group: Vec<Outcome> = outcomes.by_ref().take(count).collect();
        if let Some(reply) = reply {
            // Whoever submitted may have stopped waiting.
            let _ = reply.send(group);
        }
    }
}

impl Batch<'_> {
    /// All that can be said without looking at the signature, cheap things first. A flood is
    /// refused here.
    fn admit(&mut self, incoming: Incoming) -> Step {
        let (id, bytes) = (incoming.id, incoming.bytes);
        if self.pool.contains(&id) {
            return Step::Done(Ok(id));
        }
        if bytes > TRANSACTION_BYTES_MAX {
            let max_bytes = TRANSACTION_BYTES_MAX;
            return Step::Done(Err(SubmitError::TooLarge { got_bytes: bytes, max_bytes }));
        }
        if let Err(reason) = self.state.admit(&incoming.transaction, &id) {
            return Step::Done(Err(SubmitError::Inadmissible { id, reason }));
        }
        if self.seen.contains(&id) {
            return Step::Done(Err(SubmitError::Repeated { id }));
        }
        let signer = incoming.transaction.transaction.signer;
        let ahead = self.ahead.entry(signer).or_default();
        if let Err(full) = self.pool.admits(&self.state, &signer, (*ahead, bytes), self.now_ms) {
            return Step::Done(Err(full.into()));
        }
        *ahead += allowance::units(bytes);
        self.seen.insert(id);
        Step::Check(incoming)
    }
}

/// Checks the signatures that are to be checked; returns the steps and the positions, among
/// those to be checked, of the bad ones.
async fn check<E: Runtime>(
    context: &E,
    state: &State,
    entropy: [u8; 32],
    steps: Vec<Brought>,
) -> (Vec<Brought>, Vec<usize>) {
    let network = state.network();
    let count = steps.iter().filter(|(_, step)| matches!(step, Step::Check(_))).count();
    let work = move || {
        let unchecked = steps.iter().filter_map(|(_, step)| match step {
            Step::Check(incoming) => Some((&incoming.id, incoming.transaction.as_ref())),
            Step::Done(_) => None,
        });
        let bad = signatures::bad(&network, unchecked, &entropy);
        (steps, bad)
    };
    if count <= INLINE_SIGNATURES_MAX {
        return work();
    }
    runtime::off_thread(context, "signatures", work).await.unwrap_or_default()
}

fn insert(
    pool: &Pool,
    gossip: &mpsc::Sender<Vec<u8>>,
    steps: Vec<Brought>,
    bad: &[usize],
    now_ms: u64,
) -> Vec<Outcome> {
    let mut checked = 0;
    let (mut outcomes, mut good) = (Vec::with_capacity(steps.len()), Vec::new());
    for (peer, step) in steps {
        match step {
            Step::Done(outcome) => outcomes.push(outcome),
            Step::Check(incoming) => {
                let id = incoming.id;
                let own = peer.is_none();
                if bad.binary_search(&checked).is_ok() {
                    if let Some(peer) = peer {
                        pool.distrust(peer, now_ms);
                        tracing::warn!(%peer, "a peer gossips bad signatures and is not heard for a while");
                    }
                    outcomes.push(Err(SubmitError::Signature { id }));
                } else {
                    if own {
                        // A full queue is made good by gossiping again later.
                        let _ = gossip.try_send(trustmesh_types::codec::encode(
                            incoming.transaction.as_ref(),
                        ));
                    }
                    good.push((outcomes.len(), (id, incoming.bytes, incoming.transaction, own)));
                    outcomes.push(Ok(id));
                }
                checked += 1;
            }
        }
    }
    let (places, good): (Vec<usize>, Vec<_>) = good.into_iter().unzip();
    for (place, result) in places.into_iter().zip(pool.insert(good, now_ms)) {
        if let (Err(error), Some(outcome)) = (result, outcomes.get_mut(place)) {
            *outcome = Err(SubmitError::from(error));
        }
    }
    outcomes
}

impl From<PoolError> for SubmitError {
    fn from(error: PoolError) -> Self {
        Self::Pool(error)
    }
}
