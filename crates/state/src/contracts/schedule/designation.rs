//! Designation: whose turn it is to plan a request (PROTOCOL §4, phase 1; eq. 2).
//!
//! f(N, R): among scheduler nodes that are not quarantined, have a live snapshot and were
//! not designated in vain: the fewest misses, then the greatest w_c·c + w_m·m of what is
//! available (c in cpu millis, m in MiB), then the lowest public key. Integers only, all
//! from the ledger's state: every validator computes the same node (S1).
//!
//! When nobody is left the request waits; its exclusions are cleared.

use super::{deadlines, lifecycle};
use crate::{
    machine::Draft,
    tables::{
        Designated, DesignationRecord, Designations, Loads, Members, Waiting, WaitingRecord,
        deadline,
    },
};
use std::{cmp::Reverse, fmt::Write as _};
use trustmesh_types::{
    PublicKey,
    events::Event,
    limits,
    plan::Decline,
    records::{Designation, Member, RequestRecord, Status},
    reject::{RejectCode, Rejection},
    resources::{MIB, Resources},
};

/// A node that may be designated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The node.
    pub node: PublicKey,
    /// Its recent misses.
    pub misses: u32,
    /// What it has free.
    pub available: Resources,
}

/// The weights of eq. 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weights {
    /// w_c, per available cpu milli.
    pub cpu: u64,
    /// w_m, per available MiB.
    pub memory: u64,
}

impl Weights {
    fn of(self, available: &Resources) -> u128 {
        let cpu = u128::from(self.cpu) * u128::from(available.cpu_millis);
        let memory = u128::from(self.memory) * u128::from(available.memory_bytes / MIB);
        cpu.saturating_add(memory)
    }
}

/// f(N, R): the node that shall plan, or `None` when every candidate was tried in vain.
#[must_use]
pub fn designate(
    candidates: &[Candidate],
    weights: Weights,
    in_vain: &[PublicKey],
) -> Option<PublicKey> {
    candidates
        .iter()
        .filter(|c| !in_vain.contains(&c.node))
        .min_by_key(|c| (c.misses, Reverse(weights.of(&c.available)), c.node))
        .map(|c| c.node)
}

/// N of f(N, R): the nodes that may be designated now.
pub(super) fn candidates(draft: &Draft<'_>) -> Vec<Candidate> {
    let live = |load: &trustmesh_types::records::NodeLoad| {
        load.snapshot.is_some() && load.live_until_ms > draft.timestamp_ms
    };
    draft
        .store
        .iter::<Loads>()
        .filter(|(_, load)| live(load))
        .filter_map(|(node, load)| match draft.store.get::<Members>(&node)? {
            Member::Node { info, quarantined: false, .. } if info.roles.scheduler => {
                let available = load.available(&info.capacity);
                Some(Candidate { node, misses: load.misses, available })
            }
            _ => None,
        })
        .collect()
}

/// Designates the next node, or lets the request wait. `last` says why the previous
/// designation ended, if there was one. The caller saves the record.
pub(super) fn designate_next(
    draft: &mut Draft<'_>,
    record: &mut RequestRecord,
    last: Option<&str>,
    candidates: &[Candidate],
) {
    let weights =
        Weights { cpu: draft.parameters.weight_cpu, memory: draft.parameters.weight_memory };
    match designate(candidates, weights, &record.in_vain) {
        Some(node) => appoint(draft, record, node),
        None => wait(draft, record, last),
    }
}

/// Ends the current designation and designates the next node. The caller saves the record.
pub(super) fn pass_on(
    draft: &mut Draft<'_>,
    record: &mut RequestRecord,
    reason: &str,
    candidates: &[Candidate],
) {
    let Some(node) = lifecycle::undesignate(draft, record) else { return };
    if !record.in_vain.contains(&node) {
        record.in_vain.push(node);
    }
    draft.emit(Event::DesignationEnded {
        request: record.id,
        designation: record.designation,
        node,
        reason: lifecycle::bounded(reason.to_owned()),
    });
    let last = format!("node {}: {reason}", node.short());
    designate_next(draft, record, Some(&last), candidates);
}

