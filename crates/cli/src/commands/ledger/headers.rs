//! The chain of headers (PROTOCOL §2): what can be checked of a chain whose old blocks are
//! pruned.
//!
//! Invariant: a header passes only if it follows its parent, from genesis on, and 2f+1 of
//! its height's committee signed it, or one after it. So what a kept block holds is what the
//! validators agreed on, though what came before it can't be executed again.

use super::{
    audit::{Mismatch, link},
    finality::{Finality, committee_at},
};
use trustmesh_state::State;
use trustmesh_types::{
    Block, Digest, Header, TxId,
    block::transactions_root,
    codec,
    committee::Committee,
    crypto::BatchVerifier,
    genesis::{Genesis, GenesisError},
};

/// A chain of headers that is being checked.
pub struct HeaderAudit {
    finality: Finality,
    committees: Vec<Committee>,
    parent: Digest,
    entropy: [u8; 32],
    /// What has been checked so far.
    pub checked: CheckedHeaders,
}

/// How much was checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct CheckedHeaders {
    /// Height of the last header that passed.
    pub height: u64,
    /// Height of the last certificate that passed: all up to it is final.
    pub final_height: u64,
    /// Certificates checked.
    pub certificates: u64,
    /// Whole blocks checked.
    pub blocks: u64,
    /// Their transactions.
    pub transactions: u64,
}

impl HeaderAudit {
    /// Starts at genesis; `committees` are those that vote one after the other, as handovers
    /// prove. `entropy` is secret randomness for the batches of signatures.
    pub fn new(
        genesis: &Genesis,
        committees: Vec<Committee>,
        entropy: [u8; 32],
    ) -> Result<Self, GenesisError> {
        let state = State::genesis(genesis)?;
        Ok(Self {
            finality: Finality::new(genesis.network_id(), entropy),
            committees,
            parent: genesis.block(state.root()).digest(),
            entropy,
            checked: CheckedHeaders::default(),
        })
    }

    /// Checks the next header, as it came, and its certificate if it comes with one.
    pub fn header(&mut self, encoded: &[u8], certificate: &[u8]) -> Result<(), String> {
        let header: Header =
            codec::decode("header", encoded, encoded.len()).map_err(|e| e.to_string())?;
        self.next(&header, certificate).map_err(|e| e.to_string())
    }

    /// Checks the next block: its header, that it holds the transactions that the header names,
    /// and their signatures. It is not executed.
    pub fn block(&mut self, block: &Block, certificate: &[u8]) -> Result<(), Mismatch> {
        let root = transactions_root(&block.transactions);
        link("transactions root", block.header.transactions_root, root)?;
        let ids = block.transaction_ids();
        let mut batch = BatchVerifier::new();
        for (signed, id) in block.transactions.iter().zip(&ids) {
            batch.add(&signed.claim(&signed.transaction.network, id));
        }
        batch.verify(&self.entropy).map_err(|bad| {
            let first: Option<&TxId> = bad.first().and_then(|at| ids.get(*at));
            Mismatch::Signature { transaction: first.copied().unwrap_or_default() }
        })?;
        self.next(&block.header, certificate)?;
        self.checked.blocks += 1;
        self.checked.transactions += block.transactions.len() as u64;
        Ok(())
    }

    fn next(&mut self, header: &Header, certificate: &[u8]) -> Result<(), Mismatch> {
        let next = self.checked.height + 1;
        link("height", header.height, next)?;
        link("parent", header.parent, self.parent)?;
        let digest = header.digest();
        if !certificate.is_empty() {
            let nobody = || Mismatch::Committee { height: next };
            let committee = committee_at(&self.committees, next).ok_or_else(nobody)?;
            self.finality.check(committee, &digest, certificate)?;
            self.checked.certificates += 1;
            self.checked.final_height = next;
        }
        self.parent = digest;
        self.checked.height = next;
        Ok(())
    }
}
