//! Signatures inside the payloads of a block, checked all at once ahead of the contracts.
//!
//! It saves time and decides nothing: a contract that asks for a signature which is not among
//! the good ones checks it by itself. The batch's coefficients are a hash of the batch.

use std::collections::BTreeSet;
use trustmesh_types::{
    Digest, NetworkId, Payload, SignedTransaction,
    crypto::{BatchVerifier, Claim},
    evidence::SignedCompletion,
    request::StorageReceipt,
};

/// Signatures of one payload that are checked ahead, so that a payload that no contract
/// would look into costs little.
const CLAIMS_PER_PAYLOAD_MAX: usize = 64;

/// Claims that are known to be good.
#[derive(Debug, Default)]
pub struct Proven(BTreeSet<Digest>);

impl Proven {
    /// The good ones among the claims of these transactions.
    pub(super) fn of(network: &NetworkId, transactions: &[SignedTransaction]) -> Self {
        let mut proven = Self::default();
        let (mut batch, mut digests) = (BatchVerifier::new(), Vec::new());
        for transaction in transactions {
            for claim in claims_of(network, &transaction.transaction.payload) {
                let digest = claim.digest();
                if proven.0.insert(digest) {
                    batch.add(&claim);
                    digests.push(digest);
                }
            }
        }
        for at in batch.verify(&[0; 32]).err().unwrap_or_default() {
            if let Some(bad) = digests.get(at) {
                proven.0.remove(bad);
            }
        }
        proven
    }

    /// Whether a claim is true.
    #[must_use]
    pub fn check(&self, claim: &Claim) -> bool {
        self.0.contains(&claim.digest()) || claim.verify().is_ok()
    }
}

fn claims_of(network: &NetworkId, payload: &Payload) -> Vec<Claim> {
    let mut claims = Vec::new();
    match payload {
        Payload::SubmitRequest(submission) => {
            claims.push(submission.body.claim(&submission.signature));
            claims.extend(receipts(network, &submission.receipts));
        }
        Payload::Finalize(finalization) => {
            claims.extend(completions(network, &finalization.completions));
            claims.extend(receipts(network, &finalization.receipts));
        }
        Payload::RecordProgress(progress) => {
            claims.extend(completions(network, progress.done.iter().map(|d| &d.completion)));
            claims.extend(receipts(network, progress.done.iter().flat_map(|d| &d.receipts)));
        }
        Payload::ReportConflict(conflict) => {
            claims.extend(completions(network, &conflict.completions));
        }
        Payload::ReportVotes(votes) => claims.extend(votes.claims(network)),
        _ => {}
    }
    claims.truncate(CLAIMS_PER_PAYLOAD_MAX);
    claims
}

fn completions<'a>(
    network: &NetworkId,
    all: impl IntoIterator<Item = &'a SignedCompletion>,
) -> impl Iterator<Item = Claim> {
    all.into_iter().take(CLAIMS_PER_PAYLOAD_MAX).map(|it| it.claim(network))
}

fn receipts<'a>(
    network: &NetworkId,
    all: impl IntoIterator<Item = &'a StorageReceipt>,
) -> impl Iterator<Item = Claim> {
    all.into_iter().take(CLAIMS_PER_PAYLOAD_MAX).map(|it| it.claim(network))
}
