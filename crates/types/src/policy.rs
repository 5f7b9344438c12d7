//! Network-defined rules: the set V of eq. 5 (PROTOCOL §3 and rule C7).
//!
//! A policy is a CEL expression that must be true of a plan. What it may read and how it is
//! bounded is the business of the crate `policy`; here is what stands on the ledger.

use crate::ids::PolicyId;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// What a policy is asked of.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum PolicyScope {
    /// Each pair of a task and a node that the plan gives it, by itself.
    Assignment,
    /// The plan as a whole.
    Plan,
}

/// A network-defined rule.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Its name. Setting a policy of a name that is used replaces it.
    pub id: PolicyId,
    /// What it is asked of.
    pub scope: PolicyScope,
    /// The CEL expression that must be true.
    pub expression: String,
    /// What a planner is told when it is not.
    pub message: String,
}

impl std::fmt::Display for PolicyScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Assignment => "assignment",
            Self::Plan => "plan",
        })
    }
}
