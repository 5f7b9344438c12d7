//! That a transaction and what became of it stand in a final block.

use super::BlockProof;
use crate::commands::ledger::finality::{Finality, committee_at};
use trustmesh_consensus::CertificateError;
use trustmesh_types::{
    Block, NetworkId, TxId,
    codec::DecodeError,
    committee::Committee,
    crypto::BadSignature,
    receipt::{self, Outcome},
};

/// Why it is not shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotShown {
    /// The block's bytes are none, or its transactions are not those of its header.
    #[error("the block can't be read: {0}")]
    Block(#[from] DecodeError),
    /// A header that does not follow the one before it.
    #[error("header {height} does not follow the one before it")]
    Header {
        /// Its height.
        height: u64,
    },
    /// The certificate makes nothing final.
    #[error("block {height} is not shown to be final: {source}")]
    NotFinal {
        /// Height of the block that the certificate should be for.
        height: u64,
        /// What is wrong with it.
        source: CertificateError,
    },
    /// The receipts are not those that the header commits to.
    #[error("the receipts are not those of block {height}")]
    Receipts {
        /// The block.
        height: u64,
    },
    /// The transaction is not in the block.
    #[error("transaction {} is not in block {height}", id.short())]
    Absent {
        /// The transaction.
        id: TxId,
        /// The block.
        height: u64,
    },
    /// Its signer did not sign it for this network.
    #[error("transaction {}: {source}", id.short())]
    Signature {
        /// The transaction.
        id: TxId,
        /// What is wrong.
        source: BadSignature,
    },
}

/// What is shown.
pub struct Shown {
    /// The block.
    pub block: Block,
    /// The transaction's id.
    pub id: TxId,
    /// What became of it.
    pub outcome: Outcome,
}

impl BlockProof {
    /// Checks all of it. Nothing is taken from the file but what the certificate, the header
    /// and the signature vouch for.
    pub fn check(
        &self,
        network: &NetworkId,
        committees: &[Committee],
        finality: &mut Finality,
    ) -> Result<Shown, NotShown> {
        let block = Block::decode(&self.block.0)?;
        let height = block.header.height;
        self.check_final(&block, committees, finality)?;
        if receipt::receipts_root(&self.receipts) != block.header.receipts_root {
            return Err(NotShown::Receipts { height });
        }
        let id = self.transaction.id();
        let at = block.transactions.iter().position(|it| *it == self.transaction);
        let receipt = at.and_then(|at| self.receipts.get(at)).filter(|it| it.transaction == id);
        let receipt = receipt.ok_or(NotShown::Absent { id, height })?;
        let signed = self.transaction.claim(network, &id).verify();
        signed.map_err(|source| NotShown::Signature { id, source })?;
        Ok(Shown { block, id, outcome: receipt.outcome.clone() })
    }

    /// The certificate is the block's own or that of a later one, which makes all before it
    /// final too.
    fn check_final(
        &self,
        block: &Block,
        committees: &[Committee],
        finality: &mut Finality,
    ) -> Result<(), NotShown> {
        let (mut height, mut digest) = (block.header.height, block.digest());
        for header in &self.later {
            if header.parent != digest || Some(header.height) != height.checked_add(1) {
                return Err(NotShown::Header { height: header.height });
            }
            (height, digest) = (header.height, header.digest());
        }
        let committee = committee_at(committees, height).ok_or(NotShown::Header { height })?;
        let checked = finality.check(committee, &digest, &self.certificate.0);
        checked.map_err(|source| NotShown::NotFinal { height, source })
    }
}
