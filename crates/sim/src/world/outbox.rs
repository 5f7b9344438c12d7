//! A node's transactions on their way to its ledger: signed in order, handed over together.

use commonware_utils::channel::mpsc;
use trustmesh_consensus::Handle;
use trustmesh_types::{
    NetworkId, Payload, SecretKey, SignedTransaction, Transaction, transaction::TRANSACTION_VERSION,
};

/// Transactions handed over together.
const BATCH: usize = 256;
/// Blocks for which a transaction stays valid.
const LIFETIME_BLOCKS: u64 = 64;

/// Queues a payload.
pub(super) fn send(outbox: &mpsc::UnboundedSender<Payload>, payload: Payload) {
    // The ledger may have ended: then the node ends as well.
    let _ = outbox.send(payload);
}

/// Signs a payload so that it is valid from now on.
pub(super) fn sign(
    key: &SecretKey,
    network: NetworkId,
    ledger: &Handle,
    nonce: u64,
    payload: Payload,
) -> SignedTransaction {
    let valid_until_height = ledger.state().height().saturating_add(LIFETIME_BLOCKS);
    let (version, signer) = (TRANSACTION_VERSION, key.public());
    Transaction { version, network, signer, valid_until_height, nonce, payload }.sign(key)
}

/// Empties the outbox; ends with it.
pub(super) async fn run(
    mut payloads: mpsc::UnboundedReceiver<Payload>,
    ledger: Handle,
    key: SecretKey,
    network: NetworkId,
    mut nonce: u64,
) {
    let mut taken = Vec::new();
    while payloads.recv_many(&mut taken, BATCH).await > 0 {
        let signed = taken.drain(..).map(|payload| {
            nonce = nonce.wrapping_add(1);
            sign(&key, network, &ledger, nonce, payload)
        });
        for outcome in ledger.submit_many(signed.collect()).await {
            if let Err(error) = outcome {
                tracing::debug!(%error, "a transaction was not taken");
            }
        }
    }
}
