//! The workflows contract: immutable graphs of tasks (PROTOCOL §3). A name is never used
//! twice, so a workflow's id says for ever what ran.

use super::values;
use crate::{
    machine::Draft,
    tables::{Apps, Workflows},
};
use trustmesh_types::{
    PublicKey, WorkflowId, canonical,
    events::Event,
    records::{AppState, WorkflowRecord},
    reject::{RejectCode, Rejection},
    workflow::{Task, Workflow},
};

/// Creates a workflow.
///
/// # Errors
/// [`Rejection`] when the signer is no operator, the name was used, the tasks are no
/// bounded acyclic graph, or an application is missing or removed.
pub fn create(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    workflow: &Workflow,
) -> Result<(), Rejection> {
    values::operator(draft, signer, "create workflows")?;
    if draft.store.contains::<Workflows>(&workflow.id) {
        let reason = format!(
            "workflow {} exists, and names are never used twice; choose another",
            workflow.id
        );
        return Err(Rejection::new(RejectCode::WorkflowExists, reason));
    }
    workflow.validate().map_err(|e| Rejection::new(RejectCode::InvalidWorkflow, e.to_string()))?;
    for task in &workflow.tasks {
        check_params(task)?;
        check_app(draft, task)?;
    }
    let record = WorkflowRecord {
        workflow: workflow.clone(),
        creator: *signer,
        retired: false,
        changed: draft.height,
    };
    draft.store.put::<Workflows>(&workflow.id, &record);
    draft.emit(Event::WorkflowCreated { workflow: workflow.id.clone() });
    Ok(())
}

/// One form only, so that every node gives an application the same bytes.
fn check_params(task: &Task) -> Result<(), Rejection> {
    let refuse = |why: &str| {
        let reason = format!("params of task {} {why}", task.id);
        Err(Rejection::new(RejectCode::InvalidWorkflow, reason))
    };
    let value: serde_json::Value = match serde_json::from_str(&task.params) {
        Ok(value) => value,
        Err(e) => return refuse(&format!("are no JSON: {e}")),
    };
    if !value.is_object() {
        return refuse("must be a JSON object");
    }
    match canonical::to_canonical(&value) {
        Ok(bytes) if bytes == task.params.as_bytes() => Ok(()),
        Ok(_) => refuse("are not in canonical form (RFC 8785)"),
        Err(e) => refuse(&format!("have {e}")),
    }
}

fn check_app(draft: &Draft<'_>, task: &Task) -> Result<(), Rejection> {
    let why = match draft.store.get::<Apps>(&task.app) {
        Some(app) if app.wanted != AppState::Removed => return Ok(()),
        Some(_) => "was removed",
        None => "is missing",
    };
    let reason = format!("application {} of task {} {why}; deploy it first", task.app, task.id);
    Err(Rejection::new(RejectCode::UnknownApp, reason))
}

/// Ends a workflow for new requests; open ones go on.
///
/// # Errors
/// [`Rejection`] when the signer is no operator, or the workflow is unknown or retired.
pub fn retire(draft: &mut Draft<'_>, signer: &PublicKey, id: &WorkflowId) -> Result<(), Rejection> {
    values::operator(draft, signer, "retire workflows")?;
    let Some(mut record) = draft.store.get::<Workflows>(id) else {
        let reason = format!("there is no workflow {id}; see `trustmesh workflow list`");
        return Err(Rejection::new(RejectCode::UnknownWorkflow, reason));
    };
    if record.retired {
        let reason = format!("workflow {id} is retired already");
        return Err(Rejection::new(RejectCode::WorkflowRetired, reason));
    }
    record.retired = true;
    record.changed = draft.height;
    draft.store.put::<Workflows>(id, &record);
    draft.emit(Event::WorkflowRetired { workflow: id.clone() });
    Ok(())
}