fn appoint(draft: &mut Draft<'_>, record: &mut RequestRecord, node: PublicKey) {
    lifecycle::stop_waiting(draft, record);
    let number = record.designation.saturating_add(1);
    record.designation = number;
    let due_ms = draft.timestamp_ms.saturating_add(draft.parameters.generation_timeout_ms);
    record.designated = Some(Designation {
        node,
        height: draft.height,
        since_ms: draft.timestamp_ms,
        due_ms,
        rejections: 0,
    });
    let entry = DesignationRecord { node, height: draft.height };
    draft.store.put::<Designations>(&(record.id, number), &entry);
    if let Some(old) = number.checked_sub(limits::DESIGNATIONS_KEPT_MAX) {
        draft.store.remove::<Designations>(&(record.id, old));
    }
    draft.store.put::<Designated>(&(node, record.id), &());
    deadlines::arm(draft, due_ms, deadline::GENERATION, &record.id, number);
    draft.emit(Event::Designated { request: record.id, designation: number, node });
}

fn wait(draft: &mut Draft<'_>, record: &mut RequestRecord, last: Option<&str>) {
    // Each designation of this round ended in vain, so the round's first number follows
    // from their count. Everybody planned on a state at least as new as the first one's.
    let tried = u32::try_from(record.in_vain.len()).unwrap_or(u32::MAX);
    let first = record.designation.saturating_sub(tried).saturating_add(1);
    let seen_height = match draft.store.get::<Designations>(&(record.id, first)) {
        Some(entry) if tried > 0 => entry.height,
        // Nobody was asked: what the rest of this block changes was not seen.
        _ => draft.height.saturating_sub(1),
    };
    let reason = lifecycle::bounded(match last {
        Some(last) if tried > 0 => {
            format!("all {tried} nodes that can be designated were, in vain; the last one, {last}")
        }
        _ => "no node can be designated: none that may schedule has a live resource snapshot"
            .to_owned(),
    });
    record.in_vain.clear();
    record.waiting = Some(reason.clone());
    queue(draft, record);
    let entry = WaitingRecord { since_height: draft.height, seen_height };
    draft.store.put::<Waiting>(&(record.accepted_height, record.id), &entry);
    draft.emit(Event::RequestWaiting { request: record.id, reason });
}

/// From when a request first waits until a plan of it is Active it is queued, and not for
/// ever. The request's own deadline ends it if that comes first.
fn queue(draft: &mut Draft<'_>, record: &mut RequestRecord) {
    let since_ms = *record.queued_ms.get_or_insert(draft.timestamp_ms);
    let due_ms = lifecycle::queued_until_ms(draft, since_ms);
    if due_ms < record.body.deadline_ms {
        deadlines::arm(draft, due_ms, deadline::QUEUEING, &record.id, 0);
    }
}

/// The designated node finds no plan: the next one's turn. No fault.
///
/// # Errors
/// [`Rejection`] when the signer is not the node that shall plan under that number now, or
/// the task is none of the workflow's.
pub fn decline(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    decline: &Decline,
) -> Result<(), Rejection> {
    let mut record = lifecycle::load(draft, &decline.request)?;
    let number = decline.designation;
    let current = record.designated.as_ref().filter(|_| record.designation == number);
    let Some(current) = current.filter(|_| record.status == Status::Requested) else {
        let reason = format!(
            "designation {number} of request {} is not current (the last one is {})",
            record.id, record.designation
        );
        return Err(Rejection::new(RejectCode::NotCurrent, reason));
    };
    if current.node != *signer {
        let reason = format!(
            "designation {number} of request {} names node {}, not {}",
            record.id,
            current.node.short(),
            signer.short()
        );
        return Err(Rejection::new(RejectCode::NotDesignated, reason));
    }
    let workflow = lifecycle::workflow(draft, &record)?;
    if workflow.task(&decline.task).is_none() {
        let reason = format!("task {} is none of workflow {}", decline.task, workflow.id);
        return Err(Rejection::new(RejectCode::InvalidValue, reason));
    }
    let mut reason = format!("declined, task {} fits nowhere", decline.task);
    for unfit in &decline.unfit {
        // Writing to a String can't fail.
        let _ = write!(reason, "; {}: {}", unfit.node.short(), unfit.reason);
        if reason.len() > limits::TEXT_BYTES_MAX {
            break;
        }
    }
    let candidates = candidates(draft);
    pass_on(draft, &mut record, &reason, &candidates);
    lifecycle::save(draft, record);
    Ok(())
}
