//! What only looks honest: plans for requests that are another node's to plan, outputs that
//! nobody computed.

use super::scene::Scene;
use serde_json::Value;
use trustmesh_agent::Bytes;
use trustmesh_types::{
    Digest, PublicKey, RequestId, TaskId, canonical,
    plan::{Assignment, Plan},
    records::RequestRecord,
    workflow::Workflow,
};

/// A request's record and workflow, as the ledger has them.
pub(super) fn request(scene: &Scene, id: &RequestId) -> Option<(RequestRecord, Workflow)> {
    let record = scene.state.request(id)?;
    let workflow = scene.state.workflow(&record.body.workflow)?.workflow;
    Some((record, workflow))
}

/// A plan that keeps every rule but who may make it: this node first, others as replicas ask.
pub(super) fn plan(
    scene: &Scene,
    record: &RequestRecord,
    workflow: &Workflow,
    designation: u32,
) -> Plan {
    let levels = workflow.levels().unwrap_or_default();
    let mut nodes: Vec<PublicKey> = vec![scene.me];
    nodes.extend(scene.others());
    let open = workflow.topological().into_iter().filter(|t| !record.done.contains_key(&t.id));
    let assignments = open.map(|task| Assignment {
        task: task.id.clone(),
        level: levels.get(&task.id).copied().unwrap_or(0),
        nodes: nodes.iter().take(usize::from(task.replicas)).copied().collect(),
    });
    Plan {
        request: record.id,
        designation,
        made_at: scene.state.height(),
        assignments: assignments.collect(),
    }
}

/// An output that no application of these worlds gives. Equal salts give equal outputs.
pub(super) fn output(request: &RequestId, task: &TaskId, salt: &[u8]) -> Bytes {
    let digest = Digest::of_parts(&[request.0.as_ref(), task.as_str().as_bytes(), salt]);
    let number = digest.0.iter().take(4).fold(0u64, |sum, b| sum << 8 | u64::from(*b));
    // Negative, so that it is no sum and no copy of the small positive inputs.
    let value = Value::from(vec![-1 - i64::try_from(number).unwrap_or(0)]);
    canonical::to_canonical(&value).unwrap_or_else(|_| b"[-1]".to_vec()).into()
}

/// Bytes that differ in one place: in a digit where there is one, so that what reads as JSON
/// still does.
pub(super) fn altered(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let digit = bytes.iter().position(u8::is_ascii_digit).unwrap_or(0);
    match bytes.get_mut(digit) {
        Some(byte) => *byte ^= 1,
        None => bytes.push(0),
    }
    bytes
}
