//! Phase 3: a designated node's plan becomes Active when C1 to C7 hold (PROTOCOL §4).
//!
//! The rules are tried in the protocol's order; the first broken one decides. Here: C1, C2
//! and the plan's age; C3 to C6 stand in `rules`, C7 in `validation`.
//!
//! Invariants: an Active plan was signed by the node designated under its number (S3); a
//! request has at most one Active plan (S2): C2 admits a plan only while Requested, and
//! activation ends that.

use super::{deadlines, lifecycle, rules::Rules};
use crate::{
    contracts::policies,
    machine::Draft,
    tables::{Designations, deadline},
};
use std::collections::BTreeMap;
use trustmesh_types::{
    PublicKey,
    events::Event,
    limits,
    mutants::{Mutant, mutated},
    plan::Plan,
    records::{ActivePlan, RequestRecord, Status},
    reject::{RejectCode, Rejection},
    resources::Resources,
    workflow::Workflow,
};

/// Confirms a plan.
///
/// # Errors
/// [`Rejection`] by the first rule that the plan breaks; a fault where the rule says so.
pub fn confirm(draft: &mut Draft<'_>, signer: &PublicKey, plan: &Plan) -> Result<(), Rejection> {
    let record = lifecycle::load(draft, &plan.request)?;
    check_signer(draft, signer, &record, plan)?;
    let since_height = check_current(&record, plan)?;
    check_age(draft.height, since_height, plan)?;
    let workflow = lifecycle::workflow(draft, &record)?;
    let network_rules = policies::of(draft);
    let rules = Rules { draft, record: &record, workflow: &workflow, plan };
    rules.tasks()?;
    rules.levels()?;
    let (apps, nodes) = rules.nodes()?;
    let reserved = rules.capacity(&apps, &nodes)?;
    rules.policies(&network_rules, &apps, &nodes)?;
    activate(draft, signer, record, &workflow, plan, reserved);
    Ok(())
}

/// C1: the signer is the node that the named designation names.
fn check_signer(
    draft: &Draft<'_>,
    signer: &PublicKey,
    record: &RequestRecord,
    plan: &Plan,
) -> Result<(), Rejection> {
    let number = plan.designation;
    if mutated(Mutant::C1Off) {
        return Ok(());
    }
    match draft.store.get::<Designations>(&(record.id, number)) {
        Some(entry) if entry.node == *signer => Ok(()),
        Some(entry) => Err(Rejection::fault(
            RejectCode::NotDesignated,
            format!(
                "designation {number} of request {} names node {}, not {}",
                record.id,
                entry.node.short(),
                signer.short()
            ),
        )),
        // Too long ago to know whom it named, so nobody can be charged for it.
        None if (1..=record.designation).contains(&number) => Err(not_current(record, plan)),
        None => Err(Rejection::fault(
            RejectCode::NotDesignated,
            format!(
                "request {} has no designation {number}; the last one is {}",
                record.id, record.designation
            ),
        )),
    }
}

fn not_current(record: &RequestRecord, plan: &Plan) -> Rejection {
    let status = format!("{:?}", record.status).to_lowercase();
    let reason = format!(
        "the plan is for designation {} of request {}, which is {status}; the last one is {}",
        plan.designation, record.id, record.designation
    );
    Rejection::new(RejectCode::NotCurrent, reason)
}

/// C2: that designation is the current one, and the request is Requested. Its height.
fn check_current(record: &RequestRecord, plan: &Plan) -> Result<u64, Rejection> {
    let current = record.status == Status::Requested && record.designation == plan.designation;
    match &record.designated {
        Some(designation) if current => Ok(designation.height),
        _ if mutated(Mutant::C2Off) => Ok(record.accepted_height),
        _ => Err(not_current(record, plan)),
    }
}

/// The state that the plan was made on is neither older than the designation nor than
/// [`limits::PLAN_AGE_BLOCKS_MAX`] blocks, nor one that does not exist yet: else nobody
/// could tell a stale plan from a faulty one.
fn check_age(height: u64, since_height: u64, plan: &Plan) -> Result<(), Rejection> {
    let oldest = since_height.max(height.saturating_sub(limits::PLAN_AGE_BLOCKS_MAX));
    if (oldest..height).contains(&plan.made_at) {
        return Ok(());
    }
    let reason = format!(
        "the plan was made at height {}; block {height} takes plans made from height {oldest} on",
        plan.made_at
    );
    Err(Rejection::new(RejectCode::StalePlan, reason))
}

fn activate(
    draft: &mut Draft<'_>,
    planner: &PublicKey,
    mut record: RequestRecord,
    workflow: &Workflow,
    plan: &Plan,
    reserved: BTreeMap<PublicKey, Resources>,
) {
    for (node, amount) in &reserved {
        lifecycle::change_load(draft, node, |load| load.reserved = load.reserved.plus(*amount));
    }
    lifecycle::undesignate(draft, &mut record);
    lifecycle::change_load(draft, planner, |load| load.misses = load.misses.saturating_sub(1));
    let deadline_ms = execution_deadline_ms(draft, &record, workflow);
    // When the request's own deadline comes first, that one ends it.
    if deadline_ms < record.body.deadline_ms {
        deadlines::arm(draft, deadline_ms, deadline::EXECUTION, &record.id, plan.designation);
    }
    record.status = Status::Active;
    record.in_vain.clear();
    record.queued_ms = None;
    record.attempts = record.attempts.saturating_add(1);
    record.plan = Some(ActivePlan {
        designation: plan.designation,
        planner: *planner,
        assignments: plan.assignments.clone(),
        reserved,
        height: draft.height,
        since_ms: draft.timestamp_ms,
        deadline_ms,
    });
    let event = Event::PlanConfirmed { request: record.id, designation: plan.designation };
    draft.emit(event);
    lifecycle::save(draft, record);
}

/// When the plan's execution is overdue: tasks of a level run in parallel, levels one after
/// the other, each as long as its longest open task may, and some grace.
fn execution_deadline_ms(draft: &Draft<'_>, record: &RequestRecord, workflow: &Workflow) -> u64 {
    let levels = workflow.levels().unwrap_or_default();
    let mut longest_ms: BTreeMap<u32, u64> = BTreeMap::new();
    for task in workflow.tasks.iter().filter(|t| !record.done.contains_key(&t.id)) {
        let level = levels.get(&task.id).copied().unwrap_or(0);
        let longest = longest_ms.entry(level).or_default();
        *longest = (*longest).max(task.timeout_ms);
    }
    longest_ms
        .into_values()
        .fold(draft.timestamp_ms, u64::saturating_add)
        .saturating_add(draft.parameters.execution_grace_ms)
        .min(record.body.deadline_ms)
}
