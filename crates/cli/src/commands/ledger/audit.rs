//! Re-execution of a chain from genesis (PROTOCOL §2): what `ledger verify` believes.
//!
//! Invariant: a block passes only if it follows its parent, every transaction's signature
//! verifies, executing it on the parent's state gives the roots of its header, and, where a
//! certificate comes with it, 2f+1 of the committee signed it that the state before it names. A certificate makes its
//! block's ancestors final too, so a block without one is final when a later one has one.

use super::finality::Finality;
use trustmesh_consensus::CertificateError;
use trustmesh_state::{InvalidBlock, Proposal, State};
use trustmesh_types::{
    Block, Digest, TxId,
    crypto::BatchVerifier,
    genesis::{Genesis, GenesisError},
    receipt,
};

/// The first thing that does not hold.
#[derive(Debug, thiserror::Error)]
pub enum Mismatch {
    /// A block that does not follow the one before it.
    #[error("its {what} is {got}, expected {expected}")]
    Link {
        /// Which field.
        what: &'static str,
        /// What it holds.
        got: String,
        /// What it must hold.
        expected: String,
    },
    /// A transaction that its signer did not sign.
    #[error("the signature of transaction {transaction} does not verify")]
    Signature {
        /// The transaction.
        transaction: TxId,
    },
    /// A block that no honest validator votes for.
    #[error("no validator may vote for it: {source}")]
    Invalid {
        /// Why.
        #[from]
        source: InvalidBlock,
    },
    /// Nothing shows who votes there.
    #[error("no committee votes on block {height}")]
    Committee {
        /// Its height.
        height: u64,
    },
    /// A certificate that proves nothing.
    #[error("{source}")]
    Certificate {
        /// Why.
        #[from]
        source: CertificateError,
    },
}

/// A chain that is being checked, block by block.
pub struct Audit {
    finality: Finality,
    state: State,
    /// The state after the last block that a certificate came with.
    final_state: State,
    parent: Digest,
    entropy: [u8; 32],
    /// What has been checked so far.
    pub checked: Checked,
}

/// How much was checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Checked {
    /// Height of the last block that passed.
    pub height: u64,
    /// Height of the last certificate that passed: all up to it is final.
    pub final_height: u64,
    /// Transactions executed.
    pub transactions: u64,
    /// Certificates checked.
    pub certificates: u64,
}

impl Audit {
    /// Starts at genesis. `entropy` is secret randomness for the batches of signatures.
    pub fn new(genesis: &Genesis, entropy: [u8; 32]) -> Result<Self, GenesisError> {
        let state = State::genesis(genesis)?;
        Ok(Self {
            finality: Finality::new(genesis.network_id(), entropy),
            parent: genesis.block(state.root()).digest(),
            final_state: state.clone(),
            state,
            entropy,
            checked: Checked::default(),
        })
    }

    /// Root of the state after the last block that passed.
    pub fn state_root(&self) -> Digest {
        self.state.root()
    }

    /// The state at [`Checked::final_height`].
    pub const fn final_state(&self) -> &State {
        &self.final_state
    }

    /// Checks the next block, and its certificate if it comes with one.
    pub fn block(&mut self, block: &Block, certificate: Option<&[u8]>) -> Result<(), Mismatch> {
        let header = &block.header;
        let next = self.checked.height + 1;
        link("height", header.height, next)?;
        link("parent", header.parent, self.parent)?;
        let ids = block.transaction_ids();
        self.signatures(block, &ids)?;
        let executed = self.state.execute(&Proposal {
            proposer: header.proposer,
            timestamp_ms: header.timestamp_ms,
            transactions: &block.transactions,
            ids: &ids,
        })?;
        let receipts_root = receipt::receipts_root(&executed.receipts);
        link("receipts root", header.receipts_root, receipts_root)?;
        link("state root", header.state_root, executed.state.root())?;
        let digest = header.digest();
        if let Some(certificate) = certificate {
            self.finality.check(self.state.committee(), &digest, certificate)?;
            self.checked.certificates += 1;
            self.checked.final_height = next;
            self.final_state = executed.state.clone();
        }
        self.state = executed.state;
        self.parent = digest;
        self.checked.height = next;
        self.checked.transactions += block.transactions.len() as u64;
        Ok(())
    }

    fn signatures(&self, block: &Block, ids: &[TxId]) -> Result<(), Mismatch> {
        let mut batch = BatchVerifier::new();
        for (signed, id) in block.transactions.iter().zip(ids) {
            batch.add(&signed.claim(&signed.transaction.network, id));
        }
        batch.verify(&self.entropy).map_err(|bad| {
            let first = bad.first().and_then(|at| ids.get(*at));
            Mismatch::Signature { transaction: first.copied().unwrap_or_default() }
        })
    }
}

/// Compares a field.
pub fn link<T: PartialEq + ToString>(
    what: &'static str,
    got: T,
    expected: T,
) -> Result<(), Mismatch> {
    if got == expected {
        return Ok(());
    }
    Err(Mismatch::Link { what, got: got.to_string(), expected: expected.to_string() })
}
