//! What makes a result believable (PROTOCOL §4, Finalization and delivery; S7).
//!
//! A node that holds a result could seal anything to the device. So the device checks that
//! every completion is signed by a node to which the plan on the ledger assigns the task,
//! that it is one of those that the ledger finalized, that the completions hang together
//! from the device's own input to the sinks, and that the outputs are the ones they name.
//! What the ledger says is taken from f+1 validators that say the same, never from the
//! holder alone (`witness`). That there is no result is not taken from one node either.

use std::collections::{BTreeMap, BTreeSet};
use trustmesh_api::{RequestView, ResultBundle};
use trustmesh_types::{
    Digest, NetworkId, PublicKey, RequestId, TaskId, canonical,
    evidence::{Completion, SignedCompletion},
    records::{ActivePlan, Status},
};

/// Why a result must not be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unbelievable {
    /// It does not open, or is not what a result looks like.
    #[error("it can't be read: {reason}")]
    Unreadable {
        /// What was found.
        reason: String,
    },
    /// It answers another request.
    #[error("it is the result of request {got}")]
    OtherRequest {
        /// Which.
        got: RequestId,
    },
    /// The ledger has no finalized plan for the request.
    #[error("the ledger has not finalized the request, it is {status:?}")]
    NotFinalized {
        /// How it stands.
        status: Status,
    },
    /// A node says that there is no result, and there is one.
    #[error("a node says that there is none, but the ledger has finalized the request")]
    Finalized,
    /// The ledger's record is not of the body whose digest the id is.
    #[error("the node's record of the request is not the one that the device signed")]
    OtherBody,
    /// A completion is not signed by the node it names.
    #[error("the completion of task {task} is not signed by node {}", node.short())]
    Signature {
        /// The task.
        task: TaskId,
        /// The node.
        node: PublicKey,
    },
    /// A completion by a node that the plan does not assign the task to.
    #[error("node {} completed task {task}, which the finalized plan does not assign to it", node.short())]
    NotAssigned {
        /// The task.
        task: TaskId,
        /// The node.
        node: PublicKey,
    },
    /// A completion that is not among those that the ledger holds.
    #[error("the completion of task {task} by node {} is not the one that the ledger finalized", node.short())]
    NotOnLedger {
        /// The task.
        task: TaskId,
        /// The node.
        node: PublicKey,
    },
    /// A task without completion.
    #[error("there is no completion of task {task}")]
    Missing {
        /// The task.
        task: TaskId,
    },
    /// A task took something else than its predecessor gave.
    #[error("task {task} took an input that is not {}", from.as_ref().map_or("the device's".to_owned(), |f| format!("the output of {f}")))]
    Input {
        /// The task.
        task: TaskId,
        /// Where the input was to come from; `None` for the device.
        from: Option<TaskId>,
    },
    /// An output is not the one that was signed.
    #[error("the output of task {task} has another digest than its completion")]
    Output {
        /// The task.
        task: TaskId,
    },
    /// An output of a task whose output is no result.
    #[error("it holds an output of {task}, which is no sink of the workflow")]
    Extra {
        /// The task.
        task: TaskId,
    },
}

