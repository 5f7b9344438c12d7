//! What a fresh local mesh is given before it is used: applications, a workflow, devices.
//! All of it by signed transactions, as any operator would.

use super::readiness;
use crate::{
    failure::{Done, Failure},
    output::Progress,
};
use serde_json::Value;
use std::{path::Path, time::Duration};
use trustmesh_client::Operator;
use trustmesh_node::keystore;
use trustmesh_types::{
    AppId, SecretKey, TaskId, WorkflowId, canonical,
    resources::{MIB, Resources},
    workflow::{Task, Workflow},
};

/// What a run of a small module reserves.
pub const SMALL: Resources = Resources { cpu_millis: 100, memory_bytes: 32 * MIB, disk_bytes: 0 };

/// Deploys a module under a name.
pub async fn deploy(operator: &Operator, name: &str, module: &[u8]) -> Done {
    let deployed = operator.deploy_module(AppId::new(name)?, SMALL, module).await;
    deployed.map(drop).map_err(|e| Failure::from(e).at(name))
}

/// Waits until all nodes run these applications.
pub async fn ready(operator: &Operator, names: &[&str], progress: &Progress) -> Done {
    let apps = names.iter().map(|name| AppId::new(name)).collect::<Result<Vec<_>, _>>()?;
    readiness::wait(operator.client(), &apps, progress).await;
    Ok(())
}

/// A workflow of tasks one after the other: name, application, parameters.
pub fn chain(name: &str, stages: &[(&str, &str, Value)], timeout: Duration) -> Done<Workflow> {
    let mut tasks: Vec<Task> = Vec::new();
    for (id, app, params) in stages {
        tasks.push(Task {
            id: TaskId::new(id)?,
            app: AppId::new(app)?,
            after: tasks.last().map(|task| task.id.clone()).into_iter().collect(),
            params: canonical_text(params)?,
            timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
            replicas: 1,
        });
    }
    Ok(Workflow { id: WorkflowId::new(name)?, tasks, scheduler: None })
}

fn canonical_text(value: &Value) -> Done<String> {
    let bytes = canonical::to_canonical(value).map_err(Failure::usage)?;
    String::from_utf8(bytes).map_err(Failure::failed)
}

/// Creates a workflow.
pub async fn create_workflow(operator: &Operator, workflow: &Workflow) -> Done {
    operator.create_workflow(workflow.clone()).await?;
    Ok(())
}

/// Makes a device's key file and registers the device.
pub async fn register_device(operator: &Operator, name: &str, file: &Path) -> Done<SecretKey> {
    let key = keystore::generate(file).map_err(Failure::failed)?;
    operator.register_device(key.public(), name).await?;
    Ok(key)
}
