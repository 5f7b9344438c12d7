//! Records: what the ledger's state holds, contract by contract (PROTOCOL §3).
//!
//! Every record keeps `changed`, the height of its last change: a plan made on an older
//! state is then told apart from one that breaks a rule (PROTOCOL §4, *stale*).

use crate::{
    crypto::PublicKey,
    digest::Digest,
    evidence::SignedCompletion,
    ids::{RequestId, TaskId},
    plan::Assignment,
    policy::Policy,
    request::{RequestBody, StorageReceipt},
    resources::{Resources, Snapshot},
    workflow::Workflow,
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use crate::application::{
    AppCondition, AppManifest, AppRecord, AppState, Condition, Grants, Runtime,
};

/// What a node may do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct NodeRoles {
    /// Votes on blocks.
    pub validator: bool,
    /// May be designated.
    pub scheduler: bool,
    /// May be assigned tasks.
    pub worker: bool,
}

impl NodeRoles {
    /// All three: what a node has unless told otherwise.
    pub const ALL: Self = Self { validator: true, scheduler: true, worker: true };
}

/// What operators say of a node when they admit it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Its identity.
    pub key: PublicKey,
    /// A name for people.
    pub name: String,
    /// What it may do.
    pub roles: NodeRoles,
    /// `vendor`, `zone`, `clearance`, …
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What the operator attests that it has; nothing that the node claims counts above it.
    pub capacity: Resources,
    /// What it can run.
    pub runtimes: Vec<Runtime>,
    /// Processor architecture, as in `x86_64`, `aarch64`.
    pub arch: String,
    /// Address of its node-to-node port, `host:port`.
    pub p2p_address: String,
    /// Address of its HTTP API, `host:port`.
    pub http_address: String,
}

/// An operator (control node).
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct OperatorInfo {
    /// Its identity.
    pub key: PublicKey,
    /// A name for people.
    pub name: String,
    /// Whether it may deploy applications.
    pub publisher: bool,
}

/// Where a node stands as a member.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It takes part.
    Ready,
    /// It takes part, but is in no committee until it has said that it is ready.
    Joining {
        /// The node that goes when it is.
        replaces: Option<PublicKey>,
    },
    /// An operator barred it: it does not even vote.
    Barred,
    /// Its membership ended.
    Removed,
}

/// A member of the network. One key is one member.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Member {
    /// An operator.
    Operator {
        /// What genesis, or the operator who admitted it, says of it.
        info: OperatorInfo,
        /// Whether its membership was ended: what it published runs no more.
        revoked: bool,
        /// Height of the last change.
        changed: u64,
    },
    /// A compute node.
    Node {
        /// What its operator says of it.
        info: NodeInfo,
        /// Not designated or assigned: for its faults, or because of where it stands.
        quarantined: bool,
        /// Where it stands.
        standing: Standing,
        /// Height of the last change.
        changed: u64,
    },
    /// A device.
    Device {
        /// A name for people.
        name: String,
        /// Whether its membership was ended.
        revoked: bool,
        /// Its requests that have not ended.
        open_requests: u32,
        /// Height of the last change.
        changed: u64,
    },
}

impl Member {
    /// Whether an operator's or a device's membership was ended.
    #[must_use]
    pub const fn revoked(&self) -> bool {
        matches!(self, Self::Operator { revoked: true, .. } | Self::Device { revoked: true, .. })
    }
}

/// What a node has free, apart from its membership because it changes often.
#[derive(
    Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct NodeLoad {
    /// Its newest snapshot; `None` before the first and after its time to live.
    pub snapshot: Option<Snapshot>,
    /// When the snapshot's time to live ends, block time in Unix milliseconds.
    pub live_until_ms: u64,
    /// Merkle root of the last committed batch of snapshots.
    pub batch_root: Digest,
    /// Sum of what open plans hold on this node.
    pub reserved: Resources,
    /// Designations timed out and not yet made good by confirmed plans.
    pub misses: u32,
    /// Height of the last change.
    pub changed: u64,
}

impl NodeLoad {
    /// What is free: capacity − reservations − foreign use (PROTOCOL §4, Designation).
    #[must_use]
    pub fn available(&self, capacity: &Resources) -> Resources {
        let foreign = self.snapshot.map_or(Resources::ZERO, |s| s.foreign);
        capacity.minus(self.reserved).minus(foreign)
    }
}

/// A workflow on the ledger.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct WorkflowRecord {
    /// Never changed once created.
    pub workflow: Workflow,
    /// Who created it.
    pub creator: PublicKey,
    /// Whether it takes no new requests.
    pub retired: bool,
    /// Height of the last change.
    pub changed: u64,
}

