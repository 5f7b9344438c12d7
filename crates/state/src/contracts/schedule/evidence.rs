//! Evidence: which completions count (PROTOCOL §4, Execution and Finalization).
//!
//! A completion counts when it is of this request and plan, by a node that the plan
//! assigns the task to, signed by it, and ran on exactly what its predecessors gave: so
//! the ledger records how data moved. With replicas, a task's completions count when all
//! that are given agree and they are more than half of its replicas.

use crate::machine::{Draft, Proven};
use std::collections::{BTreeMap, BTreeSet};
use trustmesh_types::{
    Digest, NetworkId, TaskId,
    evidence::{SignedCompletion, TaskInput},
    limits,
    mutants::{Mutant, mutated},
    records::{ActivePlan, RequestRecord},
    reject::{RejectCode, Rejection},
    workflow::{Task, Workflow},
};

/// What completions are checked against. Outputs of tasks are added as they are found good.
pub(super) struct Evidence<'a> {
    network: NetworkId,
    proven: &'a Proven,
    record: &'a RequestRecord,
    workflow: &'a Workflow,
    plan: &'a ActivePlan,
    outputs: BTreeMap<TaskId, Digest>,
}

impl<'a> Evidence<'a> {
    /// Evidence about a request under its last confirmed plan.
    pub fn new(
        draft: &Draft<'a>,
        record: &'a RequestRecord,
        workflow: &'a Workflow,
        plan: &'a ActivePlan,
    ) -> Self {
        let output = |done: &SignedCompletion| done.completion.output;
        let outputs =
            record.done.iter().map(|(id, d)| (id.clone(), output(&d.completion))).collect();
        Self { network: draft.network, proven: draft.proven, record, workflow, plan, outputs }
    }

    /// The open task of a name.
    pub fn open_task(&self, id: &TaskId) -> Result<&'a Task, Rejection> {
        self.workflow.task(id).filter(|_| !self.record.done.contains_key(id)).ok_or_else(|| {
            let reason = format!("task {id} is no open task of request {}", self.record.id);
            Rejection::new(RejectCode::NotOpen, reason)
        })
    }

    /// Checks all completions given for an open task; one of those that agree.
    pub fn check(
        &mut self,
        task: &Task,
        completions: &[&'a SignedCompletion],
    ) -> Result<&'a SignedCompletion, Rejection> {
        let expected = self.expected_inputs(task)?;
        for completion in completions {
            self.check_assigned(task, completion)?;
            if completion.completion.inputs != expected && !mutated(Mutant::InputUnchecked) {
                let reason = format!(
                    "node {} ran task {} on other inputs than its predecessors' outputs",
                    completion.completion.node.short(),
                    task.id
                );
                return Err(Rejection::new(RejectCode::InputMismatch, reason));
            }
            let signed = self.proven.check(&completion.claim(&self.network));
            if !signed && !mutated(Mutant::CompletionUnchecked) {
                let reason = format!(
                    "node {} did not sign its completion of task {}",
                    completion.completion.node.short(),
                    task.id
                );
                return Err(Rejection::new(RejectCode::BadSignature, reason));
            }
        }
        let winner = agreed(task, completions)?;
        self.outputs.insert(task.id.clone(), winner.completion.output);
        Ok(winner)
    }

    fn check_assigned(&self, task: &Task, signed: &SignedCompletion) -> Result<(), Rejection> {
        let completion = &signed.completion;
        if completion.request != self.record.id || completion.designation != self.plan.designation {
            let reason = format!(
                "the completion of task {} is of request {} under designation {}, not of {} \
                 under {}",
                task.id,
                completion.request,
                completion.designation,
                self.record.id,
                self.plan.designation
            );
            return Err(Rejection::new(RejectCode::NotAssigned, reason));
        }
        if completion.output_bytes > limits::OUTPUT_BYTES_MAX {
            let reason = format!(
                "the output of task {} has {} bytes, at most {} are allowed",
                task.id,
                completion.output_bytes,
                limits::OUTPUT_BYTES_MAX
            );
            return Err(Rejection::new(RejectCode::InvalidValue, reason));
        }
        check_assigned(self.plan, &task.id, &completion.node)
    }

    /// The outputs that a task takes, or the request's input for a source, sorted by task.
    fn expected_inputs(&self, task: &Task) -> Result<Vec<TaskInput>, Rejection> {
        if task.after.is_empty() {
            return Ok(vec![TaskInput { from: None, digest: self.record.body.input }]);
        }
        let mut inputs = Vec::with_capacity(task.after.len());
        for from in &task.after {
            let Some(digest) = self.outputs.get(from) else {
                let reason = format!("task {} is complete, but not {from} before it", task.id);
                return Err(Rejection::new(RejectCode::InputMismatch, reason));
            };
            inputs.push(TaskInput { from: Some(from.clone()), digest: *digest });
        }
        inputs.sort_unstable();
        Ok(inputs)
    }
}

/// Refuses a node that the plan does not assign the task to.
pub(super) fn check_assigned(
    plan: &ActivePlan,
    task: &TaskId,
    node: &trustmesh_types::PublicKey,
) -> Result<(), Rejection> {
    if plan.assignments.iter().any(|a| a.task == *task && a.nodes.contains(node)) {
        return Ok(());
    }
    let reason = format!("the plan does not assign task {task} to node {}", node.short());
    Err(Rejection::new(RejectCode::NotAssigned, reason))
}

/// One of the completions, when they are of more than half of the task's replicas and agree.
fn agreed<'a>(
    task: &Task,
    completions: &[&'a SignedCompletion],
) -> Result<&'a SignedCompletion, Rejection> {
    let Some(first) = completions.first() else {
        let reason = format!("no completion of task {}", task.id);
        return Err(Rejection::new(RejectCode::MissingCompletions, reason));
    };
    let output = |c: &SignedCompletion| (c.completion.output, c.completion.output_bytes);
    if completions.iter().any(|c| output(c) != output(first)) {
        let reason = format!(
            "the completions give task {} different outputs; give only those that agree",
            task.id
        );
        return Err(Rejection::new(RejectCode::MissingCompletions, reason));
    }
    let nodes: BTreeSet<_> = completions.iter().map(|c| c.completion.node).collect();
    let replicas = usize::from(task.replicas);
    if nodes.len() != completions.len() || nodes.len().saturating_mul(2) <= replicas {
        let reason = format!(
            "task {} has {} completions by {} nodes; more than half of its {replicas} replicas \
             must agree, each once",
            task.id,
            completions.len(),
            nodes.len()
        );
        return Err(Rejection::new(RejectCode::MissingCompletions, reason));
    }
    Ok(first)
}
