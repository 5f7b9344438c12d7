//! Members and what they put on the ledger, as the API shows them.

use serde::{Deserialize, Serialize};
use trustmesh_types::{
    PublicKey,
    records::{AppRecord, NodeInfo, WorkflowRecord},
    resources::{Resources, Snapshot},
};

/// An application: its record.
pub type AppView = AppRecord;

/// A workflow: its record.
pub type WorkflowView = WorkflowRecord;

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// What operators say of it.
    #[serde(flatten)]
    pub info: NodeInfo,
    /// Barred from designation and assignment.
    pub quarantined: bool,
    /// Whether its snapshot is within its time to live.
    pub live: bool,
    /// Its newest snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
    /// What open plans hold on it.
    pub reserved: Resources,
    /// What is free: capacity − reservations − foreign use.
    pub available: Resources,
    /// Designations timed out and not yet made good.
    pub misses: u32,
    /// Height of the last change.
    pub changed: u64,
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceView {
    /// Its key.
    pub key: PublicKey,
    /// Its name for people.
    pub name: String,
    /// Whether its membership was ended.
    pub revoked: bool,
    /// Its requests that have not ended.
    pub open_requests: u32,
    /// Height of the last change.
    pub changed: u64,
}
