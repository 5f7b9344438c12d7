//! What network-defined rules are told of the ledger's records (PROTOCOL rule C7). The
//! contract and the schedulers build it by these functions, so that both judge alike.

use trustmesh_policy::{NodeFacts, RequestFacts, TaskFacts};
use trustmesh_types::{
    records::{AppRecord, NodeInfo, NodeLoad},
    request::RequestBody,
    resources::Resources,
    workflow::Task,
};

/// A request.
#[must_use]
pub fn request(body: &RequestBody) -> RequestFacts {
    RequestFacts {
        workflow: body.workflow.to_string(),
        device: body.device.to_string(),
        input_bytes: body.input_bytes,
        persist: body.persist,
    }
}

/// A task of its workflow, at its topological level; nothing is known of what it reserves
/// when its application is gone.
#[must_use]
pub fn task(task: &Task, level: u32, app: Option<&AppRecord>) -> TaskFacts {
    TaskFacts {
        id: task.id.to_string(),
        app: task.app.to_string(),
        level,
        replicas: task.replicas,
        timeout_ms: task.timeout_ms,
        requirements: app.map_or(Resources::ZERO, |app| app.manifest.requirements),
    }
}

/// A node, before the plan.
#[must_use]
pub fn node(info: &NodeInfo, load: &NodeLoad) -> NodeFacts {
    NodeFacts {
        key: info.key.to_string(),
        name: info.name.clone(),
        labels: info.labels.clone(),
        arch: info.arch.clone(),
        capacity: info.capacity,
        available: load.available(&info.capacity),
        reserved: load.reserved,
        misses: load.misses,
        ..NodeFacts::default()
    }
}
