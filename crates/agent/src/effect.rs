//! Effects: everything that a compute node's behaviour may bring about.
//!
//! The driver (daemon) and the world (simulator) interpret the same effects, in order.

use crate::{
    explained::Explained,
    input::{Bytes, RunId, Ticket},
};
use trustmesh_types::{
    AppId, Digest, Payload, PublicKey, RequestId, TaskId,
    evidence::SignedCompletion,
    message::Message,
    records::{AppManifest, Grants, Runtime},
    reject::Rejection,
    request::StorageReceipt,
};

/// What a stored blob is, for quotas and figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlobKind {
    /// A request's input.
    Input,
    /// A task's output.
    Output,
}

/// The answer to a [`Ticket`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The request is on the ledger, and f+1 validators hold its input.
    Accepted(RequestId),
    /// f+1 validators hold the artifact; these are their receipts.
    Published(Vec<StorageReceipt>),
    /// Refused, before or by the ledger.
    Refused(Rejection),
    /// Could not be done now; the sentence says why, and the sender may try again.
    Unavailable(String),
}

/// A run of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSpec {
    /// Its name.
    pub run: RunId,
    /// The application.
    pub app: AppId,
    /// How the application is run.
    pub runtime: Runtime,
    /// Digest of the contents of the application's artifact.
    pub contents: Digest,
    /// The JSON object that the application reads (DESIGN, "What an application is").
    pub input: Bytes,
    /// Memory cap, from the application's requirements.
    pub memory_bytes: u64,
    /// Share of a core in thousandths, from the application's requirements: over the timeout
    /// it makes the run's CPU time.
    pub cpu_millis: u64,
    /// Longest run, from the workflow.
    pub timeout_ms: u64,
    /// Seed of the application's randomness: equal for every replica.
    pub seed: [u8; 32],
    /// What the application sees as the time: when the plan was confirmed, Unix milliseconds.
    pub clock_ms: u64,
    /// What the application may do beside: real time, real randomness, its environment.
    pub grants: Grants,
}

/// An artifact to be fetched, checked and kept durably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obtain {
    /// Digest of its contents.
    pub contents: Digest,
    /// Whether all of them are wanted, or only what this node would run.
    pub whole: bool,
    /// Bytes of all its blobs.
    pub bytes: u64,
    /// Nodes that hold it or may, best first.
    pub sources: Vec<PublicKey>,
    /// A repository of an OCI registry that has it, too.
    pub registry: Option<String>,
}

/// An application to be made ready to run tasks, in place of an earlier generation of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The application's generation, to answer with.
    pub generation: u32,
    /// What it is; its artifact is held.
    pub manifest: Box<AppManifest>,
}

/// A finalized request's result, to be sealed to its device and held for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The request.
    pub request: RequestId,
    /// X25519 public key of the device, from the ledger's record alone.
    pub result_key: Digest,
    /// Every sink's output, in topological order.
    pub outputs: Vec<(TaskId, Bytes)>,
    /// The completions that finalized the request, every task's.
    pub completions: Vec<SignedCompletion>,
    /// Until when the sealed result is held, Unix milliseconds.
    pub until_ms: u64,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Sign a transaction with this node's key and bring it to the ledger.
    Transact(Payload),
    /// Send a message to another node; it may get lost.
    Send {
        /// The receiver.
        to: PublicKey,
        /// The message.
        message: Message,
    },
    /// This node will write to these under a plan that it works for: be connected to them by
    /// then.
    Meet(Vec<PublicKey>),
    /// Keep bytes durably, then answer with [`crate::Input::Stored`].
    Store {
        /// Digest of the bytes.
        digest: Digest,
        /// The bytes.
        data: Bytes,
        /// What they are.
        kind: BlobKind,
        /// Until when, Unix milliseconds.
        until_ms: u64,
    },
    /// Keep a task's output *and* this node's completion durably in one step, then answer
    /// with [`crate::Input::Stored`] for the output's digest. The completion comes back as
    /// `recovered` after a restart, until `until_ms`.
    KeepOutput {
        /// What this node signed.
        completion: SignedCompletion,
        /// The output.
        data: Bytes,
        /// Until when, Unix milliseconds.
        until_ms: u64,
    },
    /// Keep the reasons of a plan or decline for people who ask, until its `until_ms`. It comes
    /// right after the transaction that they belong to; nothing waits for it, and it may get
    /// lost.
    KeepPlacement(Explained),
    /// Read bytes that this node may have, then answer with [`crate::Input::Loaded`].
    Load {
        /// Digest of the bytes.
        digest: Digest,
    },
    /// Run a task, then answer with [`crate::Input::Ran`].
    Run(RunSpec),
    /// Fetch and keep an artifact, then answer with [`crate::Input::Obtained`]; at once when it
    /// is held.
    Obtain(Obtain),
    /// Make an application ready, then answer with [`crate::Input::Started`]; again whenever
    /// that changes.
    Start(Start),
    /// An application shall run no more: what runs of it may end in order.
    Stop {
        /// The application.
        app: AppId,
    },
    /// Nobody needs an artifact any more.
    Discard {
        /// Digest of its contents.
        contents: Digest,
    },
    /// Seal a result and hold it for its device.
    Deliver(Delivery),
    /// Answer whoever waits for a ticket.
    Reply {
        /// The ticket.
        ticket: Ticket,
        /// The answer.
        answer: Answer,
    },
    /// Give [`crate::Input::Woken`] at this time, Unix milliseconds. A later one replaces an
    /// earlier one.
    Wake {
        /// When.
        at_ms: u64,
    },
    /// Something worth a line in the log, already in words.
    Note {
        /// Whether an operator should look at it.
        warning: bool,
        /// The request it is about.
        request: Option<RequestId>,
        /// What happened.
        text: String,
    },
}
