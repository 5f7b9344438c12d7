//! What every step of a request's life has in common: reading and saving its record,
//! leaving a designation, a queue or a plan, ending, and retiring (PROTOCOL §4).
//!
//! Invariants: each reservation is released exactly once (S6), because what is released
//! leaves `plan.reserved` in the same step; a deadline is disarmed as soon as it is moot.

use super::deadlines;
use crate::{
    machine::Draft,
    tables::{
        Apps, Designated, Designations, Differences, Loads, Members, Requests, Waiting, Workflows,
        deadline,
    },
};
use trustmesh_types::{
    Digest, PublicKey, RequestId, TaskId,
    events::Event,
    limits,
    mutants::{Mutant, mutated},
    records::{Member, NodeLoad, RequestRecord, Status},
    reject::{RejectCode, Rejection},
    resources::Resources,
    workflow::Workflow,
};

/// The record of a request.
pub(super) fn load(draft: &Draft<'_>, id: &RequestId) -> Result<RequestRecord, Rejection> {
    draft.store.get::<Requests>(id).ok_or_else(|| {
        let reason =
            format!("request {id} is not on the ledger: it never was, or its retention has ended");
        Rejection::new(RejectCode::UnknownRequest, reason)
    })
}

/// Saves a record, changed in this block.
pub(super) fn save(draft: &mut Draft<'_>, mut record: RequestRecord) {
    record.changed = draft.height;
    draft.store.put::<Requests>(&record.id, &record);
}

/// The workflow of a request.
pub(super) fn workflow(draft: &Draft<'_>, record: &RequestRecord) -> Result<Workflow, Rejection> {
    let id = &record.body.workflow;
    draft.store.get::<Workflows>(id).map(|w| w.workflow).ok_or_else(|| {
        let reason = format!("workflow {id} is not on the ledger; see `trustmesh workflow list`");
        Rejection::new(RejectCode::UnknownWorkflow, reason)
    })
}

/// Refuses what comes after a request's end.
pub(super) fn still_open(record: &RequestRecord) -> Result<(), Rejection> {
    if !record.status.ended() {
        return Ok(());
    }
    let status = format!("{:?}", record.status).to_lowercase();
    let reason = format!("request {} is {status}: nothing changes it any more", record.id);
    Err(Rejection::new(RejectCode::RequestEnded, reason))
}

/// A text cut to what a record may hold, at a character's boundary.
pub(super) fn bounded(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(limits::TEXT_BYTES_MAX));
    text
}

/// Changes a node's load, if it has one.
pub(super) fn change_load(
    draft: &mut Draft<'_>,
    node: &PublicKey,
    change: impl FnOnce(&mut NodeLoad),
) {
    if let Some(mut load) = draft.store.get::<Loads>(node) {
        change(&mut load);
        load.changed = draft.height;
        draft.store.put::<Loads>(node, &load);
    }
}

/// Takes the current designation away; the node that it named.
pub(super) fn undesignate(draft: &mut Draft<'_>, record: &mut RequestRecord) -> Option<PublicKey> {
    let current = record.designated.take()?;
    draft.store.remove::<Designated>(&(current.node, record.id));
    deadlines::disarm(draft, current.due_ms, deadline::GENERATION, &record.id);
    Some(current.node)
}

/// When a request that is queued since a time has waited too long.
pub(super) fn queued_until_ms(draft: &Draft<'_>, since_ms: u64) -> u64 {
    since_ms.saturating_add(draft.parameters.queueing_timeout_ms).max(draft.timestamp_ms)
}

/// Takes a request out of the queue, if it waits.
pub(super) fn stop_waiting(draft: &mut Draft<'_>, record: &mut RequestRecord) {
    if record.waiting.take().is_some() {
        draft.store.remove::<Waiting>(&(record.accepted_height, record.id));
    }
}

/// Stops the active plan: releases what it still holds and disarms its deadline. What it
/// was stays in the record, for completions that come late.
pub(super) fn stop_plan(draft: &mut Draft<'_>, record: &mut RequestRecord) {
    if record.status != Status::Active {
        return;
    }
    let Some(plan) = record.plan.as_mut() else { return };
    for (node, amount) in std::mem::take(&mut plan.reserved) {
        release(draft, &node, amount);
    }
    deadlines::disarm(draft, plan.deadline_ms, deadline::EXECUTION, &record.id);
    draft.touched = true;
}

