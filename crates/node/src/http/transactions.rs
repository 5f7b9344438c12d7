//! Transactions: taken in, and looked up with their receipts.
//!
//! Whoever waits listens to the feed *before* looking into the history, so that no block
//! gets lost between the two.

use super::{
    app::{Http, Shared},
    body,
    extract::{Asked, Segment},
    limits::Wasted,
    refusal::Refusal,
};
use axum::{Extension, Json, body::Body, extract::State, http::HeaderMap};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::Instant,
};
use trustmesh_api::{
    ErrorCode, Fate, Problem, SubmitTransactions, Submitted, TransactionView,
    TransactionsSubmitted, WaitQuery, limits::TRANSACTIONS_PER_POST_MAX,
};
use trustmesh_consensus::{PoolError, SubmitError};
use trustmesh_state::Finalized;
use trustmesh_types::{
    SignedTransaction, TxId, codec, limits::TRANSACTION_BYTES_MAX, receipt::Outcome,
};

type Fates = BTreeMap<TxId, (u64, Outcome)>;
type Blocks = Receiver<Arc<Finalized>>;

/// When to come back to a mempool that is full of one's own transactions.
const FULL_WAIT_MS: u64 = 1_000;

/// Takes transactions in; with `?wait=` until they are final. Those of a signer that is over
/// its rate are refused one by one; when nothing else was in the post, all of it is.
pub(super) async fn submit(
    State(http): State<Shared>,
    Asked(query): Asked<WaitQuery>,
    headers: HeaderMap,
    sent: Body,
) -> Result<(Extension<Wasted>, Json<TransactionsSubmitted>), Refusal> {
    let wait = query.duration().map_err(|e| Refusal::parameter("`wait`", e))?;
    let (posted, _body): (SubmitTransactions, _) = body::json(&http, &headers, sent).await?;
    let count = posted.transactions.len();
    if !(1..=TRANSACTIONS_PER_POST_MAX).contains(&count) {
        return Err(Refusal::new(
            ErrorCode::Invalid,
            format!("{count} transactions: send 1 to {TRANSACTIONS_PER_POST_MAX}"),
        ));
    }
    let _place = if wait.is_zero() { None } else { Some(http.poll()?) };
    let blocks = http.app.feed.subscribe();
    let (mut submitted, wasted) = take_in(&http, &posted).await?;
    let waiting: Vec<TxId> =
        submitted.iter().filter(|it| it.fate == Fate::Pending).filter_map(|it| it.id).collect();
    if !wait.is_zero() {
        let fates = await_all(&http, blocks, waiting, wait).await?;
        for it in submitted.iter_mut().filter(|it| it.fate == Fate::Pending) {
            if let Some((height, result)) = it.id.and_then(|id| fates.get(&id)).cloned() {
                it.fate = Fate::Included { height, result };
            }
        }
    }
    Ok((Extension(wasted), Json(TransactionsSubmitted { transactions: submitted })))
}

/// Decodes transactions and gives them to the ledger together.
async fn take_in(
    http: &Http,
    posted: &SubmitTransactions,
) -> Result<(Vec<Submitted>, Wasted), Refusal> {
    let decode = |bytes: &[u8]| codec::decode("the transaction", bytes, TRANSACTION_BYTES_MAX);
    let decoded: Vec<Result<SignedTransaction, _>> =
        posted.transactions.iter().map(|bytes| decode(&bytes.0)).collect();
    let good: Vec<SignedTransaction> = decoded.iter().flatten().cloned().collect();
    let outcomes = http.app.consensus.submit_many(good).await;
    let wasted = wasted(&outcomes);
    if wasted.refused == decoded.len() as u64 {
        return Err(slow_down(&outcomes));
    }
    let mut outcomes = outcomes.into_iter();
    let submitted = decoded.into_iter().map(|decoded| match decoded {
        Err(error) => {
            Submitted { id: None, fate: refused(ErrorCode::BadEncoding, error.to_string()) }
        }
        Ok(transaction) => {
            let outcome = outcomes.next().unwrap_or(Err(SubmitError::Stopping));
            let fate = match outcome {
                Ok(_) => Fate::Pending,
                Err(error) => refused(code_of(&error), error.to_string()),
            };
            Submitted { id: Some(transaction.id()), fate }
        }
    });
    Ok((submitted.collect(), wasted))
}

