//! Execution going wrong: a task failed, or the plan is overdue (PROTOCOL §4, Execution).
//!
//! The request goes back to Requested with the next designation; what is done stays done,
//! and who failed or was overdue is not assigned for this request again. Attempts are
//! bounded by `execution_attempts_max`; the last reason is then the request's.
//!
//! With replicas a failure ends the plan only when those of the task's nodes that are not
//! barred are no majority of its replicas any more. A node barred by one task counts as
//! lost for the others too: it may still complete them, but is not waited for.

use super::{designation, evidence, lifecycle};
use crate::machine::Draft;
use std::collections::BTreeMap;
use trustmesh_types::{
    PublicKey,
    events::Event,
    evidence::TaskFailure,
    mutants::{Mutant, mutated},
    records::{ActivePlan, RequestRecord, Status},
    reject::{RejectCode, Rejection},
};

/// The active plan, if it answers designation `number`.
pub(super) fn active_plan(record: &RequestRecord, number: u32) -> Result<&ActivePlan, Rejection> {
    let active = record.status == Status::Active;
    record.plan.as_ref().filter(|p| active && p.designation == number).ok_or_else(|| {
        let reason = format!("request {} has no active plan under designation {number}", record.id);
        Rejection::new(RejectCode::NotActive, reason)
    })
}

/// A worker says that its task failed.
///
/// # Errors
/// [`Rejection`] when the signer is not the worker, the plan is not active, or it does not
/// assign the task to the worker; or the task is done already.
pub fn report_failure(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    failure: &TaskFailure,
) -> Result<(), Rejection> {
    if failure.node != *signer {
        let reason = format!("{} can't report for node {}", signer.short(), failure.node.short());
        return Err(Rejection::new(RejectCode::NotAssigned, reason));
    }
    let mut record = lifecycle::load(draft, &failure.request)?;
    lifecycle::still_open(&record)?;
    let plan = active_plan(&record, failure.designation)?;
    evidence::check_assigned(plan, &failure.task, signer)?;
    if record.done.contains_key(&failure.task) {
        let reason = format!("task {} is no open task of request {}", failure.task, record.id);
        return Err(Rejection::new(RejectCode::NotOpen, reason));
    }
    let nodes: Vec<PublicKey> = plan
        .assignments
        .iter()
        .filter(|a| a.task == failure.task)
        .flat_map(|a| a.nodes.iter().copied())
        .collect();
    bar(&mut record, signer);
    let left = nodes.iter().filter(|node| !record.barred.contains(node)).count();
    if left.saturating_mul(2) > nodes.len() {
        lifecycle::save(draft, record);
        return Ok(());
    }
    let reason = format!(
        "task {} failed on node {}: {}",
        failure.task,
        failure.node.short(),
        failure.reason
    );
    abandon(draft, record, reason);
    Ok(())
}

/// The active plan's deadline has passed: whoever could have run an open task is barred.
pub(super) fn overdue(draft: &mut Draft<'_>, mut record: RequestRecord) {
    if record.status != Status::Active {
        return;
    }
    let Some(plan) = record.plan.clone() else { return };
    let Ok(workflow) = lifecycle::workflow(draft, &record) else { return };
    let assigned: BTreeMap<_, _> = plan.assignments.iter().map(|a| (&a.task, &a.nodes)).collect();
    let mut late: Vec<String> = Vec::new();
    for task in workflow.topological() {
        let open = !record.done.contains_key(&task.id);
        let runnable = open && task.after.iter().all(|a| record.done.contains_key(a));
        let Some(nodes) = assigned.get(&task.id).filter(|_| runnable) else { continue };
        for node in *nodes {
            bar(&mut record, node);
            late.push(format!("task {} on node {}", task.id, node.short()));
        }
    }
    let late = if late.is_empty() { "nobody finalized it".to_owned() } else { late.join(", ") };
    abandon(draft, record, format!("execution is overdue: {late}"));
}

fn bar(record: &mut RequestRecord, node: &PublicKey) {
    if !record.barred.contains(node) {
        record.barred.push(*node);
    }
}

/// Ends the active plan: the request is planned again, or has failed.
fn abandon(draft: &mut Draft<'_>, mut record: RequestRecord, reason: String) {
    if record.attempts >= draft.parameters.execution_attempts_max {
        lifecycle::end(draft, record, Status::Failed, Some(reason));
        return;
    }
    lifecycle::stop_plan(draft, &mut record);
    if mutated(Mutant::DoneForgotten) {
        record.done.clear();
    }
    let reason = lifecycle::bounded(reason);
    let designation = record.plan.as_ref().map_or(0, |p| p.designation);
    draft.emit(Event::PlanAbandoned { request: record.id, designation, reason: reason.clone() });
    record.status = Status::Requested;
    record.reason = Some(reason);
    record.in_vain.clear();
    let candidates = designation::candidates(draft);
    designation::designate_next(draft, &mut record, None, &candidates);
    lifecycle::save(draft, record);
}
