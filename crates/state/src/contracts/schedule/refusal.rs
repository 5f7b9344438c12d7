//! What follows from a refused transaction, after the machine has rolled it back
//! (PROTOCOL §4, phase 3).
//!
//! A fault ends all open designations of its node in the same block: nobody waits for a
//! timer after a detected fault. A plan refused without fault counts against its
//! designation; at [`limits::PLAN_REJECTIONS_MAX`] it is the next node's turn.

use super::{designation, lifecycle};
use crate::{
    contracts::faults,
    machine::Draft,
    tables::{Designated, Requests},
};
use trustmesh_types::{
    Digest, Payload, PublicKey, RequestId, TxId, faults::FaultEvidence, limits, plan::Plan,
    records::Status, reject::Rejection,
};

/// What follows from a refusal, after the transaction was rolled back.
pub fn rejected(
    draft: &mut Draft<'_>,
    (signer, transaction): (&PublicKey, &TxId),
    rejection: &Rejection,
    payload: &Payload,
) {
    if rejection.fault {
        faults::charge(draft, signer, rejection, FaultEvidence::Transaction(*transaction));
    } else if let Payload::ConfirmSchedule(plan) = payload {
        count(draft, signer, rejection, plan);
    }
}

/// Ends every designation of a node: each request that it shall plan goes to the next one in
/// this block.
pub fn pass_over(draft: &mut Draft<'_>, node: &PublicKey, reason: &str) {
    let requests: Vec<RequestId> = draft
        .store
        .iter_from::<Designated>(&(*node, RequestId(Digest([0; 32]))))
        .take_while(|((of, _), ())| of == node)
        .map(|((_, request), ())| request)
        .collect();
    if requests.is_empty() {
        return;
    }
    let candidates = designation::candidates(draft);
    for id in requests {
        let Some(mut record) = draft.store.get::<Requests>(&id) else { continue };
        designation::pass_on(draft, &mut record, reason, &candidates);
        lifecycle::save(draft, record);
    }
}

/// Counts a plan that was refused without fault, if it was the current designee's.
fn count(draft: &mut Draft<'_>, signer: &PublicKey, rejection: &Rejection, plan: &Plan) {
    let Some(mut record) = draft.store.get::<Requests>(&plan.request) else { return };
    if record.status != Status::Requested || record.designation != plan.designation {
        return;
    }
    let Some(current) = record.designated.as_mut().filter(|d| d.node == *signer) else { return };
    current.rejections = current.rejections.saturating_add(1);
    let rejections = current.rejections;
    if rejections >= limits::PLAN_REJECTIONS_MAX {
        let reason = format!("{rejections} plans were rejected; the last: {rejection}");
        let candidates = designation::candidates(draft);
        designation::pass_on(draft, &mut record, &reason, &candidates);
    }
    lifecycle::save(draft, record);
}
