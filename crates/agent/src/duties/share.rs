//! Completions and receipts between the nodes of a plan (PROTOCOL §4, Execution).
//!
//! A completion goes with its output to the nodes of the tasks that take it, and without to
//! the finalizer; whoever misses one asks for it. Only a first completion by a node for a
//! task counts, and only when the plan has the task at that node.

use crate::{
    Effect,
    agenda::Matter,
    core::Core,
    duties::{
        conflicts::{self, Conflicts},
        fetch, receipts,
    },
    limits,
    work::{Run, Work},
};
use std::collections::BTreeSet;
use trustmesh_types::{
    Digest, PublicKey, TaskId,
    evidence::{Completion, SignedCompletion, TaskInput},
    limits::{BLOB_MESSAGE_BYTES_MAX, OUTPUT_BYTES_MAX, TASKS_MAX},
    message::Message,
    mutants::{Mutant, mutated},
    request::StorageReceipt,
};

/// Nodes whose tasks take a task's output.
fn takers(work: &Work, task: &TaskId) -> BTreeSet<PublicKey> {
    let after = work.view.workflow.successors(task);
    after.flat_map(|t| work.view.assigned(&t.id)).copied().collect()
}

/// Tells whom this node will write to when it has done its tasks.
pub(crate) fn meet(core: &mut Core, work: &Work) {
    let open = work.view.active().map(|_| work.view.open_tasks()).unwrap_or_default();
    let mut own =
        open.iter().filter(|task| work.view.assigned(&task.id).contains(&core.me)).peekable();
    if own.peek().is_none() {
        return;
    }
    let mut nodes: BTreeSet<PublicKey> = own.flat_map(|task| takers(work, &task.id)).collect();
    nodes.extend(work.view.finalizers().first());
    nodes.remove(&core.me);
    if !nodes.is_empty() {
        core.out.push(Effect::Meet(nodes.into_iter().collect()));
    }
}

fn completion(core: &Core, signed: &SignedCompletion, with_data: bool) -> Message {
    let data = with_data.then(|| core.blobs.get(&signed.completion.output)).flatten();
    let data = data.filter(|d| d.len() <= BLOB_MESSAGE_BYTES_MAX).map(|d| d.to_vec());
    Message::Completed { completion: signed.clone(), data }
}

/// This node completed a task.
pub(crate) fn completed(core: &mut Core, work: &mut Work, signed: &SignedCompletion) {
    if work.view.active().is_none() {
        return;
    }
    let task = &signed.completion.task;
    let takers = takers(work, task);
    if let Some(finalizer) = work.view.finalizers().first()
        && !takers.contains(finalizer)
    {
        let message = completion(core, signed, false);
        core.send(*finalizer, message);
    }
    for taker in takers {
        let message = completion(core, signed, true);
        core.send(taker, message);
    }
    let sink = work.view.workflow.successors(task).next().is_none();
    if sink {
        gather(core, work, signed);
    }
}

/// Begins to gather receipts for an output that is here or can be had. This node's own copy
/// counts at once where it ran the task itself.
pub(crate) fn gather(core: &mut Core, work: &Work, signed: &SignedCompletion) {
    let output = signed.completion.output;
    let key = work.key(output);
    if core.gathers.contains_key(&key) {
        return;
    }
    let task = &signed.completion.task;
    let matter = Matter::Request(work.id);
    let sources = work.output_sources(task);
    let bytes = signed.completion.output_bytes;
    let Some(data) = fetch::want(core, output, bytes, &sources, &matter) else { return };
    let durable_here = matches!(
        work.runs.get(task),
        Some(Run::Kept(own)) if own.completion.output == output
    );
    let parcel = receipts::Parcel::Output(Box::new(signed.clone()));
    let entry = Some(work.view.record.entry);
    receipts::start(core, key, parcel, data, matter, (durable_here, entry));
}

/// f+1 receipts for a completion's output, gathered here or heard of. One that gives
/// another length is genuine and still worth nothing to the ledger.
pub(crate) fn receipts_for(
    core: &Core,
    work: &Work,
    completion: &Completion,
) -> Option<Vec<StorageReceipt>> {
    let quorum = core.quorum();
    receipts::complete(core, &work.key(completion.output)).or_else(|| {
        let heard = work.receipts.get(&completion.output)?;
        let fitting = heard.values().filter(|r| r.bytes == completion.output_bytes);
        let found: Vec<StorageReceipt> = fitting.take(quorum).cloned().collect();
        (found.len() == quorum).then_some(found)
    })
}

/// Gathers receipts for this node's sinks, also after a restart or when the output had left
/// the memory, and sends them to the finalizer.
pub(crate) fn tick(core: &mut Core, work: &mut Work) {
    if work.view.active().is_none() {
        return;
    }
    let kept: Vec<SignedCompletion> = work.kept().cloned().collect();
    for signed in &kept {
        let sink = work.view.workflow.successors(&signed.completion.task).next().is_none();
        if sink && receipts_for(core, work, &signed.completion).is_none() {
            gather(core, work, signed);
        }
    }
    let Some(finalizer) = work.view.finalizers().first().copied() else { return };
    if finalizer == core.me {
        return;
    }
    for signed in kept {
        let output = signed.completion.output;
        // What was sent once stands among the receipts heard of; a lost one is asked for.
        if work.receipts.contains_key(&output) {
            continue;
        }
        let Some(receipts) = receipts::complete(core, &work.key(output)) else { continue };
        let heard = receipts.iter().map(|r| (r.validator, r.clone())).collect();
        work.receipts.insert(output, heard);
        let task = signed.completion.task;
        core.send(finalizer, Message::Receipts { request: work.id, task, receipts });
    }
}

