//! Which requests concern this node, and what is done about each: the reconciling at the
//! crate's heart.

use crate::{
    agenda::Matter,
    core::Core,
    duties::{
        conflicts::{self, Conflicts},
        deliver, execute, fetch, finalize, progress, receipts, schedule, share,
    },
    early::Early,
    limits,
    work::{Run, View, Work},
};
use std::collections::{BTreeMap, BTreeSet};
use trustmesh_types::{
    AppId, PublicKey, RequestId, TaskId,
    evidence::SignedCompletion,
    message::Message,
    mutants::{Mutant, mutated},
    records::{RequestRecord, Status},
};

/// Memory of all requests that concern this node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Works {
    pub(crate) open: BTreeMap<RequestId, Work>,
    pub(crate) early: Early,
    pub(crate) tentative: schedule::Tentative,
    pub(crate) conflicts: Conflicts,
    /// Ended requests of the ledger's state whose result was handed over.
    delivered: BTreeSet<RequestId>,
    /// Completions from before a restart.
    recovered: BTreeMap<(RequestId, u32), BTreeMap<TaskId, SignedCompletion>>,
}

impl Works {
    /// Takes over what was durable before a restart.
    pub(crate) fn new(recovered: Vec<SignedCompletion>) -> Self {
        let mut works = Self::default();
        if mutated(Mutant::CompletionsForgotten) {
            return works;
        }
        for signed in recovered.into_iter().take(limits::RECOVERED_MAX) {
            let of = (signed.completion.request, signed.completion.designation);
            let task = signed.completion.task.clone();
            works.recovered.entry(of).or_default().insert(task, signed);
        }
        works
    }
}

impl Works {
    /// Whether an active plan has a task of an application for `me` that is not done.
    pub(crate) fn need(&self, me: &PublicKey, app: &AppId) -> bool {
        let needs = |work: &Work| {
            work.view.active().is_some()
                && work.view.open_tasks().iter().any(|task| {
                    task.app == *app
                        && work.view.assigned(&task.id).contains(me)
                        && !matches!(work.runs.get(&task.id), Some(Run::Kept(_)))
                })
        };
        self.open.values().any(needs)
    }
}

fn concerns(me: &PublicKey, view: &View) -> bool {
    let record = &view.record;
    let in_plan = || view.finalizers().contains(me);
    match record.status {
        Status::Requested => record.designated.as_ref().is_some_and(|d| d.node == *me) || in_plan(),
        Status::Active => in_plan(),
        Status::Finalized => view.result_holders().contains(me),
        Status::Failed | Status::Cancelled => false,
    }
}

/// The ledger says something new about a request.
pub(crate) fn refresh(core: &mut Core, works: &mut Works, id: &RequestId) {
    let record = core.state.request(id);
    let waits = |r: &RequestRecord| {
        r.status == Status::Requested && r.designated.as_ref().is_some_and(|d| d.node == core.me)
    };
    if !record.as_ref().is_some_and(waits) {
        works.tentative.settle(id);
    }
    if record.as_ref().is_none_or(|r| r.status.ended()) {
        works.recovered.retain(|(request, _), _| request != id);
    }
    if record.is_none() {
        works.delivered.remove(id);
    }
    let workflow = record.as_ref().and_then(|r| core.state.workflow(&r.body.workflow));
    let view = match (record, workflow) {
        (Some(record), Some(of)) => View { record, workflow: of.workflow },
        _ => return forget(core, works, id),
    };
    if !concerns(&core.me, &view) || works.delivered.contains(id) {
        return forget(core, works, id);
    }
    if let Some(work) = works.open.get_mut(id) {
        work.update(view, core.now_ms);
    } else if works.open.len() < limits::WORKS_MAX {
        works.open.insert(*id, Work::new(view, core.now_ms));
    } else {
        let text = "this node has too many requests open and leaves this one to others";
        return core.note(true, Some(*id), text.to_owned());
    }
    if let Some(work) = works.open.get(id) {
        share::meet(core, work);
    }
    recover(core, works, id);
    for (from, message) in works.early.take(id) {
        hear(core, works, from, message);
    }
    core.poke(Matter::Request(*id));
}

/// Completions from before a restart count again under the plan that they belong to.
fn recover(core: &mut Core, works: &mut Works, id: &RequestId) {
    let Some(work) = works.open.get_mut(id) else { return };
    let Some(designation) = work.designation() else { return };
    for (task, signed) in works.recovered.remove(&(*id, designation)).unwrap_or_default() {
        let mine = signed.completion.node == core.me
            && work.view.assigned(&task).contains(&core.me)
            && signed.verify(&core.network).is_ok();
        if mine && !work.runs.contains_key(&task) {
            execute::kept(core, work, &task, signed);
        }
    }
}

/// A message about a request.
pub(crate) fn hear(core: &mut Core, works: &mut Works, from: PublicKey, message: Message) {
    let id = match &message {
        Message::Completed { completion, .. } => completion.completion.request,
        Message::Receipts { request, .. } | Message::AskCompletions { request } => *request,
        _ => return,
    };
    if let Message::Completed { completion, .. } = &message
        && let Some(record) = core.state.request(&id).filter(|r| r.status.ended())
    {
        return conflicts::late(core, &mut works.conflicts, record, completion);
    }
    let Some(work) = works.open.get_mut(&id) else {
        let ended = core.state.request(&id).is_some_and(|r| r.status.ended());
        if !matches!(message, Message::AskCompletions { .. }) && !ended {
            works.early.push(id, from, message);
        }
        return;
    };
    let taken = match &message {
        Message::Completed { completion, data } => {
            let conflicts = &mut works.conflicts;
            share::heard(core, (work, conflicts), from, completion, data.as_deref())
        }
        Message::Receipts { receipts, .. } => {
            share::receipts_heard(core, work, receipts);
            true
        }
        _ => {
            share::answer(core, work, from);
            true
        }
    };
    if !taken {
        works.early.push(id, from, message);
    }
}

/// Does what there is to do about a request.
pub(crate) fn tick(core: &mut Core, works: &mut Works, id: &RequestId) {
    let Some(work) = works.open.get_mut(id) else { return };
    let over = match work.view.record.status {
        Status::Requested => {
            schedule::tick(core, work, &mut works.tentative);
            progress::tick(core, work);
            false
        }
        Status::Active => {
            work.planning = None;
            execute::tick(core, work);
            share::tick(core, work);
            progress::tick(core, work);
            conflicts::look(core, &mut works.conflicts, work);
            finalize::tick(core, work);
            false
        }
        Status::Finalized => {
            let over = deliver::tick(core, work);
            if over {
                works.delivered.insert(*id);
            }
            over
        }
        Status::Failed | Status::Cancelled => true,
    };
    if over {
        forget(core, works, id);
    }
}

/// A request no longer concerns this node.
fn forget(core: &mut Core, works: &mut Works, id: &RequestId) {
    works.open.remove(id);
    works.tentative.settle(id);
    let matter = Matter::Request(*id);
    core.agenda.clear(&matter);
    let ended = core.state.request(id).is_none_or(|r| r.status.ended());
    if ended {
        works.early.take(id);
    }
    fetch::unwant(core, &matter);
    // An intake of the same request gathers under the same subject and drops it itself.
    if ended {
        receipts::forget_subject(core, id.0);
    }
}
