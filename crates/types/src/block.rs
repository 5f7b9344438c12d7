//! Blocks: ordered transactions and the roots of what executing them gives (PROTOCOL §2).
//!
//! A block's digest is that of its header, and the header commits to the transactions, so
//! decoding refuses a body that its header does not name.

use crate::{
    codec::{self, DecodeError},
    crypto::PublicKey,
    digest::Digest,
    ids::TxId,
    limits, merkle,
    transaction::SignedTransaction,
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Version of the block encoding.
pub const BLOCK_VERSION: u8 = 1;

/// A block's header.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Header {
    /// [`BLOCK_VERSION`].
    pub version: u8,
    /// 0 for the genesis block.
    pub height: u64,
    /// Digest of the parent's header; of the network id for the genesis block.
    pub parent: Digest,
    /// Unix milliseconds, after the parent's.
    pub timestamp_ms: u64,
    /// The validator that proposed it; all zeros for the genesis block.
    pub proposer: PublicKey,
    /// Merkle root over the digests of the encoded signed transactions.
    pub transactions_root: Digest,
    /// Merkle root over the digests of the encoded receipts.
    pub receipts_root: Digest,
    /// Root of the ledger's state after this block.
    pub state_root: Digest,
}

impl Header {
    /// The block's digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&codec::encode(self))
    }
}

/// A block.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, Serialize, Deserialize)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// The transactions, in order of execution.
    pub transactions: Vec<SignedTransaction>,
}

/// Root over transactions as a header holds it: over ids *and* signatures.
#[must_use]
pub fn transactions_root(transactions: &[SignedTransaction]) -> Digest {
    let leaves: Vec<Digest> = transactions.iter().map(|t| Digest::of(&codec::encode(t))).collect();
    merkle::root(&leaves)
}

impl Block {
    /// The block's digest: that of its header.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.header.digest()
    }

    /// Ids of the transactions, in order.
    #[must_use]
    pub fn transaction_ids(&self) -> Vec<TxId> {
        self.transactions.iter().map(SignedTransaction::id).collect()
    }

    /// Decodes a block that came from outside.
    ///
    /// # Errors
    /// [`DecodeError`] when it is over the limits, malformed, or its transactions are not
    /// those that its header commits to.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode("block", bytes, BLOCK_ENCODED_BYTES_MAX)
    }
}

/// Largest encoded block.
pub const BLOCK_ENCODED_BYTES_MAX: usize = limits::BLOCK_BYTES_MAX + 1024;

impl BorshDeserialize for Block {
    fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
        let invalid = |why: String| std::io::Error::new(std::io::ErrorKind::InvalidData, why);
        let header = Header::deserialize_reader(reader)?;
        let transactions = Vec::<SignedTransaction>::deserialize_reader(reader)?;
        if transactions.len() > limits::BLOCK_TRANSACTIONS_MAX {
            return Err(invalid(format!(
                "{} transactions, at most {} are allowed",
                transactions.len(),
                limits::BLOCK_TRANSACTIONS_MAX
            )));
        }
        if transactions_root(&transactions) != header.transactions_root {
            return Err(invalid("transactions are not those of the header".to_owned()));
        }
        Ok(Self { header, transactions })
    }
}
