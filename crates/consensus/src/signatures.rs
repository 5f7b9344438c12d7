//! Signatures of transactions, checked in one batch.

use trustmesh_types::{Domain, NetworkId, SignedTransaction, TxId, crypto::BatchVerifier};

/// Positions, among `transactions`, of those whose signature is bad, in order. `entropy` is a
/// secret of this node ([`BatchVerifier::verify`]).
pub(crate) fn bad<'a>(
    network: &NetworkId,
    transactions: impl Iterator<Item = (&'a TxId, &'a SignedTransaction)>,
    entropy: &[u8; 32],
) -> Vec<usize> {
    let mut batch = BatchVerifier::new();
    for (id, signed) in transactions {
        let signer = &signed.transaction.signer;
        batch.add(signer, Domain::Transaction, network, id.0.as_ref(), &signed.signature);
    }
    if batch.is_empty() {
        return Vec::new();
    }
    batch.verify(entropy).err().unwrap_or_default()
}
