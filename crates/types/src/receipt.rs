//! Receipts: what became of each transaction of a block (PROTOCOL §2).

use crate::{codec, crypto::PublicKey, digest::Digest, ids::TxId, merkle, reject::Rejection};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// What a transaction did.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It changed the ledger as it says.
    Applied,
    /// It broke a contract's rule and changed nothing, save that a fault is recorded.
    Rejected(Rejection),
}

/// The receipt of one transaction.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Receipt {
    /// The transaction.
    pub transaction: TxId,
    /// Its signer.
    pub signer: PublicKey,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Root over receipts as a header holds it.
#[must_use]
pub fn receipts_root(receipts: &[Receipt]) -> Digest {
    let leaves: Vec<Digest> = receipts.iter().map(|r| Digest::of(&codec::encode(r))).collect();
    merkle::root(&leaves)
}
