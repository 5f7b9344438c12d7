//! What workers sign about the tasks they ran (PROTOCOL §4, Execution).

use crate::{
    codec,
    crypto::{BadSignature, Claim, Domain, PublicKey, SecretKey, Signature},
    digest::Digest,
    ids::{NetworkId, RequestId, TaskId},
    request::StorageReceipt,
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// One input of a task.
#[derive(
    Debug,
    Clone,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
pub struct TaskInput {
    /// The predecessor; `None` for the request's own input, which source tasks take.
    pub from: Option<TaskId>,
    /// Digest of the bytes.
    pub digest: Digest,
}

/// A worker's statement that it ran a task.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Completion {
    /// The request.
    pub request: RequestId,
    /// The designation whose plan assigned the task.
    pub designation: u32,
    /// The task.
    pub task: TaskId,
    /// The worker.
    pub node: PublicKey,
    /// What it took, sorted by `from`.
    pub inputs: Vec<TaskInput>,
    /// SHA-256 of the output's canonical JSON.
    pub output: Digest,
    /// Length of those bytes.
    pub output_bytes: u64,
    /// How long the application ran, in microseconds.
    pub duration_us: u64,
}

/// A completion and its worker's signature.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct SignedCompletion {
    /// The statement.
    pub completion: Completion,
    /// By `completion.node`.
    pub signature: Signature,
}

impl Completion {
    /// Signs the completion; `key` is that of `self.node`.
    #[must_use]
    pub fn sign(self, key: &SecretKey, network: &NetworkId) -> SignedCompletion {
        let signature = key.sign(Domain::Completion, network, &codec::encode(&self));
        SignedCompletion { completion: self, signature }
    }
}

impl SignedCompletion {
    /// Checks the signature against the node that the completion names.
    ///
    /// # Errors
    /// [`BadSignature`] when it does not verify.
    pub fn verify(&self, network: &NetworkId) -> Result<(), BadSignature> {
        self.claim(network).verify()
    }

    /// What [`Self::verify`] checks.
    #[must_use]
    pub fn claim(&self, network: &NetworkId) -> Claim {
        let bytes = codec::encode(&self.completion);
        Claim::new(self.completion.node, Domain::Completion, network, &bytes, self.signature)
    }
}

/// A worker's statement that a task failed.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct TaskFailure {
    /// The request.
    pub request: RequestId,
    /// The designation whose plan assigned the task.
    pub designation: u32,
    /// The task.
    pub task: TaskId,
    /// The worker.
    pub node: PublicKey,
    /// What happened, for people, with the tail of the application's log; at most
    /// [`crate::limits::TEXT_BYTES_MAX`] bytes.
    pub reason: String,
}

/// A task done, with what makes its output safe to build on.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct DoneTask {
    /// The worker's completion.
    pub completion: SignedCompletion,
    /// By at least f+1 distinct validators, for the output, with the request as subject.
    pub receipts: Vec<StorageReceipt>,
}

/// Marks tasks done that a next plan need not run again.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Progress {
    /// The request.
    pub request: RequestId,
    /// The designation whose plan assigned the tasks.
    pub designation: u32,
    /// The tasks.
    pub done: Vec<DoneTask>,
}

/// Ends a request with its result.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Finalization {
    /// The request.
    pub request: RequestId,
    /// The designation whose plan is active.
    pub designation: u32,
    /// One per task that is not yet recorded done (one per replica that agrees).
    pub completions: Vec<SignedCompletion>,
    /// By at least f+1 distinct validators for the output of every sink.
    pub receipts: Vec<StorageReceipt>,
}
