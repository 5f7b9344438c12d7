//! Building blocks, on demand: a leader holds its proposal while there is nothing to do
//! (PROTOCOL §2; DESIGN, decision 4).
//!
//! It proposes at once when a transaction waits, a deadline of the state is due, or a change
//! of the validators waits for its height; else when a deadline becomes due. When the idle
//! interval ends before, it declines: the others pass its turn over at once, as it says so
//! itself, which writes a quarter of what an empty block does (docs/disk.md). Only when the
//! last block is [`IDLE_BLOCK_TIME_MAX`] old it proposes an empty one, which keeps the chain's
//! clock going.

use crate::{
    application::LedgerApplication,
    block::LedgerBlock,
    conduct,
    ledger::{self, Executed},
    limits::{IDLE_BLOCK_TIME_MAX, INLINE_TRANSACTIONS_MAX},
    runtime::{self, Runtime},
};
use commonware_consensus::marshal::ancestry::Ancestry;
use commonware_cryptography::{Digested, Digestible as _};
use commonware_macros::select;
use futures::StreamExt as _;
use std::sync::Arc;
use trustmesh_state::{InvalidBlock, Proposal, State};
use trustmesh_types::{
    Block, Digest, Header, PublicKey, SignedTransaction, TxId,
    block::{BLOCK_VERSION, transactions_root},
    receipt::receipts_root,
};

/// Holds, builds and executes a block on the parent that `ancestry` starts with, for the
/// committee of that number. `None` when that parent can't become final any more, another
/// committee votes on what follows it, or there is nothing to propose.
pub(crate) async fn propose<E: Runtime>(
    context: &E,
    application: &LedgerApplication,
    committee: u64,
    mut ancestry: impl Ancestry<LedgerBlock>,
) -> Option<Digested<LedgerBlock>> {
    let parent = ancestry.next().await?;
    let digest = Digest(parent.digest().0);
    let state = ledger::state_after(context, application, parent, ancestry).await?;
    if state.committee().number != committee {
        return None;
    }
    let mut chosen = hold(context, application, &state).await?;

    let conduct = application.conduct.clone();
    let mut timestamp_ms = application.clock.now_ms(context).max(state.timestamp_ms() + 1);
    if let Some(conduct) = &conduct {
        context.sleep(conduct.delay()).await;
        timestamp_ms = conduct.timestamp_ms(timestamp_ms);
        chosen = conduct.choose(&state, chosen);
    }
    let (small, me) = (chosen.len() <= INLINE_TRANSACTIONS_MAX, application.me);
    let work = move || {
        let (block, executed) = build(&state, digest, me, timestamp_ms, chosen)?;
        Ok::<_, InvalidBlock>(conduct::sealed(conduct.as_deref(), &state, block, executed))
    };
    let built = if small { work() } else { runtime::off_thread(context, "build", work).await? };
    match built {
        Ok((block, executed)) => {
            if let Some(executed) = executed {
                application.ledger.keep(&block, executed);
            }
            let digest = block.digest();
            Some(Digested::precomputed(block, digest))
        }
        Err(error) => {
            tracing::error!(%error, "an own proposal is invalid and is not sent");
            None
        }
    }
}

/// Waits for something to propose on `parent`; gives the transactions, which are none when it is
/// time for an empty block. `None` when it is not, at the end of the idle interval.
async fn hold<E: Runtime>(
    context: &E,
    application: &LedgerApplication,
    parent: &State,
) -> Option<Vec<(TxId, Arc<SignedTransaction>)>> {
    let idle_until = context.current() + application.idle_interval;
    let longest_ms = u64::try_from(IDLE_BLOCK_TIME_MAX.as_millis()).unwrap_or(u64::MAX);
    let beat_ms = parent.timestamp_ms().saturating_add(longest_ms);
    let due_ms = parent.next_deadline_ms().map_or(beat_ms, |deadline_ms| deadline_ms.min(beat_ms));
    let due = if parent.membership_pending() {
        context.current()
    } else {
        application.clock.at_ms(due_ms)
    };
    let until = due.min(idle_until);
    loop {
        let arrival = application.pool.arrival();
        let chosen = application.pool.select(parent);
        if !chosen.is_empty() || context.current() >= due {
            return Some(chosen);
        }
        if context.current() >= until {
            // A block that did not become final by itself does so with the one on it.
            let wanted = application.ledger.height() < parent.height();
            return wanted.then_some(chosen);
        }
        select! {
            _ = arrival => {},
            _ = context.sleep_until(until) => {},
        }
    }
}

/// Builds a block and what executing it gives.
pub(crate) fn build(
    parent: &State,
    parent_digest: Digest,
    proposer: PublicKey,
    timestamp_ms: u64,
    chosen: Vec<(TxId, Arc<SignedTransaction>)>,
) -> Result<(LedgerBlock, Executed), InvalidBlock> {
    let (ids, transactions): (Vec<TxId>, Vec<SignedTransaction>) =
        chosen.into_iter().map(|(id, tx)| (id, SignedTransaction::clone(&tx))).unzip();
    let proposal = Proposal { proposer, timestamp_ms, transactions: &transactions, ids: &ids };
    let done = parent.execute(&proposal)?;
    let executed = Executed { state: done.state, receipts: done.receipts, events: done.events };
    let header = Header {
        version: BLOCK_VERSION,
        height: parent.height() + 1,
        parent: parent_digest,
        timestamp_ms,
        proposer,
        transactions_root: transactions_root(&transactions),
        receipts_root: receipts_root(&executed.receipts),
        state_root: executed.state.root(),
    };
    Ok((LedgerBlock::new(Block { header, transactions }), executed))
}