/// Where a request stands (PROTOCOL §4).
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
pub enum Status {
    /// Waits for a plan.
    Requested,
    /// Runs by a confirmed plan.
    Active,
    /// Ended with a result.
    Finalized,
    /// Ended without one.
    Failed,
    /// Ended by its device or an operator.
    Cancelled,
}

impl Status {
    /// Whether the request has ended.
    #[must_use]
    pub const fn ended(self) -> bool {
        matches!(self, Self::Finalized | Self::Failed | Self::Cancelled)
    }
}

/// The current designation of a request.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Designation {
    /// The node that shall plan.
    pub node: PublicKey,
    /// Height of the block that designated it.
    pub height: u64,
    /// Timestamp of that block.
    pub since_ms: u64,
    /// When it is passed over without a plan, block time in Unix milliseconds.
    pub due_ms: u64,
    /// Its plans rejected without fault so far.
    pub rejections: u8,
}

/// A confirmed plan.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct ActivePlan {
    /// Number of the designation that it answers.
    pub designation: u32,
    /// Who made it.
    pub planner: PublicKey,
    /// Where each open task runs.
    pub assignments: Vec<Assignment>,
    /// What it holds on each node.
    pub reserved: BTreeMap<PublicKey, Resources>,
    /// Height of the block that confirmed it.
    pub height: u64,
    /// Timestamp of that block.
    pub since_ms: u64,
    /// When its execution is overdue, block time in Unix milliseconds.
    pub deadline_ms: u64,
}

/// A task recorded done.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct DoneRecord {
    /// One of the completions that agree.
    pub completion: SignedCompletion,
    /// The nodes whose completions agree, one per replica that counted.
    pub agreeing: Vec<PublicKey>,
    /// Validators' receipts for the output.
    pub receipts: Vec<StorageReceipt>,
}

/// A request on the ledger.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct RequestRecord {
    /// Digest of the body.
    pub id: RequestId,
    /// What the device signed.
    pub body: RequestBody,
    /// The node that brought it.
    pub entry: PublicKey,
    /// Validators that signed for the input.
    pub input_holders: Vec<PublicKey>,
    /// Height of the block that accepted it.
    pub accepted_height: u64,
    /// Timestamp of that block.
    pub accepted_ms: u64,
    /// Where it stands.
    pub status: Status,
    /// Number of the last designation; 0 before the first.
    pub designation: u32,
    /// Who shall plan now; `None` unless Requested and not waiting.
    pub designated: Option<Designation>,
    /// Nodes designated in vain since the exclusions were last cleared.
    pub in_vain: Vec<PublicKey>,
    /// Why no node is designated, when it waits.
    pub waiting: Option<String>,
    /// Since when no plan of it was Active, for want of a node that could plan it, block time
    /// in Unix milliseconds; `None` while it is not queued.
    pub queued_ms: Option<u64>,
    /// Nodes that failed or were overdue on a task of this request.
    pub barred: Vec<PublicKey>,
    /// Plans that became Active so far.
    pub attempts: u8,
    /// The confirmed plan; kept when the request ends.
    pub plan: Option<ActivePlan>,
    /// Tasks done, with their evidence.
    pub done: BTreeMap<TaskId, DoneRecord>,
    /// Completions that finalized it, beside those of `done`.
    pub completions: Vec<SignedCompletion>,
    /// Receipts for the sinks' outputs that finalized it.
    pub result_receipts: Vec<StorageReceipt>,
    /// Why it failed or was cancelled.
    pub reason: Option<String>,
    /// Timestamp of the block that ended it; 0 while open.
    pub ended_ms: u64,
    /// Height of the last change.
    pub changed: u64,
}

impl RequestRecord {
    /// The completion that counts for a task, once it is on the ledger.
    #[must_use]
    pub fn completion(&self, task: &TaskId) -> Option<&SignedCompletion> {
        self.done
            .get(task)
            .map(|d| &d.completion)
            .or_else(|| self.completions.iter().find(|c| c.completion.task == *task))
    }
    /// The nodes whose completions of a task agree, once it is on the ledger: how many
    /// replicas stand behind its output.
    #[must_use]
    pub fn agreeing(&self, task: &TaskId) -> Vec<PublicKey> {
        let finalized = self.completions.iter().map(|c| &c.completion);
        let finalized = finalized.filter(|c| c.task == *task).map(|c| c.node);
        self.done.get(task).map_or_else(|| finalized.collect(), |done| done.agreeing.clone())
    }
}

/// A network-defined rule on the ledger.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct PolicyRecord {
    /// The rule.
    pub policy: Policy,
    /// The operator who set it.
    pub setter: PublicKey,
    /// Height of the last change.
    pub changed: u64,
}
