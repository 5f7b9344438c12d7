//! Progress: tasks that a next plan need not run again (PROTOCOL §4, Execution).
//!
//! A task is recorded done when its completions count (`evidence`) and f+1 validators
//! hold its output, so that it survives the loss of any f nodes. Done tasks stay done.
//! Anybody among the nodes may bring the proof: it is the workers' and validators'
//! signatures that count.

use super::{evidence::Evidence, lifecycle};
use crate::{
    contracts::{storage, values},
    machine::Draft,
};
use trustmesh_types::{
    PublicKey, TaskId,
    events::Event,
    evidence::{DoneTask, Progress, SignedCompletion},
    records::{DoneRecord, RequestRecord},
    reject::{RejectCode, Rejection},
    request::StorageReceipt,
};

/// Marks tasks done, under the last confirmed plan, whether it is still active or not.
///
/// # Errors
/// [`Rejection`] when the signer is no node, the request has ended or has no such plan, a
/// task is not open, or a completion or its receipts don't hold.
pub fn record_progress(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    progress: &Progress,
) -> Result<(), Rejection> {
    values::node(draft, signer, "record progress")?;
    let mut record = lifecycle::load(draft, &progress.request)?;
    lifecycle::still_open(&record)?;
    let workflow = lifecycle::workflow(draft, &record)?;
    let done = {
        let plan = record.plan.as_ref().filter(|p| p.designation == progress.designation);
        let Some(plan) = plan else {
            let reason = format!(
                "request {} has no plan under designation {}",
                record.id, progress.designation
            );
            return Err(Rejection::new(RejectCode::NotActive, reason));
        };
        let mut evidence = Evidence::new(draft, &record, &workflow, plan);
        let mut done: Vec<(TaskId, DoneRecord)> = Vec::new();
        for (id, given) in by_task(&progress.done) {
            let task = evidence.open_task(id)?;
            let completions: Vec<&SignedCompletion> = given.iter().map(|d| &d.completion).collect();
            let completion = evidence.check(task, &completions)?;
            let receipts = given.iter().flat_map(|d| &d.receipts);
            let receipts = output_receipts(draft, &record, completion, receipts)?;
            let agreeing = completions.iter().map(|c| c.completion.node).collect();
            let completion = completion.clone();
            done.push((id.clone(), DoneRecord { completion, agreeing, receipts }));
        }
        done
    };
    if done.is_empty() {
        let reason = format!("the progress of request {} names no task", record.id);
        return Err(Rejection::new(RejectCode::InvalidValue, reason));
    }
    for (id, task) in done {
        lifecycle::release_task(draft, &mut record, &workflow, &id);
        draft.emit(Event::TaskDone { request: record.id, task: id.clone() });
        record.done.insert(id, task);
    }
    lifecycle::save(draft, record);
    Ok(())
}

/// What is given for each task, in the order in which tasks come up first.
fn by_task(done: &[DoneTask]) -> Vec<(&TaskId, Vec<&DoneTask>)> {
    let mut tasks: Vec<(&TaskId, Vec<&DoneTask>)> = Vec::new();
    for one in done {
        let id = &one.completion.completion.task;
        match tasks.iter_mut().find(|(task, _)| *task == id) {
            Some((_, given)) => given.push(one),
            None => tasks.push((id, vec![one])),
        }
    }
    tasks
}

/// The receipts that count for a task's output, one per validator, at least f+1. The others
/// are not kept.
pub(super) fn output_receipts<'a>(
    draft: &Draft<'_>,
    record: &RequestRecord,
    completion: &SignedCompletion,
    receipts: impl Iterator<Item = &'a StorageReceipt>,
) -> Result<Vec<StorageReceipt>, Rejection> {
    let subject = record.id.0;
    let (digest, bytes) = (completion.completion.output, completion.completion.output_bytes);
    let about = |r: &StorageReceipt| (r.subject, r.digest, r.bytes) == (subject, digest, bytes);
    let mut mine: Vec<StorageReceipt> = receipts.filter(|r| about(r)).cloned().collect();
    // With replicas the same receipt may come beside each completion.
    mine.sort_unstable_by_key(|r| (r.validator, r.signature));
    mine.dedup();
    let mut holders = storage::check_receipts(draft, subject, digest, bytes, &mine)?;
    let doubled = |key: &PublicKey| mine.iter().filter(|r| r.validator == *key).count() > 1;
    let doubtful: Vec<PublicKey> = holders.iter().copied().filter(doubled).collect();
    let mut kept = Vec::with_capacity(holders.len());
    for receipt in mine {
        let good = !doubtful.contains(&receipt.validator)
            || draft.proven.check(&receipt.claim(&draft.network));
        // Each holder's first good one; taken out, so that a second does not count.
        if let (true, Ok(at)) = (good, holders.binary_search(&receipt.validator)) {
            holders.remove(at);
            kept.push(receipt);
        }
    }
    Ok(kept)
}
