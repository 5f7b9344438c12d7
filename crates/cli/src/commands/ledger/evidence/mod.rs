//! Evidence of a fault in a file: what a node tells of it once, and anybody who holds the
//! genesis can check ever after (PROTOCOL §4 and §8, S9).
//!
//! - `collect` puts it together from what a node serves;
//! - `check` believes nothing of it but what follows from the genesis;
//! - `block` is the part that is the same for every kind of evidence: that a transaction and
//!   what became of it stand in a final block.
//!
//! When the fault stops counting, its number among the node's, and whether it was pardoned
//! are the node's word: nothing here proves them.

mod block;
mod check;
mod collect;
mod completions;
#[cfg(test)]
mod tests;

pub use check::{Verdict, check};
pub use collect::collect;

use crate::{
    commands::parse,
    failure::{Done, Failure},
};
use serde::{Deserialize, Serialize};
use std::path::Path;
use trustmesh_api::HexBytes;
use trustmesh_state::Handover;
use trustmesh_types::{
    Header, NetworkId, Receipt, SignedTransaction, faults::FaultRecord, records::AppRecord,
    request::RequestBody, workflow::Workflow,
};

/// Version of the file's form.
const VERSION: u8 = 1;
/// Longest file that is read: a largest block in hexadecimal, its receipts and the rest.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Evidence of one fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// [`VERSION`].
    pub version: u8,
    /// The network.
    pub network: NetworkId,
    /// The fault, with the evidence that the ledger keeps of it.
    pub fault: FaultRecord,
    /// How the committees followed that of genesis, up to the one that voted on the block.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handovers: Vec<Handover>,
    /// The block that records it.
    pub block: BlockProof,
    /// For an output that others contradict: what says that it must have been the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<Declared>,
}

/// That a transaction and what became of it stand in a final block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockProof {
    /// The transaction, for people to read; the block has it too.
    pub transaction: SignedTransaction,
    /// The encoded block.
    pub block: HexBytes,
    /// What became of each of its transactions.
    pub receipts: Vec<Receipt>,
    /// Headers of the blocks after it, up to the first that has a certificate; none where the
    /// block has one itself.
    pub later: Vec<Header>,
    /// The certificate of the last of them.
    pub certificate: HexBytes,
}

/// Where a task's application is said to be deterministic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    /// The request's body: names the workflow.
    pub body: RequestBody,
    /// The workflow: names the task's application.
    pub workflow: Workflow,
    /// The application: its publisher signed what it is.
    pub app: AppRecord,
}

impl Bundle {
    /// Reads a file.
    pub fn load(path: &Path) -> Done<Self> {
        let bytes = parse::read_at_most(path, BYTES_MAX)?;
        let bundle: Self = serde_json::from_slice(&bytes).map_err(|e| {
            Failure::usage(format!("{} is no evidence: {e}", path.display()))
                .advise("`trustmesh ledger fault NODE NUMBER --save FILE` writes evidence")
        })?;
        if bundle.version == VERSION {
            return Ok(bundle);
        }
        let got = bundle.version;
        let what = format!("it has version {got}, this program knows version {VERSION}");
        Err(Failure::usage(what).at(path.display()))
    }

    /// Writes a file.
    pub fn store(&self, path: &Path) -> Done {
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| Failure::failed(format!("the evidence is no JSON: {e}")))?;
        std::fs::write(path, text + "\n").map_err(|e| Failure::unwritable(path, &e))
    }
}
