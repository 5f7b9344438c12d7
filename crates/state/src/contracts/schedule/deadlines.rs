//! Deadlines of the schedules contract: what fires at the end of a block (PROTOCOL §2).
//!
//! They fire in order of (due time, kind, id), at most
//! [`limits::DEADLINES_PER_BLOCK_MAX`] per block; what has not fired has not happened. A
//! deadline is disarmed when it is moot, so one that fires means what it says; but that of
//! queueing, which stays armed and asks whether the request still waits.
//!
//! A generation deadline that is due before [`limits::GENERATION_BLOCKS_MIN`] blocks have
//! followed its designation stays armed: the designated node must have had a chance to
//! get its plan into a block. Times are block times in Unix milliseconds.

use super::{
    designation::{self, Candidate},
    execution, lifecycle, waiting,
};
use crate::{
    contracts::{faults, resources},
    machine::Draft,
    tables::{DeadlineKey, Deadlines, Designations, Requests, deadline},
};
use trustmesh_types::{
    Digest, PublicKey, RequestId, limits,
    mutants::{Mutant, mutated},
    records::{RequestRecord, Status},
};

/// Sets a deadline of a request.
pub(super) fn arm(draft: &mut Draft<'_>, due_ms: u64, kind: u8, id: &RequestId, number: u32) {
    draft.store.put::<Deadlines>(&DeadlineKey { due_ms, kind, id: id.0.0 }, &number);
}

/// Takes a deadline of a request away, if it is set.
pub(super) fn disarm(draft: &mut Draft<'_>, due_ms: u64, kind: u8, id: &RequestId) {
    draft.store.remove::<Deadlines>(&DeadlineKey { due_ms, kind, id: id.0.0 });
}

/// What the schedules contract does at the end of a block: fires what is due, then tries
/// waiting requests again.
pub fn end_block(draft: &mut Draft<'_>) {
    let due: Vec<(DeadlineKey, u32)> = draft
        .store
        .iter::<Deadlines>()
        .take_while(|(key, _)| key.due_ms <= draft.timestamp_ms)
        .take(limits::DEADLINES_PER_BLOCK_MAX)
        .collect();
    let mut candidates = None;
    for (key, number) in due {
        // One that fired before it in this block may have made it moot.
        if !draft.store.contains::<Deadlines>(&key) {
            continue;
        }
        let id = RequestId(Digest(key.id));
        if key.kind == deadline::GENERATION && is_early(draft, &id, number) {
            continue;
        }
        draft.store.remove::<Deadlines>(&key);
        if key.kind == deadline::GENERATION {
            let candidates = candidates.get_or_insert_with(|| designation::candidates(draft));
            generation_timeout(draft, &id, candidates);
        } else {
            // The others change what nodes have free.
            candidates = None;
            fire(draft, key.kind, &id);
        }
    }
    waiting::retry(draft);
}

fn is_early(draft: &Draft<'_>, id: &RequestId, number: u32) -> bool {
    draft
        .store
        .get::<Designations>(&(*id, number))
        .is_some_and(|d| draft.height < d.height.saturating_add(limits::GENERATION_BLOCKS_MIN))
}

fn fire(draft: &mut Draft<'_>, kind: u8, id: &RequestId) {
    match kind {
        deadline::SNAPSHOT => resources::expire(draft, &PublicKey(id.0.0)),
        deadline::RETENTION => lifecycle::retire(draft, id),
        deadline::FAULT => faults::expire(draft, &PublicKey(id.0.0)),
        deadline::QUEUEING => queued_too_long(draft, id),
        deadline::EXECUTION if !mutated(Mutant::ExecutionNeverDue) => {
            if let Some(record) = draft.store.get::<Requests>(id) {
                execution::overdue(draft, record);
            }
        }
        deadline::REQUEST if !mutated(Mutant::RequestNeverDue) => {
            if let Some(record) = draft.store.get::<Requests>(id) {
                let reason = format!("the deadline passed while {}", doing(&record));
                lifecycle::end(draft, record, Status::Failed, Some(reason));
            }
        }
        // `RETRY` only made the leader propose this block.
        _ => {}
    }
}

/// A request that waits, and has since its queueing began. While a node looks for a plan it
/// does not wait; it is looked at again when it does.
fn queued_too_long(draft: &mut Draft<'_>, id: &RequestId) {
    let Some(record) = draft.store.get::<Requests>(id) else { return };
    let Some(why) = record.waiting.as_ref() else { return };
    let due = |since_ms| lifecycle::queued_until_ms(draft, since_ms) <= draft.timestamp_ms;
    if record.queued_ms.is_some_and(due) {
        let waited_ms = draft.timestamp_ms.saturating_sub(record.queued_ms.unwrap_or_default());
        let reason = format!("it waited {waited_ms} ms for a plan: {why}");
        lifecycle::end(draft, record, Status::Failed, Some(reason));
    }
}

fn doing(record: &RequestRecord) -> String {
    match (&record.waiting, &record.reason) {
        _ if record.status == Status::Active => "its plan was running".to_owned(),
        (Some(why), None) => format!("it waited: {why}"),
        (Some(why), Some(before)) => format!("it waited: {why}; before that: {before}"),
        (None, None) => "it was being planned".to_owned(),
        (None, Some(before)) => format!("it was being planned; before that: {before}"),
    }
}

/// The designated node has not planned: a miss, no fault, and the next node's turn.
fn generation_timeout(draft: &mut Draft<'_>, id: &RequestId, candidates: &mut [Candidate]) {
    if mutated(Mutant::GenerationNeverDue) {
        return;
    }
    let Some(mut record) = draft.store.get::<Requests>(id) else { return };
    let Some(node) = record.designated.as_ref().map(|d| d.node) else { return };
    lifecycle::change_load(draft, &node, |load| load.misses = load.misses.saturating_add(1));
    if let Some(candidate) = candidates.iter_mut().find(|c| c.node == node) {
        candidate.misses = candidate.misses.saturating_add(1);
    }
    let reason = format!("no plan within {} ms", draft.parameters.generation_timeout_ms);
    designation::pass_on(draft, &mut record, &reason, candidates);
    lifecycle::save(draft, record);
}