/// Checks a result against the ledger's record of its request.
///
/// # Errors
/// The first [`Unbelievable`] thing found.
pub fn check(
    network: &NetworkId,
    request: &RequestId,
    view: &RequestView,
    bundle: &ResultBundle,
) -> Result<(), Unbelievable> {
    if bundle.request != *request {
        return Err(Unbelievable::OtherRequest { got: bundle.request });
    }
    if view.id != *request || view.body.id() != *request {
        return Err(Unbelievable::OtherBody);
    }
    let not_finalized = Unbelievable::NotFinalized { status: view.status };
    let plan = match &view.plan {
        Some(plan) if view.status == Status::Finalized => plan,
        _ => return Err(not_finalized),
    };
    let mut outputs: BTreeMap<&TaskId, Digest> = BTreeMap::new();
    for signed in &bundle.completions {
        check_completion(network, request, view, plan, signed)?;
        let completion = &signed.completion;
        let output = outputs.entry(&completion.task).or_insert(completion.output);
        if *output != completion.output {
            let (task, node) = (completion.task.clone(), completion.node);
            return Err(Unbelievable::NotOnLedger { task, node });
        }
    }
    if let Some(task) = view.tasks.iter().find(|t| !outputs.contains_key(&t.task)) {
        return Err(Unbelievable::Missing { task: task.task.clone() });
    }
    for signed in &bundle.completions {
        check_inputs(&view.body.input, &outputs, &signed.completion)?;
    }
    check_outputs(view, &outputs, bundle)
}

/// Checks the word of a node that a request ended without a result; why it did.
///
/// # Errors
/// [`Unbelievable`] when the ledger's record says otherwise.
pub fn check_none(request: &RequestId, view: &RequestView) -> Result<String, Unbelievable> {
    if view.id != *request || view.body.id() != *request {
        return Err(Unbelievable::OtherBody);
    }
    match view.status {
        Status::Failed | Status::Cancelled => {
            Ok(view.reason.clone().unwrap_or_else(|| "it was cancelled".to_owned()))
        }
        Status::Finalized => Err(Unbelievable::Finalized),
        status => Err(Unbelievable::NotFinalized { status }),
    }
}

fn check_completion(
    network: &NetworkId,
    request: &RequestId,
    view: &RequestView,
    plan: &ActivePlan,
    signed: &SignedCompletion,
) -> Result<(), Unbelievable> {
    let completion = &signed.completion;
    let (task, node) = (completion.task.clone(), completion.node);
    if signed.verify(network).is_err() {
        return Err(Unbelievable::Signature { task, node });
    }
    if completion.request != *request {
        return Err(Unbelievable::OtherRequest { got: completion.request });
    }
    // Tasks recorded done under an earlier plan were checked against that plan by the
    // ledger, which no longer holds it.
    if view.recorded.contains(signed) {
        return Ok(());
    }
    let assigned = plan.assignments.iter().find(|a| a.task == task);
    let assigned = assigned.is_some_and(|a| a.nodes.contains(&node));
    if !assigned || completion.designation != plan.designation {
        return Err(Unbelievable::NotAssigned { task, node });
    }
    if !view.completions.contains(signed) {
        return Err(Unbelievable::NotOnLedger { task, node });
    }
    Ok(())
}

/// Data moved as signed: from the device's input, edge by edge.
fn check_inputs(
    device: &Digest,
    outputs: &BTreeMap<&TaskId, Digest>,
    completion: &Completion,
) -> Result<(), Unbelievable> {
    for input in &completion.inputs {
        let expected = match &input.from {
            None => Some(device),
            Some(from) => outputs.get(from),
        };
        if expected != Some(&input.digest) {
            let (task, from) = (completion.task.clone(), input.from.clone());
            return Err(Unbelievable::Input { task, from });
        }
    }
    Ok(())
}

fn check_outputs(
    view: &RequestView,
    outputs: &BTreeMap<&TaskId, Digest>,
    bundle: &ResultBundle,
) -> Result<(), Unbelievable> {
    let sinks: BTreeSet<&TaskId> = view.tasks.iter().filter(|t| t.sink).map(|t| &t.task).collect();
    if let Some(task) = bundle.outputs.keys().find(|task| !sinks.contains(task)) {
        return Err(Unbelievable::Extra { task: task.clone() });
    }
    for task in sinks {
        let value =
            bundle.outputs.get(task).ok_or_else(|| Unbelievable::Missing { task: task.clone() })?;
        let digest = canonical::digest(value).ok();
        if digest.is_none() || digest.as_ref() != outputs.get(task) {
            return Err(Unbelievable::Output { task: task.clone() });
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
