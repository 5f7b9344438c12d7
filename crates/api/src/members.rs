//! Members and what they put on the ledger, as the API shows them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trustmesh_types::{
    PublicKey,
    records::{
        AppCondition, AppRecord, NodeInfo, OperatorInfo, PolicyRecord, Standing, WorkflowRecord,
    },
    resources::{Resources, Snapshot},
};

/// An application, and how one node is doing with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppView {
    /// Its record on the ledger, the same on every node.
    #[serde(flatten)]
    pub record: AppRecord,
    /// What the nodes say of their copies on the ledger, of this generation.
    #[serde(default)]
    pub conditions: BTreeMap<PublicKey, AppCondition>,
    /// The copy of the node that answers, as it is this moment.
    pub here: CopyView,
}

/// A node's copy of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyView {
    /// How far it is.
    pub state: CopyState,
    /// What it does, or why it can't, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// How far a node is with its copy of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyState {
    /// It has none, and needs none.
    Absent,
    /// Its artifact is being fetched.
    Pulling,
    /// Its artifact is here, checked against the publisher's signature, and is being made ready.
    Verified,
    /// It runs tasks.
    Running,
    /// Its artifact is here, and it shall not run.
    Stopped,
    /// It can't run.
    Failed,
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

/// An operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorView {
    /// What is said of it.
    #[serde(flatten)]
    pub info: OperatorInfo,
    /// Whether its membership was ended.
    pub revoked: bool,
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

#[cfg(test)]
mod tests {
    use super::*;
    use trustmesh_types::{
        AppId, Contents, Signature,
        records::{AppManifest, AppState, Condition},
    };

    #[test]
    fn an_application_is_its_record_and_how_its_copies_are() {
        let contents = Contents::of_module(b"module").unwrap();
        let needs = Resources { cpu_millis: 100, memory_bytes: 1, disk_bytes: 0 };
        let record = AppRecord {
            manifest: AppManifest::module(AppId::new("app").unwrap(), &contents, needs),
            publisher: PublicKey([1; 32]),
            publisher_signature: Signature([2; 64]),
            holders: vec![PublicKey([3; 32])],
            wanted: AppState::Running,
            generation: 1,
            changed: 4,
        };
        let mut expected = serde_json::to_value(&record).unwrap();
        let node = PublicKey([3; 32]);
        expected["conditions"][node.to_string()] = serde_json::json!({
            "generation": 1, "condition": "running", "note": null, "changed": 5
        });
        expected["here"] = serde_json::json!({ "state": "failed", "why": "no engine" });
        let condition = Condition::Running;
        let said = AppCondition { generation: 1, condition, note: None, changed: 5 };
        let here = CopyView { state: CopyState::Failed, why: Some("no engine".to_owned()) };
        let view = AppView { record, conditions: [(node, said)].into(), here };
        let json = serde_json::to_value(&view).unwrap();
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_value::<AppView>(json).unwrap(), view);
    }
}