fn release(draft: &mut Draft<'_>, node: &PublicKey, amount: Resources) {
    if !mutated(Mutant::ReservationsKept) {
        change_load(draft, node, |load| load.reserved = load.reserved.minus(amount));
    }
}

/// Gives back what a task that is done held. An application that changed since the plan may
/// have other needs than were reserved: its task's share then stays until the plan ends.
pub(super) fn release_task(
    draft: &mut Draft<'_>,
    record: &mut RequestRecord,
    workflow: &Workflow,
    task: &TaskId,
) {
    if record.status != Status::Active {
        return;
    }
    let Some(plan) = record.plan.as_mut() else { return };
    let Some(task) = workflow.task(task) else { return };
    let Some(app) = draft.store.get::<Apps>(&task.app) else { return };
    if app.changed >= plan.height {
        return;
    }
    let nodes = plan.assignments.iter().filter(|a| a.task == task.id).flat_map(|a| &a.nodes);
    for node in nodes {
        let Some(held) = plan.reserved.get_mut(node) else { continue };
        let amount = app.manifest.requirements.at_most(*held);
        *held = held.minus(amount);
        if *held == Resources::ZERO {
            plan.reserved.remove(node);
        }
        release(draft, node, amount);
        draft.touched = true;
    }
}

/// Ends an open request, saves it, and sets when its record leaves the state: never before
/// its own deadline, so that it can't be submitted again.
pub(super) fn end(
    draft: &mut Draft<'_>,
    mut record: RequestRecord,
    status: Status,
    reason: Option<String>,
) {
    let id = record.id;
    if undesignate(draft, &mut record).is_some() {
        // Room that the queue left for this request's plan is free again.
        draft.touched = true;
    }
    stop_waiting(draft, &mut record);
    stop_plan(draft, &mut record);
    deadlines::disarm(draft, record.body.deadline_ms, deadline::REQUEST, &id);
    let retain_ms = draft.timestamp_ms.saturating_add(draft.parameters.request_retention_ms);
    let due_ms = retain_ms.max(record.body.deadline_ms);
    deadlines::arm(draft, due_ms, deadline::RETENTION, &id, 0);
    if let Some(Member::Device { name, revoked, open_requests, .. }) =
        draft.store.get::<Members>(&record.body.device)
    {
        let open_requests = open_requests.saturating_sub(1);
        let device = Member::Device { name, revoked, open_requests, changed: draft.height };
        draft.store.put::<Members>(&record.body.device, &device);
    }
    record.status = status;
    record.in_vain.clear();
    record.queued_ms = None;
    record.reason = reason.map(bounded);
    record.ended_ms = draft.timestamp_ms;
    draft.emit(match status {
        Status::Finalized => Event::RequestFinalized { request: id },
        Status::Cancelled => Event::RequestCancelled { request: id },
        _ => {
            let reason = record.reason.clone().unwrap_or_default();
            Event::RequestFailed { request: id, reason }
        }
    });
    save(draft, record);
}

/// Takes the record of an ended request out of the state.
pub(super) fn retire(draft: &mut Draft<'_>, id: &RequestId) {
    let numbers: Vec<u32> = draft
        .store
        .iter_from::<Designations>(&(*id, 0))
        .take_while(|((request, _), _)| request == id)
        .map(|((_, number), _)| number)
        .collect();
    for number in numbers {
        draft.store.remove::<Designations>(&(*id, number));
    }
    let differences: Vec<Digest> = draft
        .store
        .iter_from::<Differences>(&(*id, Digest::default()))
        .take_while(|((request, _), ())| request == id)
        .map(|((_, difference), ())| difference)
        .collect();
    for difference in differences {
        draft.store.remove::<Differences>(&(*id, difference));
    }
    if draft.store.remove::<Requests>(id) {
        draft.emit(Event::RequestRetired { request: *id });
    }
}
