//! Completions that contradict each other: seen by whoever runs, takes or finalizes a task,
//! and brought to the ledger with the signatures (PROTOCOL §4, Execution).
//!
//! One node brings a contradiction at once, the finalizer; the others of the plan wait their
//! turn and see first whether the ledger knows it. What is open is bounded, and tried a
//! bounded number of times.

use crate::{
    agenda::{Matter, Retry},
    core::Core,
    limits,
    work::{View, Work},
};
use std::collections::BTreeMap;
use trustmesh_types::{
    Payload, PublicKey, RequestId, TaskId,
    evidence::SignedCompletion,
    faults::Conflict,
    records::{RequestRecord, Status},
};

/// A contradiction of one node: request, designation, task, node.
type Key = (RequestId, u32, TaskId, PublicKey);

#[derive(Debug, Clone)]
struct Open {
    completions: Vec<SignedCompletion>,
    report: Retry,
}

/// Contradictions that this node saw and the ledger does not show yet.
#[derive(Debug, Default, Clone)]
pub(crate) struct Conflicts {
    open: BTreeMap<Key, Open>,
}

impl Conflicts {
    fn add(&mut self, core: &mut Core, turn: Option<usize>, completions: Vec<SignedCompletion>) {
        let Some(odd) = completions.first().map(|signed| &signed.completion) else { return };
        let key = (odd.request, odd.designation, odd.task.clone(), odd.node);
        if self.open.len() >= limits::CONFLICTS_MAX || self.open.contains_key(&key) {
            return;
        }
        let turn = u64::try_from(turn.unwrap_or(0)).unwrap_or(u64::MAX);
        let wait_ms = core.state.parameters().finalization_timeout_ms.saturating_mul(turn);
        let at_ms = core.now_ms.saturating_add(wait_ms);
        core.agenda.at(Matter::Conflict(key.0), at_ms);
        self.open.insert(key, Open { completions, report: Retry::not_before(at_ms) });
    }
}

/// This node's place among those that finalize.
fn turn(core: &Core, view: &View) -> Option<usize> {
    view.finalizers().iter().position(|node| *node == core.me)
}

/// Looks for replicas that are outvoted, among all completions that are here.
pub(crate) fn look(core: &mut Core, conflicts: &mut Conflicts, work: &Work) {
    let tasks: Vec<TaskId> = work
        .view
        .workflow
        .tasks
        .iter()
        .filter(|task| task.replicas > 1)
        .map(|task| task.id.clone())
        .collect();
    for task in tasks {
        let agreeing: Vec<SignedCompletion> = work.agreeing(&task).into_iter().cloned().collect();
        let all = work.completions.get(&task).into_iter().flat_map(BTreeMap::values);
        let odd: Vec<SignedCompletion> =
            all.filter(|signed| differs(signed, &agreeing)).cloned().collect();
        for signed in odd {
            let shown = std::iter::once(signed).chain(agreeing.iter().cloned()).collect();
            conflicts.add(core, turn(core, &work.view), shown);
        }
    }
}

fn differs(signed: &SignedCompletion, agreeing: &[SignedCompletion]) -> bool {
    agreeing.first().is_some_and(|first| {
        let (one, other) = (&signed.completion, &first.completion);
        one.output != other.output
            && one.inputs == other.inputs
            && one.designation == other.designation
    })
}

/// A node signed a second output of a task: `known` is the first, and good.
pub(crate) fn second(
    core: &mut Core,
    conflicts: &mut Conflicts,
    view: &View,
    known: &SignedCompletion,
    signed: &SignedCompletion,
) {
    let other = known.completion.output != signed.completion.output;
    if other && signed.verify(&core.network).is_ok() {
        conflicts.add(core, turn(core, view), vec![signed.clone(), known.clone()]);
    }
}

/// A completion that comes after its request was finalized, by a node of the plan.
pub(crate) fn late(
    core: &mut Core,
    conflicts: &mut Conflicts,
    record: RequestRecord,
    signed: &SignedCompletion,
) {
    let task = &signed.completion.task;
    if record.status != Status::Finalized || record.agreeing(task).contains(&signed.completion.node)
    {
        return;
    }
    let agreeing: Vec<SignedCompletion> = record
        .completions
        .iter()
        .filter(|counted| counted.completion.task == *task)
        .cloned()
        .collect();
    let Some(workflow) = core.state.workflow(&record.body.workflow) else { return };
    let view = View { record, workflow: workflow.workflow };
    let assigned = view.assigned(task).contains(&signed.completion.node);
    if assigned && differs(signed, &agreeing) && signed.verify(&core.network).is_ok() {
        let shown = std::iter::once(signed.clone()).chain(agreeing).collect();
        conflicts.add(core, turn(core, &view), shown);
    }
}

/// Brings a request's contradictions to the ledger, when it is this node's turn and the
/// ledger does not know them.
pub(crate) fn tick(core: &mut Core, conflicts: &mut Conflicts, id: &RequestId) {
    let gone = core.state.request(id).is_none();
    let state = &core.state;
    conflicts.open.retain(|(request, designation, task, node), open| {
        request != id
            || !gone
                && open.report.tries() < limits::CONFLICT_TRIES_MAX
                && !state.knows_difference(request, *designation, task, node)
    });
    let (now_ms, mut due) = (core.now_ms, Vec::new());
    let mut next_ms: Option<u64> = None;
    for ((request, designation, task, _), open) in &mut conflicts.open {
        if request != id {
            continue;
        }
        if open.report.ready(now_ms) {
            open.report.tried(now_ms, limits::TRANSACT_MS);
            due.push(Conflict {
                request: *request,
                designation: *designation,
                task: task.clone(),
                completions: open.completions.clone(),
            });
        }
        let at_ms = open.report.next_ms();
        next_ms = Some(next_ms.map_or(at_ms, |next| next.min(at_ms)));
    }
    for conflict in due {
        let text = format!("task {}: replicas contradict each other", conflict.task);
        core.note(true, Some(*id), text);
        core.transact(Payload::ReportConflict(conflict));
    }
    if let Some(at_ms) = next_ms {
        core.later(Matter::Conflict(*id), at_ms);
    }
}
