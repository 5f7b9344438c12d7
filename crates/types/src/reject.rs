//! Refusals: a stable code and a sentence (PROTOCOL §3).
//!
//! Variants of [`RejectCode`] are only ever added at the end: their position is their tag on
//! the wire, and their name is what users and programs see.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Why a contract refused a transaction.
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
pub enum RejectCode {
    /// The signer lacks the role that this needs.
    WrongRole,
    /// The member to add exists.
    MemberExists,
    /// No such node, device or operator.
    UnknownMember,
    /// A value breaks a bound or has the wrong form.
    InvalidValue,
    /// No such application.
    UnknownApp,
    /// The application exists with other content.
    AppExists,
    /// The application's state does not allow this.
    AppState,
    /// A signature inside the transaction does not verify.
    BadSignature,
    /// Fewer than f+1 distinct validators' receipts.
    TooFewReceipts,
    /// No such workflow.
    UnknownWorkflow,
    /// The workflow exists.
    WorkflowExists,
    /// The workflow takes no new requests.
    WorkflowRetired,
    /// The tasks are no directed acyclic graph.
    InvalidWorkflow,
    /// No such request.
    UnknownRequest,
    /// The request is on the ledger already.
    RequestExists,
    /// The device is not registered, or was revoked.
    UnknownDevice,
    /// The device has too many open requests.
    TooManyRequests,
    /// The deadline has passed, or lies too far ahead.
    BadDeadline,
    /// C1: not signed by the node that the designation names.
    NotDesignated,
    /// C2: not the current designation, or the request is not Requested.
    NotCurrent,
    /// C3: not exactly the open tasks, each once, each with its replicas.
    IncompletePlan,
    /// C4: a task at another than its topological level.
    WrongLevel,
    /// C5: a node that may not run a task.
    IneligibleNode,
    /// C6: more than a node has free.
    OverCapacity,
    /// C6: more than a node's attested capacity.
    OverAttested,
    /// The plan's height is before its designation or too far back.
    StalePlan,
    /// The request is not Active under this designation.
    NotActive,
    /// A completion or failure by a node that the plan does not assign the task to.
    NotAssigned,
    /// The task is recorded done already, or is no open task.
    NotOpen,
    /// An input digest is not its predecessor's output digest.
    InputMismatch,
    /// Completions are missing.
    MissingCompletions,
    /// The request has ended.
    RequestEnded,
    /// A node signed two completions of one task with different outputs.
    TwoCompletions,
    /// A node signed another output than f+1 validators did over the same inputs.
    WrongOutput,
    /// A validator signed two votes of one view that contradict each other.
    ConflictingVotes,
    /// What is given does not contradict each other, or is known.
    NoConflict,
    /// The node is not quarantined.
    NotQuarantined,
    /// Something was changed in between: read it again.
    Outdated,
    /// An expression that is no policy, or one policy too many.
    InvalidPolicy,
    /// No such policy.
    UnknownPolicy,
    /// C7: a policy does not hold.
    PolicyBroken,
    /// Too few or too many validators would be left.
    ValidatorCount,
    /// Too few of the validators that would be left are up.
    QuorumLost,
    /// Said too often.
    TooSoon,
    /// A version of the protocol is not the next one, or would hold too soon.
    ProtocolOrder,
    /// No operator would be left.
    LastOperator,
}

/// A refusal.
#[derive(
    Debug,
    Clone,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
    thiserror::Error,
)]
#[error("{reason}")]
pub struct Rejection {
    /// The stable code.
    pub code: RejectCode,
    /// What was wrong, where, and what to do, in a sentence.
    pub reason: String,
    /// Whether the refusal charges its signer with a fault.
    pub fault: bool,
}

impl Rejection {
    /// A refusal without fault.
    #[must_use]
    pub fn new(code: RejectCode, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), fault: false }
    }

    /// A refusal that charges its signer.
    #[must_use]
    pub fn fault(code: RejectCode, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), fault: true }
    }
}

impl std::fmt::Display for RejectCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = serde_json::to_value(self).ok();
        f.write_str(text.as_ref().and_then(serde_json::Value::as_str).unwrap_or("unknown"))
    }
}
