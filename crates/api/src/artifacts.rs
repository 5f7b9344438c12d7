//! Artifacts on their way to a node, and what f+1 validators say of them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trustmesh_types::{Digest, request::StorageReceipt};

/// What a node lacks of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ArtifactStatus {
    /// By blob, the numbers of the chunks that are not here, from 0.
    pub missing: BTreeMap<Digest, Vec<u64>>,
}

/// Asks for validators' receipts for an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishArtifact {
    /// A repository of an OCI registry that has it, too: what the node lacks is taken from
    /// there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
}

/// Validators' receipts for an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactReceipts {
    /// Digest of its contents.
    pub contents: Digest,
    /// Bytes of its blobs.
    pub bytes: u64,
    /// At least f+1 validators'.
    pub receipts: Vec<StorageReceipt>,
}

/// The end of an application's log on one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppLog {
    /// Lines, oldest first.
    pub text: String,
}

/// How much of a log.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppLogQuery {
    /// At most this many lines from its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<u32>,
}