/// Another node completed a task. False when the message is ahead of this node's state.
pub(crate) fn heard(
    core: &mut Core,
    (work, conflicts): (&mut Work, &mut Conflicts),
    from: PublicKey,
    signed: &SignedCompletion,
    data: Option<&[u8]>,
) -> bool {
    let completion = &signed.completion;
    if work.designation().is_none_or(|d| d < completion.designation) {
        return false;
    }
    if work.designation() != Some(completion.designation) || work.view.record.status.ended() {
        return true;
    }
    let known = work.completions.get(&completion.task).and_then(|of| of.get(&completion.node));
    if known.is_none() {
        let signed_by_it = signed.verify(&core.network).is_ok() || mutated(Mutant::HeardUnchecked);
        if !plausible(work, signed) || !signed_by_it {
            return true;
        }
        work.completions
            .entry(completion.task.clone())
            .or_default()
            .insert(completion.node, signed.clone());
    } else if let Some(known) = known.filter(|known| *known != signed) {
        conflicts::second(core, conflicts, &work.view, known, signed);
        return true;
    }
    if let Some(data) = data {
        let whole = data.len() as u64 == completion.output_bytes;
        if whole && (Digest::of(data) == completion.output || mutated(Mutant::BlobUnchecked)) {
            fetch::here(core, completion.output, data.into());
        } else {
            let name = core.name(&from);
            let text = format!(
                "task {}: {name} sent an output that does not fit its digest",
                completion.task
            );
            core.note(true, Some(work.id), text);
        }
    }
    core.poke(Matter::Request(work.id));
    true
}

/// Whether the plan has the task at that node, open, with inputs of the right predecessors.
fn plausible(work: &Work, signed: &SignedCompletion) -> bool {
    let completion = &signed.completion;
    let Some(task) = work.view.workflow.task(&completion.task) else { return false };
    let bytes = completion.output_bytes;
    let from: Vec<Option<&TaskId>> = completion.inputs.iter().map(|i| i.from.as_ref()).collect();
    let mut expected: Vec<Option<&TaskId>> = task.after.iter().map(Some).collect();
    expected.sort_unstable();
    let whole = TaskInput { from: None, digest: work.view.record.body.input };
    let inputs = if expected.is_empty() { completion.inputs == [whole] } else { from == expected };
    inputs
        && (1..=OUTPUT_BYTES_MAX).contains(&bytes)
        && !work.view.record.done.contains_key(&completion.task)
        && work.view.assigned(&completion.task).contains(&completion.node)
}

/// Receipts that another node gathered. False when the message is ahead of this node's
/// state.
pub(crate) fn receipts_heard(core: &mut Core, work: &mut Work, list: &[StorageReceipt]) {
    for receipt in list.iter().take(trustmesh_types::limits::STORAGE_RECEIPTS_MAX) {
        let room = work.receipts.len() < TASKS_MAX || work.receipts.contains_key(&receipt.digest);
        let known =
            work.receipts.get(&receipt.digest).is_some_and(|h| h.contains_key(&receipt.validator));
        if receipt.subject == work.id.0 && room && !known && receipts::genuine(core, receipt) {
            work.receipts
                .entry(receipt.digest)
                .or_default()
                .insert(receipt.validator, receipt.clone());
        }
    }
    core.poke(Matter::Request(work.id));
}

/// "What have you of this request?"
pub(crate) fn answer(core: &mut Core, work: &Work, to: PublicKey) {
    let kept: Vec<SignedCompletion> = work.kept().cloned().collect();
    for signed in kept {
        let takes = takers(work, &signed.completion.task).contains(&to);
        let message = completion(core, &signed, takes);
        core.send(to, message);
        if let Some(receipts) = receipts_for(core, work, &signed.completion) {
            let task = signed.completion.task;
            core.send(to, Message::Receipts { request: work.id, task, receipts });
        }
    }
}

/// Asks the nodes of tasks whose completions this node waits for, `tasks`, now and then.
pub(crate) fn ask(core: &mut Core, work: &mut Work, tasks: &BTreeSet<TaskId>) {
    let nodes: BTreeSet<PublicKey> =
        tasks.iter().flat_map(|t| work.view.assigned(t)).copied().collect();
    if nodes.is_empty() {
        return;
    }
    if work.ask.ready(core.now_ms) {
        work.ask.tried(core.now_ms, limits::ASK_MS);
        for node in nodes {
            core.send(node, Message::AskCompletions { request: work.id });
        }
    }
    core.later(Matter::Request(work.id), work.ask.next_ms());
}

/// Tasks that this node's own tasks wait for.
pub(crate) fn missing(core: &Core, work: &Work) -> BTreeSet<TaskId> {
    let open = work.view.open_tasks();
    let mine = open.iter().filter(|t| {
        work.view.assigned(&t.id).contains(&core.me)
            && !matches!(
                work.runs.get(&t.id),
                Some(Run::Running(_) | Run::Keeping(_) | Run::Kept(_))
            )
    });
    let before = mine.flat_map(|t| &t.after);
    before.filter(|b| work.chosen(b).is_none()).cloned().collect()
}
