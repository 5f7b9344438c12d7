//! Inputs: everything that a compute node's behaviour may depend on.
//!
//! The driver (daemon) and the world (simulator) turn what happens around a node into these;
//! nothing else reaches the agent. Times are Unix milliseconds of the node's own clock.

use std::sync::Arc;
use trustmesh_state::{Finalized, State};
use trustmesh_types::{
    AppId, Digest, PublicKey, RequestId, Signature, TaskId, crypto::SecretKey,
    evidence::SignedCompletion, message::Message, request::RequestBody, resources::Snapshot,
    votes::ConflictingVotes,
};

/// Immutable bytes, shared without copying.
pub type Bytes = Arc<[u8]>;

/// Names an answer that somebody waits for outside the agent.
pub type Ticket = u64;

/// What an agent is made from.
#[derive(Debug, Clone)]
pub struct Config {
    /// This node's key: the agent signs storage receipts, completions and failures.
    pub key: SecretKey,
    /// Seed of everything random that this node does (a scheduler's draws).
    pub seed: [u8; 32],
    /// The newest durable ledger state.
    pub state: State,
    /// This node's completions that were durable before a restart.
    pub recovered: Vec<SignedCompletion>,
}

/// Names one run of a task on this node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId {
    /// The request.
    pub request: RequestId,
    /// The designation whose plan assigned the task.
    pub designation: u32,
    /// The task.
    pub task: TaskId,
}

/// What a run gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOutput {
    /// Canonical JSON (RFC 8785) of the output's `data`.
    pub data: Bytes,
    /// How long the application ran, in microseconds.
    pub duration_us: u64,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// A block was finalized and executed. In height order, without gaps.
    Block(Arc<Finalized>),
    /// A device's request came in by HTTP; it waits for [`crate::Effect::Reply`].
    Submit {
        /// To answer with.
        ticket: Ticket,
        /// What the device signed.
        body: RequestBody,
        /// By the device.
        signature: Signature,
        /// The input: canonical JSON.
        data: Bytes,
    },
    /// A publisher's artifact came in by HTTP, and all of it is held durably; the publisher
    /// waits for [`crate::Effect::Reply`].
    Publish {
        /// To answer with.
        ticket: Ticket,
        /// Digest of its contents.
        contents: Digest,
        /// Bytes of its blobs.
        bytes: u64,
        /// A repository of an OCI registry that has it, too.
        registry: Option<String>,
    },
    /// A message came from another node, whose identity the channel has proved.
    Message {
        /// The sender.
        from: PublicKey,
        /// The message.
        message: Message,
    },
    /// Answer to [`crate::Effect::Store`] or [`crate::Effect::KeepOutput`]: durable, or why not.
    Stored {
        /// Digest of the bytes.
        digest: Digest,
        /// Why they are not durable.
        result: Result<(), String>,
    },
    /// Answer to [`crate::Effect::Load`].
    Loaded {
        /// Digest of the bytes.
        digest: Digest,
        /// The bytes, checked against the digest; `None` when this node has none.
        data: Option<Bytes>,
    },
    /// Answer to [`crate::Effect::Obtain`].
    Obtained {
        /// Digest of the contents.
        contents: Digest,
        /// Whether all of them were asked for.
        whole: bool,
        /// Held durably, with what an operator should know of how they came (who sent other
        /// bytes, say); or why not.
        result: Result<Option<String>, String>,
    },
    /// An application's copy on this node runs, or can't and why: after
    /// [`crate::Effect::Start`], and whenever that changes.
    Started {
        /// The application.
        app: AppId,
        /// The generation that was to start.
        generation: u32,
        /// Whether it runs.
        result: Result<(), String>,
    },
    /// Answer to [`crate::Effect::Run`].
    Ran {
        /// The run.
        run: RunId,
        /// Its output, or why it failed: a sentence with the tail of the application's log.
        result: Result<RunOutput, String>,
    },
    /// The machine's resources were sampled, every `snapshot_interval_ms` and once at start.
    Sampled(Snapshot),
    /// The engine has proof, checked, that a validator contradicted itself.
    Misbehaviour(ConflictingVotes),
    /// The time asked for by [`crate::Effect::Wake`] has come.
    Woken,
}
