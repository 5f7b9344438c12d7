//! Members and what they put on the ledger, as the API shows them.

use serde::{Deserialize, Serialize};
use trustmesh_types::{
    PublicKey,
    records::{AppRecord, NodeInfo, PolicyRecord, Standing, WorkflowRecord},
    resources::{Resources, Snapshot},
};

/// An application, and how one node is doing with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppView {
    /// Its record on the ledger, the same on every node.
    #[serde(flatten)]
    pub record: AppRecord,
    /// Whether the node that answers has the module compiled, so that a task starts at once.
    /// Otherwise its first task there waits for that. A node with many applications forgets
    /// those that were not used for long.
    pub ready_here: bool,
}

/// A workflow: its record.
pub type WorkflowView = WorkflowRecord;

/// A network-defined rule: its record.
pub type PolicyView = PolicyRecord;

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// What operators say of it.
    #[serde(flatten)]
    pub info: NodeInfo,
    /// Barred from designation and assignment.
    pub quarantined: bool,
    /// Where it stands as a member.
    #[serde(default = "ready")]
    pub standing: Standing,
    /// Whether it votes on the next block.
    #[serde(default)]
    pub votes: bool,
    /// The height from which that changes, where it is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub votes_change_at: Option<u64>,
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
    /// Faults that count towards a quarantine.
    pub faults: u32,
    /// Height of the last change.
    pub changed: u64,
}

/// Of a node that does not say.
const fn ready() -> Standing {
    Standing::Ready
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

#[cfg(test)]
mod tests {
    use super::*;
    use trustmesh_types::{
        AppId, Digest, Signature,
        records::{AppManifest, AppState, Runtime},
    };

    #[test]
    fn an_application_is_its_record_and_whether_it_is_ready() {
        let record = AppRecord {
            manifest: AppManifest {
                id: AppId::new("app").unwrap(),
                version: "1".to_owned(),
                runtime: Runtime::Wasm,
                artifact: Digest::of(b"module"),
                artifact_bytes: 6,
                requirements: Resources { cpu_millis: 100, memory_bytes: 1, disk_bytes: 0 },
                deterministic: true,
            },
            publisher: PublicKey([1; 32]),
            publisher_signature: Signature([2; 64]),
            holders: vec![PublicKey([3; 32])],
            wanted: AppState::Deployed,
            changed: 4,
        };
        let mut expected = serde_json::to_value(&record).unwrap();
        expected["ready_here"] = true.into();
        let view = AppView { record, ready_here: true };
        let json = serde_json::to_value(&view).unwrap();
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_value::<AppView>(json).unwrap(), view);
    }
}
