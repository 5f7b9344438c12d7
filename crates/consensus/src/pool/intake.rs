//! How transactions get into the mempool: admission against the finalized state, then the
//! signatures of all that came meanwhile in one batch, off the async threads.
//!
//! While a batch is being checked the next one gathers, so batches grow with the load and a
//! lone transaction waits for nothing.

use super::{Pool, PoolError};
use crate::{
    error::SubmitError,
    ledger::Ledger,
    limits::{BATCH_SIGNATURES_MAX, INLINE_SIGNATURES_MAX},
    runtime::{self, Runtime},
    signatures,
};
use commonware_utils::channel::{mpsc, oneshot};
use std::{collections::HashSet, sync::Arc};
use trustmesh_types::{SignedTransaction, TxId, limits::TRANSACTION_BYTES_MAX};

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
}

type Outcome = Result<TxId, SubmitError>;

/// What is known of one transaction of a group before its signature is checked.
enum Step {
    Done(Outcome),
    Check(Incoming),
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
    let state = ledger.state();
    let mut seen = HashSet::new();
    let mut replies = Vec::new();
    let mut steps = Vec::new();
    for group in groups {
        let own = group.reply.is_some();
        let before = steps.len();
        for incoming in group.transactions {
            steps.push((own, admit(pool, &state, &mut seen, incoming)));
        }
        replies.push((group.reply, steps.len() - before));
    }

    let (steps, bad) = check(context, &state, entropy, steps).await;
    let now_ms = runtime::now_ms(context);
    let mut outcomes = insert(pool, gossip, steps, &bad, now_ms).into_iter();
    for (reply, count) in replies {
        let group: Vec<Outcome> = outcomes.by_ref().take(count).collect();
        if let Some(reply) = reply {
            // Whoever submitted may have stopped waiting.
            let _ = reply.send(group);
        }
    }
}

/// All that can be said without looking at the signature.
fn admit(
    pool: &Pool,
    state: &trustmesh_state::State,
    seen: &mut HashSet<TxId>,
    incoming: Incoming,
) -> Step {
    let id = incoming.id;
    if pool.contains(&id) {
        return Step::Done(Ok(id));
    }
    if incoming.bytes > TRANSACTION_BYTES_MAX {
        let got_bytes = incoming.bytes;
        return Step::Done(Err(SubmitError::TooLarge {
            got_bytes,
            max_bytes: TRANSACTION_BYTES_MAX,
        }));
    }
    if let Err(reason) = state.admit(&incoming.transaction, &id) {
        return Step::Done(Err(SubmitError::Inadmissible { id, reason }));
    }
    if seen.insert(id) {
        Step::Check(incoming)
    } else {
        Step::Done(Err(SubmitError::Repeated { id }))
    }
}

/// Checks the signatures that are to be checked; returns the steps and the positions, among
/// those to be checked, of the bad ones.
async fn check<E: Runtime>(
    context: &E,
    state: &trustmesh_state::State,
    entropy: [u8; 32],
    steps: Vec<(bool, Step)>,
) -> (Vec<(bool, Step)>, Vec<usize>) {
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
    steps: Vec<(bool, Step)>,
    bad: &[usize],
    now_ms: u64,
) -> Vec<Outcome> {
    let mut checked = 0;
    let (mut outcomes, mut good) = (Vec::with_capacity(steps.len()), Vec::new());
    for (own, step) in steps {
        match step {
            Step::Done(outcome) => outcomes.push(outcome),
            Step::Check(incoming) => {
                let id = incoming.id;
                if bad.binary_search(&checked).is_ok() {
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
