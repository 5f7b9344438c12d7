//! Ending a request with its result (PROTOCOL §4, Finalization and delivery).
//!
//! The node of the last sink does it. The others of the plan take over in turn, each
//! `finalization_timeout_ms` after the one before: first it asks for what it has not heard,
//! then, once it holds everything, it waits its turn again, so that two rarely do the same.
//! Whoever takes over gathers the sinks' receipts itself, since the lost node's own may be
//! the one that lacks.

use crate::{agenda::Matter, core::Core, duties::share, limits, work::Work};
use std::collections::{BTreeMap, BTreeSet};
use trustmesh_types::{
    Digest, Payload, PublicKey, TaskId,
    evidence::{Finalization, SignedCompletion},
    mutants::{Mutant, mutated},
    request::StorageReceipt,
};

/// Asks before the finalizer, too, gathers receipts itself.
const ASKS_BEFORE_GATHERING: u32 = 3;

/// Finalizes, when it is this node's turn and everything is here.
pub(crate) fn tick(core: &mut Core, work: &mut Work) {
    let Some(plan) = work.view.active() else { return };
    let designation = plan.designation;
    let mut missing = share::missing(core, work);
    let turn = work.view.finalizers().iter().position(|n| *n == core.me);
    let timeout_ms = core.state.parameters().finalization_timeout_ms;
    let wait_ms = turn.map(|at| timeout_ms.saturating_mul(at as u64));
    let begin_ms = match (turn, wait_ms, work.idle_ms) {
        (Some(0), ..) => Some(0),
        (_, Some(wait_ms), Some(idle_ms)) if !mutated(Mutant::NoTakeOver) => {
            Some(idle_ms.saturating_add(wait_ms))
        }
        _ => None,
    };
    let Some(begin_ms) = begin_ms.filter(|at_ms| core.now_ms >= *at_ms) else {
        if let Some(at_ms) = begin_ms {
            core.later(Matter::Request(work.id), at_ms);
        }
        return share::ask(core, work, &missing);
    };
    let Some((completions, receipts)) = collect(core, work, begin_ms > 0, &mut missing) else {
        work.complete_ms = None;
        return share::ask(core, work, &missing);
    };
    // With nothing left open it held everything all along.
    let all_along = work.idle_ms.filter(|_| work.view.open_tasks().is_empty());
    let complete_ms = *work.complete_ms.get_or_insert(all_along.unwrap_or(core.now_ms));
    let due_ms = complete_ms.saturating_add(wait_ms.unwrap_or(0)).max(work.finalize.next_ms());
    if core.now_ms < due_ms {
        return core.later(Matter::Request(work.id), due_ms);
    }
    work.finalize.tried(core.now_ms, limits::TRANSACT_MS);
    core.transact(Payload::Finalize(Finalization {
        request: work.id,
        designation,
        completions,
        receipts,
    }));
    core.later(Matter::Request(work.id), work.finalize.next_ms());
}

/// All that finalizing takes; tasks that something is missing of go into `missing`.
fn collect(
    core: &mut Core,
    work: &Work,
    taking_over: bool,
    missing: &mut BTreeSet<TaskId>,
) -> Option<(Vec<SignedCompletion>, Vec<StorageReceipt>)> {
    let mut completions = Vec::new();
    let mut receipts: BTreeMap<(Digest, PublicKey), StorageReceipt> = BTreeMap::new();
    let mut complete = true;
    let open: Vec<TaskId> = work.view.open_tasks().iter().map(|t| t.id.clone()).collect();
    let gathering = taking_over || work.ask.tries() >= ASKS_BEFORE_GATHERING;
    let sound = work.sound();
    for task in open {
        let agreeing = sound.get(&task).map_or(&[][..], Vec::as_slice);
        let Some(first) = agreeing.first() else {
            missing.insert(task);
            complete = false;
            continue;
        };
        completions.extend(agreeing.iter().map(|c| (*c).clone()));
        if work.view.workflow.successors(&task).next().is_some() {
            continue;
        }
        if let Some(found) = share::receipts_for(core, work, &first.completion) {
            receipts.extend(found.into_iter().map(|r| ((r.digest, r.validator), r)));
        } else {
            if gathering {
                let first = (*first).clone();
                share::gather(core, work, &first);
            }
            missing.insert(task);
            complete = false;
        }
    }
    complete.then(|| (completions, receipts.into_values().collect()))
}
