//! Executing blocks on the states that this node knows.
//!
//! A block counts as executed only when its header names the very roots that execution
//! gives (PROTOCOL §2): what [`execute`] returns may be voted for or folded in.

use super::Executed;
use crate::{
    application::LedgerApplication,
    block::LedgerBlock,
    limits::{INLINE_TRANSACTIONS_MAX, OVERLAY_DEPTH_MAX},
    runtime::{self, Runtime},
    signatures,
};
use commonware_consensus::marshal::ancestry::Ancestry;
use commonware_cryptography::{Digested, Digestible as _};
use futures::StreamExt as _;
use trustmesh_state::{InvalidBlock, Proposal, State};
use trustmesh_types::{Digest, receipt::receipts_root};

/// A block can't stand on its parent.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum Unsound {
    /// A rule of blocks is broken.
    #[error(transparent)]
    Invalid(#[from] InvalidBlock),
    /// A root of the header is not the one that execution gives.
    #[error("the header names {what} root {named}, execution gives {computed}")]
    Root {
        /// Which root.
        what: &'static str,
        /// As the header has it.
        named: Digest,
        /// As executed.
        computed: Digest,
    },
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

/// Executes a block on its parent's state and compares the roots. Signatures are not checked.
pub(crate) async fn execute<E: Runtime>(
    context: &E,
    parent: State,
    block: LedgerBlock,
) -> Result<Executed, Unsound> {
    let small = block.block().transactions.len() <= INLINE_TRANSACTIONS_MAX;
    let work = move || execute_now(&parent, &block);
    if small {
        return work();
    }
    runtime::off_thread(context, "execute", work).await.unwrap_or(Err(Unsound::Stopping))
}

fn execute_now(parent: &State, block: &LedgerBlock) -> Result<Executed, Unsound> {
    let (header, transactions) = (&block.block().header, &block.block().transactions);
    let proposal = Proposal {
        proposer: header.proposer,
        timestamp_ms: header.timestamp_ms,
        transactions,
        ids: block.ids(),
    };
    let done = parent.execute(&proposal)?;
    let executed = Executed { state: done.state, receipts: done.receipts, events: done.events };
    let roots = [
        ("receipts", header.receipts_root, receipts_root(&executed.receipts)),
        ("state", header.state_root, executed.state.root()),
    ];
    for (what, named, computed) in roots {
        if named != computed {
            return Err(Unsound::Root { what, named, computed });
        }
    }
    Ok(executed)
}

/// The state after `block`, which is final or notarized: executes it and those of its
/// ancestors that were not executed here yet, their signatures checked too (so that whatever
/// is kept may be voted for). A node that is far behind waits for finality
/// to come near instead of walking back.
///
/// `None` when `block` can't become final any more, or does not execute.
pub(crate) async fn state_after<E: Runtime>(
    context: &E,
    application: &LedgerApplication,
    block: Digested<LedgerBlock>,
    mut ancestry: impl Ancestry<LedgerBlock>,
) -> Option<State> {
    let ledger = &application.ledger;
    ledger.reach(block.inner().number().saturating_sub(OVERLAY_DEPTH_MAX)).await;
    let mut missing: Vec<LedgerBlock> = Vec::new();
    let mut at = block;
    let mut state = loop {
        if let Some(state) = ledger.state_of(&at.digest(), at.inner().number()) {
            break state;
        }
        if at.inner().number() <= ledger.height() {
            return None;
        }
        missing.push(at.inner().clone());
        at = ancestry.next().await?;
    };
    for block in missing.into_iter().rev() {
        if let Err(error) = signatures::check(context, application, &block).await {
            tracing::error!(height = block.number(), %error, "a parent is not to be built on");
            return None;
        }
        let executed = match execute(context, state, block.clone()).await {
            Ok(executed) => executed,
            Err(error) => {
                tracing::error!(height = block.number(), %error, "a parent does not execute");
                return None;
            }
        };
        state = executed.state.clone();
        ledger.keep(&block, executed);
    }
    Some(state)
}
