//! Faults: which node broke a rule that charges it, and the evidence (PROTOCOL §4 and §8, S9).
//!
//! The evidence suffices by itself: whoever holds the genesis can check it again without
//! trusting the node that showed it.

use crate::{
    crypto::PublicKey,
    evidence::SignedCompletion,
    ids::{RequestId, TaskId, TxId},
    reject::Rejection,
    votes::ConflictingVotes,
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// What shows that a node broke a rule.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(tag = "kind", content = "evidence", rename_all = "snake_case")]
pub enum FaultEvidence {
    /// A transaction that the node signed and the ledger refused: it stands in the block of
    /// the fault's height.
    Transaction(TxId),
    /// Completions of one task: two different ones of the node's, or its own first and then
    /// those of f+1 validators that agree on another output over the same inputs.
    Completions(Vec<SignedCompletion>),
    /// Two votes of one view that contradict each other.
    Votes(Box<ConflictingVotes>),
}

/// A fault on the ledger.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct FaultRecord {
    /// The node.
    pub node: PublicKey,
    /// Number of the fault among the node's, from 1 up; never used twice.
    pub number: u32,
    /// Height of the block that records it.
    pub height: u64,
    /// Timestamp of that block, Unix milliseconds.
    pub at_ms: u64,
    /// When it no longer counts, block time in Unix milliseconds; it then leaves the state.
    pub until_ms: u64,
    /// Which rule, and how it was broken.
    pub rejection: Rejection,
    /// What shows it.
    pub evidence: FaultEvidence,
    /// Whether an operator has lifted a quarantine since: it stands, but no longer counts.
    pub pardoned: bool,
}

/// Completions of one task that contradict each other. Any node may bring them.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Conflict {
    /// The request.
    pub request: RequestId,
    /// The designation whose plan assigned the task.
    pub designation: u32,
    /// The task.
    pub task: TaskId,
    /// At least two; see [`FaultEvidence::Completions`].
    pub completions: Vec<SignedCompletion>,
}