fn wasted(outcomes: &[Result<TxId, SubmitError>]) -> Wasted {
    let count = |of: fn(&SubmitError) -> bool| {
        outcomes.iter().filter(|it| it.as_ref().err().is_some_and(of)).count() as u64
    };
    Wasted {
        refused: count(|error| code_of(error) == ErrorCode::RateLimited),
        forged: count(|error| matches!(error, SubmitError::Signature { .. })),
    }
}

/// The refusal of a whole post: come back when the first of its signers may.
fn slow_down(outcomes: &[Result<TxId, SubmitError>]) -> Refusal {
    let waits = outcomes.iter().filter_map(|outcome| match outcome {
        Err(error @ SubmitError::Pool(PoolError::SignerRate { wait_ms, .. })) => {
            Some((*wait_ms, error))
        }
        Err(error) => Some((FULL_WAIT_MS, error)),
        Ok(_) => None,
    });
    let (wait_ms, detail) = waits
        .min_by_key(|(wait_ms, _)| *wait_ms)
        .map_or((FULL_WAIT_MS, String::new()), |(wait_ms, error)| (wait_ms, error.to_string()));
    Problem::rate_limited(detail, wait_ms).into()
}

const fn code_of(error: &SubmitError) -> ErrorCode {
    match error {
        SubmitError::TooLarge { .. } => ErrorCode::TooLarge,
        SubmitError::Inadmissible { .. }
        | SubmitError::Signature { .. }
        | SubmitError::Repeated { .. } => ErrorCode::InvalidTransaction,
        SubmitError::Pool(PoolError::SignerFull { .. } | PoolError::SignerRate { .. }) => {
            ErrorCode::RateLimited
        }
        SubmitError::Pool(PoolError::Full { .. }) | SubmitError::Busy | SubmitError::Stopping => {
            ErrorCode::Unavailable
        }
    }
}

const fn refused(code: ErrorCode, detail: String) -> Fate {
    Fate::Refused { code, detail }
}

/// Waits until all of these are final, or the time is over; gives those that are.
async fn await_all(
    http: &Http,
    mut blocks: Blocks,
    mut waiting: Vec<TxId>,
    wait: Duration,
) -> Result<Fates, Refusal> {
    let until = Instant::now() + wait;
    let mut fates = Fates::new();
    look_up(http, &mut waiting, &mut fates)?;
    while !waiting.is_empty() {
        tokio::select! {
            () = tokio::time::sleep_until(until) => break,
            () = http.app.stop.requested() => break,
            block = blocks.recv() => match block {
                Ok(block) => take_from(&block, &mut waiting, &mut fates),
                Err(RecvError::Lagged(_)) => look_up(http, &mut waiting, &mut fates)?,
                Err(RecvError::Closed) => break,
            },
        }
    }
    Ok(fates)
}

fn take_from(block: &Finalized, waiting: &mut Vec<TxId>, fates: &mut Fates) {
    for receipt in &block.receipts {
        if let Some(at) = waiting.iter().position(|id| *id == receipt.transaction) {
            let id = waiting.swap_remove(at);
            fates.insert(id, (block.block.header.height, receipt.outcome.clone()));
        }
    }
}

fn look_up(http: &Http, waiting: &mut Vec<TxId>, fates: &mut Fates) -> Result<(), Refusal> {
    for id in std::mem::take(waiting) {
        match http.app.history.transaction(&id)? {
            Some(view) => drop(fates.insert(id, (view.height, view.outcome))),
            None => waiting.push(id),
        }
    }
    Ok(())
}

/// A transaction with its receipt; waits for it with `?wait=`.
pub(super) async fn transaction(
    State(http): State<Shared>,
    segment: Segment,
    Asked(query): Asked<WaitQuery>,
) -> Result<Json<TransactionView>, Refusal> {
    let id: TxId = segment.read("the transaction's id")?;
    let wait = query.duration().map_err(|e| Refusal::parameter("`wait`", e))?;
    let blocks = http.app.feed.subscribe();
    let mut found = http.app.history.transaction(&id)?;
    if found.is_none() && !wait.is_zero() {
        let _place = http.poll()?;
        await_all(&http, blocks, vec![id], wait).await?;
        // The history has every block that the feed gave.
        found = http.app.history.transaction(&id)?;
    }
    let mut view = found.ok_or_else(|| Refusal::missing(format!("transaction {id}")))?;
    view.transaction = http.app.consensus.block(view.height).await.and_then(|block| {
        block.transactions.iter().find(|transaction| transaction.id() == id).cloned()
    });
    Ok(Json(view))
}
