//! Transactions: the only way to change the ledger (PROTOCOL §2 and §3).
//!
//! Variants of [`Payload`] are only ever added at the end: their position is their tag on
//! the wire.

use crate::{
    codec,
    crypto::{BadSignature, Claim, Domain, PublicKey, SecretKey, Signature},
    digest::Digest,
    evidence::{Finalization, Progress, TaskFailure},
    faults::Conflict,
    genesis::ParametersChange,
    ids::{AppId, NetworkId, PolicyId, RequestId, TxId, WorkflowId},
    plan::{Decline, Plan},
    policy::Policy,
    records::{AppManifest, AppState, Condition, NodeInfo, OperatorInfo},
    request::{StorageReceipt, Submission},
    resources::ResourceReport,
    votes::ConflictingVotes,
    workflow::Workflow,
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Version of the transaction encoding.
pub const TRANSACTION_VERSION: u8 = 1;

/// Puts an application on the ledger.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Deployment {
    /// What the application is and needs.
    pub manifest: AppManifest,
    /// The publisher's signature over the encoded manifest ([`Domain::Artifact`]).
    pub publisher_signature: Signature,
    /// By at least f+1 distinct validators, for the digest of the artifact's contents, which is
    /// their subject, too.
    pub receipts: Vec<StorageReceipt>,
}

/// What a transaction does.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
pub enum Payload {
    /// Admits a node. It works and plans at once; one that is to be a validator votes from a
    /// committee on that is decided after it was [`Self::Ready`]. Operators.
    AdmitNode(NodeInfo),
    /// Registers a device under a name for people. Operators.
    RegisterDevice {
        /// The device.
        device: PublicKey,
        /// For people.
        name: String,
    },
    /// Ends a device's membership. Operators.
    RevokeDevice {
        /// The device.
        device: PublicKey,
    },
    /// Puts an application on the ledger. Operators who may publish.
    DeployApp(Deployment),
    /// Sets what an application's state shall be. Operators who may publish.
    SetAppState {
        /// The application.
        app: AppId,
        /// The state wanted.
        wanted: AppState,
    },
    /// Creates a workflow. Operators.
    CreateWorkflow(Workflow),
    /// Ends a workflow for new requests. Operators.
    RetireWorkflow {
        /// The workflow.
        workflow: WorkflowId,
    },
    /// A node's resources.
    ReportResources(ResourceReport),
    /// Phase 1. Any node.
    SubmitRequest(Submission),
    /// Ends a request early. Its device, or an operator.
    CancelRequest {
        /// The request.
        request: RequestId,
    },
    /// Phase 2: the designated node's plan.
    ConfirmSchedule(Plan),
    /// Phase 2: the designated node finds no plan.
    DeclineSchedule(Decline),
    /// A worker's task failed.
    ReportFailure(TaskFailure),
    /// Tasks done before a plan gave out. Any node.
    RecordProgress(Progress),
    /// All tasks done. Any node.
    Finalize(Finalization),
    /// Anchors a digest or short note of the signer's in the ledger's order. Any member.
    Note {
        /// At most [`crate::limits::NOTE_BYTES_MAX`] bytes.
        bytes: Vec<u8>,
    },
    /// Completions that contradict each other. Any node.
    ReportConflict(Conflict),
    /// Lets a quarantined node be designated and assigned again. Operators.
    LiftQuarantine {
        /// The node.
        node: PublicKey,
    },
    /// Changes the network's parameters. Operators.
    SetParameters(ParametersChange),
    /// A validator contradicted itself in agreement. Any node.
    ReportVotes(ConflictingVotes),
    /// Sets a policy, anew or in place of the one of its name. Operators.
    SetPolicy(Policy),
    /// Removes a policy. Operators.
    RemovePolicy {
        /// The policy.
        policy: PolicyId,
    },
    /// Ends a node's membership: it plans and works no more, and votes until the next committee
    /// that is decided begins. Operators.
    RemoveNode {
        /// The node.
        node: PublicKey,
    },
    /// Admits a node in place of another, which goes when the new one is ready. Operators.
    ReplaceNode {
        /// The node that goes.
        old: PublicKey,
        /// The node that comes.
        new: NodeInfo,
    },
    /// Says anew what a node is: roles, labels, capacity, runtimes, addresses. Operators.
    ChangeNode(NodeInfo),
    /// Bars a node from planning, working and voting, until it is lifted. Operators.
    QuarantineNode {
        /// The node.
        node: PublicKey,
        /// Why, for people.
        reason: String,
    },
    /// A node that is to be a validator says that it follows the chain, and that it has cast no
    /// vote that it does not know of in any committee that is decided from here on. One that
    /// has lost its votes says so again. The node itself.
    Ready,
    /// Lets the rules of the next version of the protocol hold from a height on. Operators.
    ActivateProtocol {
        /// The version.
        version: u32,
        /// The first block that its rules hold for.
        height: u64,
    },
    /// Lets every node begin an application that shall run anew. Operators who may publish.
    RestartApp {
        /// The application.
        app: AppId,
    },
    /// A node's word on its copy of an application. The node itself.
    ReportApp(AppReport),
    /// Admits an operator, or says anew what one is. Operators.
    AdmitOperator(OperatorInfo),
    /// Ends an operator's membership: what it published is stopped, and starts no more until
    /// another publisher deploys it. Operators.
    RevokeOperator {
        /// The operator.
        operator: PublicKey,
    },
}

