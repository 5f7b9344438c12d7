//! Plans: which node runs which task (PROTOCOL §4, phases 2 and 3; eq. 3 and 8).

use crate::{
    crypto::PublicKey,
    ids::{RequestId, TaskId},
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Where one task runs.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Assignment {
    /// The task.
    pub task: TaskId,
    /// Its topological level, sources at 0 (eq. 9).
    pub level: u32,
    /// Distinct nodes that run it, as many as its replicas.
    pub nodes: Vec<PublicKey>,
}

/// What a designated node proposes.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Plan {
    /// The request.
    pub request: RequestId,
    /// The number of the designation that this answers.
    pub designation: u32,
    /// Height of the state that it was made on.
    pub made_at: u64,
    /// One per task that is not yet done.
    pub assignments: Vec<Assignment>,
}

/// Why one node can't take a task.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Unfit {
    /// The node.
    pub node: PublicKey,
    /// The reason, for people.
    pub reason: String,
}

/// A designated node's word that nothing fits.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Decline {
    /// The request.
    pub request: RequestId,
    /// The number of the designation that this answers.
    pub designation: u32,
    /// Height of the state that it was decided on.
    pub made_at: u64,
    /// The first task that fits nowhere.
    pub task: TaskId,
    /// Why, node by node.
    pub unfit: Vec<Unfit>,
}
