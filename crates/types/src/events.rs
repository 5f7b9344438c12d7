//! Events: what happened in a block, for agents, history and watchers.
//!
//! An event says *that* something changed; the state after the block says what it is now.

use crate::{
    committee::Committee,
    crypto::PublicKey,
    ids::{AppId, PolicyId, RequestId, TaskId, WorkflowId},
    protocol::Activation,
    records::{AppState, Condition},
    reject::Rejection,
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// One event of a block.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A node was admitted.
    NodeAdmitted {
        /// The node.
        node: PublicKey,
    },
    /// A device was registered.
    DeviceRegistered {
        /// The device.
        device: PublicKey,
    },
    /// A device's membership ended.
    DeviceRevoked {
        /// The device.
        device: PublicKey,
    },
    /// An application came onto the ledger.
    AppDeployed {
        /// The application.
        app: AppId,
    },
    /// An application's wanted state changed.
    AppStateChanged {
        /// The application.
        app: AppId,
        /// The state wanted now.
        wanted: AppState,
    },
    /// A workflow was created.
    WorkflowCreated {
        /// The workflow.
        workflow: WorkflowId,
    },
    /// A workflow takes no new requests.
    WorkflowRetired {
        /// The workflow.
        workflow: WorkflowId,
    },
    /// A node reported its resources.
    ResourcesReported {
        /// The node.
        node: PublicKey,
    },
    /// A node's snapshot outlived its time to live.
    ResourcesExpired {
        /// The node.
        node: PublicKey,
    },
    /// A request is on the ledger.
    RequestAccepted {
        /// The request.
        request: RequestId,
    },
    /// A node shall plan a request.
    Designated {
        /// The request.
        request: RequestId,
        /// Number of the designation.
        designation: u32,
        /// The node.
        node: PublicKey,
    },
    /// A designation ended without a plan.
    DesignationEnded {
        /// The request.
        request: RequestId,
        /// Number of the designation.
        designation: u32,
        /// The node.
        node: PublicKey,
        /// Why, for people.
        reason: String,
    },
    /// No node can be designated for a request.
    RequestWaiting {
        /// The request.
        request: RequestId,
        /// Why, for people.
        reason: String,
    },
    /// A plan is Active.
    PlanConfirmed {
        /// The request.
        request: RequestId,
        /// Number of the designation.
        designation: u32,
    },
    /// A task is recorded done.
    TaskDone {
        /// The request.
        request: RequestId,
        /// The task.
        task: TaskId,
    },
    /// A plan gave out; the request is Requested again.
    PlanAbandoned {
        /// The request.
        request: RequestId,
        /// Number of the designation whose plan it was.
        designation: u32,
        /// Why, for people.
        reason: String,
    },
    /// A request ended with a result.
    RequestFinalized {
        /// The request.
        request: RequestId,
    },
    /// A request ended without a result.
    RequestFailed {
        /// The request.
        request: RequestId,
        /// Why, for people.
        reason: String,
    },
    /// A request was cancelled.
    RequestCancelled {
        /// The request.
        request: RequestId,
    },
    /// An ended request's record left the state; its receipts stay provable.
    RequestRetired {
        /// The request.
        request: RequestId,
    },
    /// A node broke a rule that charges it.
    Fault {
        /// The node.
        node: PublicKey,
        /// Number of the fault among the node's.
        number: u32,
        /// Which rule, and how.
        rejection: Rejection,
    },
    /// A node is no longer designated or assigned, for its faults.
    NodeQuarantined {
        /// The node.
        node: PublicKey,
        /// Faults that count.
        faults: u32,
    },
    /// An operator let a quarantined node work again.
    QuarantineLifted {
        /// The node.
        node: PublicKey,
    },
    /// Replicas of a task differ, and it is nobody's fault: the application is not declared
    /// deterministic, or too few agree.
    OutputsDiffer {
        /// The request.
        request: RequestId,
        /// The task.
        task: TaskId,
        /// Most nodes that agree.
        agreeing: u32,
        /// The nodes that signed another output.
        differing: Vec<PublicKey>,
    },
    /// The network's parameters were changed; they hold from the next block on.
    ParametersChanged,
    /// A policy was set, anew or in another's place.
    PolicySet {
        /// The policy.
        policy: PolicyId,
    },
    /// A policy was removed.
    PolicyRemoved {
        /// The policy.
        policy: PolicyId,
    },
    /// A node's membership ended.
    NodeRemoved {
        /// The node.
        node: PublicKey,
    },
    /// What operators say of a node changed.
    NodeChanged {
        /// The node.
        node: PublicKey,
    },
    /// An operator barred a node.
    NodeBarred {
        /// The node.
        node: PublicKey,
        /// Why.
        reason: String,
    },
    /// A node is ready to vote from a committee on that is decided from now on.
    NodeReady {
        /// The node.
        node: PublicKey,
    },
    /// Who votes next is settled.
    CommitteeDecided(Committee),
    /// A committee votes from the next block on.
    CommitteeBegan {
        /// Its number.
        committee: u64,
    },
    /// A version of the protocol shall hold from a height on.
    ProtocolOrdered(Activation),
    /// The rules of a version hold from this block on.
    ProtocolBegan {
        /// The version.
        version: u32,
    },
    /// Nodes begin an application anew.
    AppRestarted {
        /// The application.
        app: AppId,
    },
    /// A node said how its copy of an application is.
    AppReported {
        /// The application.
        app: AppId,
        /// The node.
        node: PublicKey,
        /// Whether it runs.
        condition: Condition,
        /// Why not, or what an operator should know of it.
        note: Option<String>,
    },
    /// An operator was admitted, or changed.
    OperatorAdmitted {
        /// The operator.
        operator: PublicKey,
    },
    /// An operator's membership ended.
    OperatorRevoked {
        /// The operator.
        operator: PublicKey,
    },
}

impl Event {
    /// The request that the event is about.
    #[must_use]
    pub const fn request(&self) -> Option<&RequestId> {
        match self {
            Self::RequestAccepted { request }
            | Self::Designated { request, .. }
            | Self::DesignationEnded { request, .. }
            | Self::RequestWaiting { request, .. }
            | Self::PlanConfirmed { request, .. }
            | Self::TaskDone { request, .. }
            | Self::PlanAbandoned { request, .. }
            | Self::RequestFinalized { request }
            | Self::RequestFailed { request, .. }
            | Self::OutputsDiffer { request, .. }
            | Self::RequestCancelled { request }
            | Self::RequestRetired { request } => Some(request),
            _ => None,
        }
    }
}