/// A node's word on its copy of an application.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct AppReport {
    /// The application.
    pub app: AppId,
    /// Its generation that this is about.
    pub generation: u32,
    /// Whether it runs.
    pub condition: Condition,
    /// Why not, or what an operator should know of it; at most
    /// [`crate::limits::TEXT_BYTES_MAX`] bytes.
    pub note: Option<String>,
}

/// What a member signs.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Transaction {
    /// [`TRANSACTION_VERSION`].
    pub version: u8,
    /// The network it is meant for.
    pub network: NetworkId,
    /// The member.
    pub signer: PublicKey,
    /// The last height at which it may be included.
    pub valid_until_height: u64,
    /// Makes two otherwise equal transactions different.
    pub nonce: u64,
    /// What it does.
    pub payload: Payload,
}

/// A transaction and its signer's signature.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct SignedTransaction {
    /// What was signed.
    pub transaction: Transaction,
    /// By `transaction.signer`.
    pub signature: Signature,
}

impl Transaction {
    /// The transaction's id. The signature is not part of it, so it counts once however
    /// often it is signed.
    #[must_use]
    pub fn id(&self) -> TxId {
        TxId(Digest::of(&codec::encode(self)))
    }

    /// Signs; `key` is that of `self.signer`.
    #[must_use]
    pub fn sign(self, key: &SecretKey) -> SignedTransaction {
        let signature = key.sign(Domain::Transaction, &self.network, self.id().0.as_ref());
        SignedTransaction { transaction: self, signature }
    }
}

impl SignedTransaction {
    /// The transaction's id.
    #[must_use]
    pub fn id(&self) -> TxId {
        self.transaction.id()
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// [`BadSignature`] when it does not verify.
    pub fn verify(&self) -> Result<(), BadSignature> {
        self.claim(&self.transaction.network, &self.id()).verify()
    }

    /// What is signed: the id, so that who has it need not encode again. `network` is the
    /// one that it is to be for.
    #[must_use]
    pub fn claim(&self, network: &NetworkId, id: &TxId) -> Claim {
        let signer = self.transaction.signer;
        Claim::new(signer, Domain::Transaction, network, id.0.as_ref(), self.signature)
    }
}

impl Payload {
    /// Whether it may change which nodes there are, or what they are.
    #[must_use]
    pub const fn changes_nodes(&self) -> bool {
        matches!(
            self,
            Self::AdmitNode(_)
                | Self::RemoveNode { .. }
                | Self::ReplaceNode { .. }
                | Self::ChangeNode(_)
                | Self::QuarantineNode { .. }
                | Self::LiftQuarantine { .. }
                | Self::Ready
        )
    }

    /// The kind's name, as in JSON.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::AdmitNode(_) => "admit_node",
            Self::RegisterDevice { .. } => "register_device",
            Self::RevokeDevice { .. } => "revoke_device",
            Self::DeployApp(_) => "deploy_app",
            Self::SetAppState { .. } => "set_app_state",
            Self::CreateWorkflow(_) => "create_workflow",
            Self::RetireWorkflow { .. } => "retire_workflow",
            Self::ReportResources(_) => "report_resources",
            Self::SubmitRequest(_) => "submit_request",
            Self::CancelRequest { .. } => "cancel_request",
            Self::ConfirmSchedule(_) => "confirm_schedule",
            Self::DeclineSchedule(_) => "decline_schedule",
            Self::ReportFailure(_) => "report_failure",
            Self::RecordProgress(_) => "record_progress",
            Self::Finalize(_) => "finalize",
            Self::Note { .. } => "note",
            Self::ReportConflict(_) => "report_conflict",
            Self::LiftQuarantine { .. } => "lift_quarantine",
            Self::SetParameters(_) => "set_parameters",
            Self::ReportVotes(_) => "report_votes",
            Self::SetPolicy(_) => "set_policy",
            Self::RemovePolicy { .. } => "remove_policy",
            Self::RemoveNode { .. } => "remove_node",
            Self::ReplaceNode { .. } => "replace_node",
            Self::ChangeNode(_) => "change_node",
            Self::QuarantineNode { .. } => "quarantine_node",
            Self::Ready => "ready",
            Self::ActivateProtocol { .. } => "activate_protocol",
            Self::RestartApp { .. } => "restart_app",
            Self::ReportApp(_) => "report_app",
            Self::AdmitOperator(_) => "admit_operator",
            Self::RevokeOperator { .. } => "revoke_operator",
        }
    }
}
