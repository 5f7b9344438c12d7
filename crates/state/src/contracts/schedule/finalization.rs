//! Finalization: a request ends with its result (PROTOCOL §4, Finalization and delivery).
//!
//! The ledger keeps who computed what from what: every open task's completions, each edge's
//! input digest equal to its predecessor's output digest, and f+1 validators' receipts for
//! every sink's output. Anybody among the nodes may bring it; the signatures count.

use super::{evidence::Evidence, execution, lifecycle, progress::output_receipts};
use crate::{contracts::values, machine::Draft};
use std::collections::BTreeMap;
use trustmesh_types::{
    PublicKey, TaskId,
    evidence::{Finalization, SignedCompletion},
    records::{RequestRecord, Status},
    reject::Rejection,
    request::StorageReceipt,
    workflow::Workflow,
};

/// Ends a request with its result.
///
/// # Errors
/// [`Rejection`] when the signer is no node, the plan is not active, the completions are not
/// exactly those of the open tasks or don't hold, or a sink's output lacks receipts.
pub fn finalize(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    finalization: &Finalization,
) -> Result<(), Rejection> {
    values::node(draft, signer, "finalize requests")?;
    let mut record = lifecycle::load(draft, &finalization.request)?;
    lifecycle::still_open(&record)?;
    let workflow = lifecycle::workflow(draft, &record)?;
    let receipts = check(draft, &record, &workflow, finalization)?;
    record.completions.clone_from(&finalization.completions);
    record.result_receipts = receipts;
    lifecycle::end(draft, record, Status::Finalized, None);
    Ok(())
}

/// Checks everything; the receipts that count for the sinks' outputs, but those of sinks
/// that are recorded done: theirs stand there.
fn check(
    draft: &Draft<'_>,
    record: &RequestRecord,
    workflow: &Workflow,
    finalization: &Finalization,
) -> Result<Vec<StorageReceipt>, Rejection> {
    let plan = execution::active_plan(record, finalization.designation)?;
    let mut evidence = Evidence::new(draft, record, workflow, plan);
    let mut given: BTreeMap<&TaskId, Vec<&SignedCompletion>> = BTreeMap::new();
    for completion in &finalization.completions {
        let id = &completion.completion.task;
        evidence.open_task(id)?;
        given.entry(id).or_default().push(completion);
    }
    let mut outputs: BTreeMap<&TaskId, &SignedCompletion> = BTreeMap::new();
    for task in workflow.topological() {
        if record.done.contains_key(&task.id) {
            continue;
        }
        let completions = given.remove(&task.id).unwrap_or_default();
        outputs.insert(&task.id, evidence.check(task, &completions)?);
    }
    let mut kept: Vec<StorageReceipt> = Vec::new();
    for sink in workflow.sinks() {
        let Some(completion) = outputs.get(&sink.id) else { continue };
        let receipts = output_receipts(draft, record, completion, finalization.receipts.iter())?;
        for receipt in receipts {
            // Sinks with equal outputs share theirs.
            if !kept.contains(&receipt) {
                kept.push(receipt);
            }
        }
    }
    Ok(kept)
}
