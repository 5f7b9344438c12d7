//! The rules of a vote, cheap ones first.
//!
//! A verdict is final for its block and context: `false` only when the block can never be
//! right. What may still become right (a block from a clock slightly ahead, a parent that
//! this node has yet to execute) is waited for; the engine drops the wait when its view ends.

use crate::{
    application::LedgerApplication,
    block::LedgerBlock,
    keys::{EngineKey, ledger_public},
    ledger,
    limits::CLOCK_WAIT_MS_MAX,
    runtime::{ClockOffset, Runtime},
    signatures,
};
use commonware_consensus::marshal::ancestry::Ancestry;
use commonware_cryptography::{Digested, Digestible as _};
use futures::StreamExt as _;
use trustmesh_types::{
    Header, PublicKey,
    block::BLOCK_VERSION,
    limits::{BLOCK_BYTES_MAX, CLOCK_AHEAD_MS_MAX},
};

/// A block breaks a rule that needs no execution to see.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("version {got} is unknown")]
    Version { got: u8 },
    #[error("its proposer {got} is not the leader {leader}")]
    NotTheLeader { got: PublicKey, leader: PublicKey },
    #[error("its timestamp {got_ms} is not after its parent's {parent_ms}")]
    NotAfterParent { got_ms: u64, parent_ms: u64 },
    #[error("its timestamp {got_ms} is {ahead_ms} ms ahead of the clock")]
    TooFarAhead { got_ms: u64, ahead_ms: u64 },
    #[error("it is proposed to committee {got}, committee {expected} votes on it")]
    OtherCommittee { got: u64, expected: u64 },
    #[error("its transactions have {got_bytes} bytes, at most {BLOCK_BYTES_MAX} are allowed")]
    TooLarge { got_bytes: usize },
}

/// Whether to vote for the block that `ancestry` starts with, proposed by `leader` to the
/// committee of that number.
pub(crate) async fn verify<E: Runtime>(
    context: &E,
    application: &LedgerApplication,
    proposed: (&EngineKey, u64),
    mut ancestry: impl Ancestry<LedgerBlock>,
) -> bool {
    if application.conduct.as_ref().is_some_and(|conduct| !conduct.judges()) {
        return true;
    }
    let (Some(block), Some(parent)) = (ancestry.next().await, ancestry.next().await) else {
        return false;
    };
    let verdict = judge(context, application, proposed, &block, parent, ancestry).await;
    if let Err(reason) = &verdict {
        let header = &block.inner().block().header;
        let (height, proposer) = (header.height, header.proposer);
        tracing::warn!(height, %proposer, reason, "a proposed block is refused");
    }
    verdict.is_ok()
}

async fn judge<E: Runtime>(
    context: &E,
    application: &LedgerApplication,
    (leader, committee): (&EngineKey, u64),
    block: &Digested<LedgerBlock>,
    parent: Digested<LedgerBlock>,
    ancestry: impl Ancestry<LedgerBlock>,
) -> Result<(), String> {
    let (inner, digest) = (block.inner(), block.digest());
    let header = &inner.block().header;
    let parent_ms = parent.inner().block().header.timestamp_ms;
    check_header(header, &ledger_public(leader), parent_ms).map_err(|e| e.to_string())?;
    check_size(inner).map_err(|e| e.to_string())?;
    await_clock(context, &application.clock, header.timestamp_ms, parent_ms)
        .await
        .map_err(|e| e.to_string())?;

    let state = ledger::state_after(context, application, parent, ancestry)
        .await
        .ok_or("its parent can't become final any more")?;
    let expected = state.committee().number;
    if committee != expected {
        return Err(Refusal::OtherCommittee { got: committee, expected }.to_string());
    }
    if application.ledger.executed(&digest, inner.number()).is_some() {
        // Executed before: as an own proposal, or in an earlier view.
        return Ok(());
    }
    signatures::check(context, application, inner).await.map_err(|e| e.to_string())?;
    let executed =
        ledger::execute(context, state, inner.clone()).await.map_err(|e| e.to_string())?;
    application.ledger.keep(inner, executed);
    Ok(())
}

/// The rules of the header alone.
pub(crate) fn check_header(
    header: &Header,
    leader: &PublicKey,
    parent_ms: u64,
) -> Result<(), Refusal> {
    if header.version != BLOCK_VERSION {
        return Err(Refusal::Version { got: header.version });
    }
    if header.proposer != *leader {
        return Err(Refusal::NotTheLeader { got: header.proposer, leader: *leader });
    }
    if header.timestamp_ms <= parent_ms {
        return Err(Refusal::NotAfterParent { got_ms: header.timestamp_ms, parent_ms });
    }
    Ok(())
}

fn check_size(block: &LedgerBlock) -> Result<(), Refusal> {
    let got_bytes = block.transaction_bytes();
    if got_bytes > BLOCK_BYTES_MAX { Err(Refusal::TooLarge { got_bytes }) } else { Ok(()) }
}

/// How long to wait before a block with that timestamp may be voted for.
pub(crate) fn clock_wait_ms(
    timestamp_ms: u64,
    parent_ms: u64,
    now_ms: u64,
) -> Result<u64, Refusal> {
    let bound_ms = now_ms.saturating_add(CLOCK_AHEAD_MS_MAX);
    if timestamp_ms <= bound_ms || timestamp_ms == parent_ms.saturating_add(1) {
        return Ok(0);
    }
    let wait_ms = timestamp_ms - bound_ms;
    if wait_ms > CLOCK_WAIT_MS_MAX {
        let ahead_ms = timestamp_ms - now_ms;
        return Err(Refusal::TooFarAhead { got_ms: timestamp_ms, ahead_ms });
    }
    Ok(wait_ms)
}

async fn await_clock<E: Runtime>(
    context: &E,
    clock: &ClockOffset,
    timestamp_ms: u64,
    parent_ms: u64,
) -> Result<(), Refusal> {
    loop {
        let wait_ms = clock_wait_ms(timestamp_ms, parent_ms, clock.now_ms(context))?;
        if wait_ms == 0 {
            return Ok(());
        }
        context.sleep(std::time::Duration::from_millis(wait_ms)).await;
    }
}
