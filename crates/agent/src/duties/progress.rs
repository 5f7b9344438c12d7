//! Recording finished tasks before they are lost with their plan (PROTOCOL §4, "When
//! something goes wrong").
//!
//! Done when the plan was abandoned, or half of its time has passed: each node then brings
//! its own completed tasks to the ledger, with f+1 validators' receipts for the outputs, and
//! with the completed predecessors that it holds, predecessors first.

use crate::{agenda::Matter, core::Core, duties::share, limits, work::Work};
use std::collections::BTreeSet;
use trustmesh_types::{
    Payload, TaskId,
    evidence::{DoneTask, Progress, SignedCompletion},
    records::Status,
};

/// Records what this node completed, when it is time.
pub(crate) fn tick(core: &mut Core, work: &mut Work) {
    let Some(plan) = work.view.plan() else { return };
    let designation = plan.designation;
    let half_ms = plan.deadline_ms.saturating_sub(plan.since_ms) / 2;
    let from_ms = plan.since_ms.saturating_add(half_ms.max(limits::PROGRESS_MS_MIN));
    let own: BTreeSet<TaskId> = work
        .kept()
        .map(|c| c.completion.task.clone())
        .filter(|t| !work.view.record.done.contains_key(t))
        .collect();
    if own.is_empty() {
        return;
    }
    if work.view.record.status == Status::Active && core.now_ms < from_ms {
        return core.later(Matter::Request(work.id), from_ms);
    }
    let done = collect(core, work, &own);
    let news = done.iter().any(|d| own.contains(&d.completion.completion.task));
    if !news {
        return;
    }
    if work.progress.ready(core.now_ms) {
        work.progress.tried(core.now_ms, limits::TRANSACT_MS);
        let request = work.id;
        core.transact(Payload::RecordProgress(Progress { request, designation, done }));
    }
    core.later(Matter::Request(work.id), work.progress.next_ms());
}

/// Own tasks and their predecessors that can be recorded, in topological order; what lacks
/// receipts gets them.
fn collect(core: &mut Core, work: &Work, own: &BTreeSet<TaskId>) -> Vec<DoneTask> {
    let mut recorded: BTreeSet<TaskId> = work.view.record.done.keys().cloned().collect();
    let mut done = Vec::new();
    let tasks: Vec<(TaskId, Vec<TaskId>, bool)> = work
        .view
        .open_tasks()
        .iter()
        .map(|t| {
            let before_own =
                work.view.workflow.successors(&t.id).any(|after| own.contains(&after.id));
            (t.id.clone(), t.after.clone(), before_own || own.contains(&t.id))
        })
        .collect();
    let sound = work.sound();
    for (task, after, wanted) in tasks {
        let Some(agreeing) = sound.get(&task) else { continue };
        let Some(signed) = agreeing.first().map(|first| (*first).clone()) else { continue };
        if let Some(found) = evidence(core, work, &signed, wanted)
            && after.iter().all(|a| recorded.contains(a))
        {
            // With replicas, each completion that agrees.
            done.extend(agreeing.iter().map(|agreeing| DoneTask {
                completion: (*agreeing).clone(),
                receipts: found.receipts.clone(),
            }));
            recorded.insert(task);
        }
    }
    done
}

fn evidence(
    core: &mut Core,
    work: &Work,
    signed: &SignedCompletion,
    wanted: bool,
) -> Option<DoneTask> {
    if let Some(receipts) = share::receipts_for(core, work, &signed.completion) {
        return Some(DoneTask { completion: signed.clone(), receipts });
    }
    if wanted {
        share::gather(core, work, signed);
    }
    None
}
