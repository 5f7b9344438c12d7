//! Applications: what a publisher signs of one, what the ledger keeps of it, and what each node
//! says of its own copy (PROTOCOL §3, §7; ADR 0008).
//!
//! Invariant: everything that decides what runs and what it may do is in the manifest, and so
//! under the publisher's signature: the artifact down to its chunks, limits, grants.

use crate::{
    contents::Contents, crypto::PublicKey, digest::Digest, ids::AppId, resources::Resources,
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How an application is run.
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
pub enum Runtime {
    /// A WASI command module, JSON on stdin and stdout.
    Wasm,
    /// A container that listens on TCP 12345.
    Container,
}

impl std::fmt::Display for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Wasm => "wasm",
            Self::Container => "container",
        })
    }
}

/// What an application's state is, or shall be.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum AppState {
    /// Artifact verified and kept by the nodes.
    Deployed,
    /// Ready to run tasks.
    Running,
    /// Runs no task until started again.
    Stopped,
    /// Gone from the nodes; its id may be deployed anew.
    Removed,
}

/// What an application may do beside reading its input and writing its output. Nothing unless
/// said: then equal inputs give equal outputs, and nothing leaves the node.
#[derive(
    Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(default)]
pub struct Grants {
    /// The real time; else it is when the plan was confirmed. A container always sees it.
    pub clock: bool,
    /// Real randomness; else it comes from request and task. A container always has it.
    pub random: bool,
    /// `host:port` that a container may connect to through the node; `*.` before a host stands
    /// for one or more names.
    pub network: BTreeSet<String>,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
}

/// What a publisher signs of an application.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct AppManifest {
    /// Its name.
    pub id: AppId,
    /// A version for people.
    pub version: String,
    /// How it is run.
    pub runtime: Runtime,
    /// SHA-256 of the module, or of the image's OCI manifest or index.
    pub artifact: Digest,
    /// Digest of the artifact's [`crate::Contents`].
    pub contents: Digest,
    /// Bytes of the artifact's blobs.
    pub artifact_bytes: u64,
    /// Where the artifact also is: a repository of an OCI registry, `host[:port]/name`. A hint,
    /// not a matter of trust.
    pub registry: Option<String>,
    /// What each run of a task reserves, and what it may use at most; a container's calls at one
    /// time share it.
    pub requirements: Resources,
    /// Processor architectures that it is there for, as in `x86_64`; empty: any.
    pub architectures: BTreeSet<String>,
    /// Whether equal inputs give equal outputs on every node.
    pub deterministic: bool,
    /// What it may do beside.
    pub grants: Grants,
    /// How long a container may take until it answers.
    pub start_timeout_ms: u64,
}

/// How long a container may take to answer, unless told otherwise.
pub const START_TIMEOUT_MS_DEFAULT: u64 = 30_000;

impl AppManifest {
    /// A deterministic application of one module, for any architecture, without grants.
    #[must_use]
    pub fn module(id: AppId, contents: &Contents, requirements: Resources) -> Self {
        Self {
            id,
            version: "1".to_owned(),
            runtime: Runtime::Wasm,
            artifact: contents.root(),
            contents: contents.digest(),
            artifact_bytes: contents.bytes(),
            registry: None,
            requirements,
            architectures: BTreeSet::new(),
            deterministic: true,
            grants: Grants::default(),
            start_timeout_ms: START_TIMEOUT_MS_DEFAULT,
        }
    }

    /// Whether it is there for an architecture.
    #[must_use]
    pub fn is_for(&self, arch: &str) -> bool {
        self.architectures.is_empty() || self.architectures.contains(arch)
    }
}

/// An application on the ledger.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct AppRecord {
    /// What the publisher signed.
    pub manifest: AppManifest,
    /// The publisher.
    pub publisher: PublicKey,
    /// Over the manifest.
    pub publisher_signature: crate::Signature,
    /// Validators that signed for the artifact.
    pub holders: Vec<PublicKey>,
    /// What its state shall be.
    pub wanted: AppState,
    /// Goes up whenever nodes shall begin anew: deployed, started or restarted.
    pub generation: u32,
    /// Height of the last change.
    pub changed: u64,
}

/// What a node says of its copy of an application.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It runs tasks of it.
    Running,
    /// It can't.
    Failed,
}

/// A node's word on an application, as the ledger keeps it: only the newest counts, and only
/// while the application is of the same generation.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct AppCondition {
    /// The application's generation that it is about.
    pub generation: u32,
    /// Whether it runs.
    pub condition: Condition,
    /// Why not, or what an operator should know of it: a registry that sent other bytes, say.
    pub note: Option<String>,
    /// Height of the last change.
    pub changed: u64,
}
