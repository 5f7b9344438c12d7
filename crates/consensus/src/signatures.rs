//! Signatures of transactions, checked in batches, and once per node.

use crate::{
    application::LedgerApplication,
    block::LedgerBlock,
    limits::INLINE_SIGNATURES_MAX,
    runtime::{self, Runtime},
};
use trustmesh_types::{NetworkId, SignedTransaction, TxId, crypto::BatchVerifier};

/// A transaction of a block is not signed by its signer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("transaction {id} has a bad signature")]
pub(crate) struct Forged {
    /// The transaction.
    pub(crate) id: TxId,
}

/// Positions, among `transactions`, of those whose signature is bad, in order. `entropy` is a
/// secret of this node ([`BatchVerifier::verify`]).
pub(crate) fn bad<'a>(
    network: &NetworkId,
    transactions: impl Iterator<Item = (&'a TxId, &'a SignedTransaction)>,
    entropy: &[u8; 32],
) -> Vec<usize> {
    let mut batch = BatchVerifier::new();
    for (id, signed) in transactions {
        batch.add(&signed.claim(network, id));
    }
    if batch.is_empty() {
        return Vec::new();
    }
    batch.verify(entropy).err().unwrap_or_default()
}

/// Checks those signatures of a block that this node has not checked before, and remembers
/// them.
pub(crate) async fn check<E: Runtime>(
    context: &E,
    application: &LedgerApplication,
    block: &LedgerBlock,
) -> Result<(), Forged> {
    let (pool, entropy) = (&application.pool, application.entropy);
    let unseen: Vec<usize> = pairs(block)
        .enumerate()
        .filter(|(_, (id, signed))| !pool.is_verified(id, &signed.signature))
        .map(|(at, _)| at)
        .collect();
    let network = application.ledger.state().network();
    let (of, at) = (block.clone(), unseen.clone());
    let work = move || {
        let all: Vec<_> = pairs(&of).collect();
        let unseen = at.iter().filter_map(|at| all.get(*at).copied());
        bad(&network, unseen, &entropy)
    };
    let forged = if unseen.len() <= INLINE_SIGNATURES_MAX {
        work()
    } else {
        // No verdict while stopping: the engine drops this wait with everything else.
        match runtime::off_thread(context, "signatures", work).await {
            Some(forged) => forged,
            None => std::future::pending().await,
        }
    };
    let transactions: Vec<_> = pairs(block).collect();
    let at = |place: &usize| transactions.get(*place).copied();
    if let Some((id, _)) = forged.first().and_then(|b| unseen.get(*b)).and_then(at) {
        return Err(Forged { id: *id });
    }
    pool.remember(unseen.iter().filter_map(at).map(|(id, signed)| (*id, signed.signature)));
    Ok(())
}

fn pairs(block: &LedgerBlock) -> impl Iterator<Item = (&TxId, &SignedTransaction)> {
    block.ids().iter().zip(&block.block().transactions)
}
