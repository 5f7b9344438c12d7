//! What a device believes (PROTOCOL §4, Finalization and delivery; S7), as the client library
//! does it: nothing by one node's word alone.
//!
//! The ledger's record of a request is what f+1 validators show alike. A result counts when it
//! is sealed to the device, its completions are signed by nodes of the plan that the ledger
//! finalized and stand on the ledger, hang together from the device's own input, and its
//! outputs are the ones that they name.

use std::collections::BTreeMap;
use trustmesh_agent::Delivery;
use trustmesh_types::{
    Digest, NetworkId, TaskId,
    evidence::{Completion, SignedCompletion},
    records::{ActivePlan, RequestRecord, Status},
    request::RequestBody,
    workflow::Workflow,
};

/// The record that at least `needed` of those shown agree on, if it says that the request
/// has ended.
pub(super) fn attested(shown: &[RequestRecord], needed: usize) -> Option<&RequestRecord> {
    let alike = |record: &RequestRecord| shown.iter().filter(|other| *other == record).count();
    shown.iter().find(|record| record.status.ended() && alike(record) >= needed)
}

/// Whether a result is to be believed, by the record that the ledger holds.
///
/// # Errors
/// The first thing about it that is wrong.
pub(super) fn believe(
    network: &NetworkId,
    body: &RequestBody,
    workflow: &Workflow,
    record: &RequestRecord,
    delivery: &Delivery,
) -> Result<(), String> {
    if record.body != *body || record.id != body.id() {
        return Err("the record is of another request".to_owned());
    }
    if delivery.request != record.id {
        return Err("it is another request's result".to_owned());
    }
    if delivery.result_key != body.result_key {
        return Err("it is sealed to another key: it does not open".to_owned());
    }
    let plan = record.plan.as_ref().filter(|_| record.status == Status::Finalized);
    let plan = plan.ok_or_else(|| "the ledger has not finalized the request".to_owned())?;
    let mut outputs: BTreeMap<&TaskId, Digest> = BTreeMap::new();
    for signed in &delivery.completions {
        counts(network, record, plan, signed)?;
        let completion = &signed.completion;
        if *outputs.entry(&completion.task).or_insert(completion.output) != completion.output {
            return Err(format!("task {} has two outputs", completion.task));
        }
    }
    if let Some(task) = workflow.tasks.iter().find(|task| !outputs.contains_key(&task.id)) {
        return Err(format!("there is no completion of task {}", task.id));
    }
    for signed in &delivery.completions {
        inputs(body, &outputs, &signed.completion)?;
    }
    let mut sinks: Vec<&TaskId> = workflow.sinks().into_iter().map(|task| &task.id).collect();
    for (task, data) in &delivery.outputs {
        let Some(at) = sinks.iter().position(|sink| *sink == task) else {
            return Err(format!("there is an output of {task}, which is no sink or given twice"));
        };
        sinks.swap_remove(at);
        if outputs.get(task) != Some(&Digest::of(data)) {
            return Err(format!("the output of {task} has another digest than its completion"));
        }
    }
    sinks.first().map_or(Ok(()), |sink| Err(format!("there is no output of {sink}")))
}

/// A completion by a node of the plan that the ledger finalized, one of those it holds.
fn counts(
    network: &NetworkId,
    record: &RequestRecord,
    plan: &ActivePlan,
    signed: &SignedCompletion,
) -> Result<(), String> {
    let completion = &signed.completion;
    let name = format!("the completion of task {} by {}", completion.task, completion.node.short());
    if signed.verify(network).is_err() {
        return Err(format!("{name} is not signed by it"));
    }
    if completion.request != record.id {
        return Err(format!("{name} is of another request"));
    }
    // What was done under an earlier plan the ledger checked against that plan.
    if record.done.values().any(|done| done.completion == *signed) {
        return Ok(());
    }
    let assigned = plan.assignments.iter().find(|a| a.task == completion.task);
    if completion.designation != plan.designation
        || !assigned.is_some_and(|a| a.nodes.contains(&completion.node))
    {
        return Err(format!("{name} is not by the plan"));
    }
    if !record.completions.contains(signed) {
        return Err(format!("{name} is not on the ledger"));
    }
    Ok(())
}

fn inputs(
    body: &RequestBody,
    outputs: &BTreeMap<&TaskId, Digest>,
    completion: &Completion,
) -> Result<(), String> {
    for input in &completion.inputs {
        let expected = match &input.from {
            None => Some(&body.input),
            Some(from) => outputs.get(from),
        };
        if expected != Some(&input.digest) {
            return Err(format!("task {} took something else than it was given", completion.task));
        }
    }
    Ok(())
}
