//! The faults contract: who broke a rule that charges it, and what follows (PROTOCOL §4).
//!
//! What always holds:
//! - A fault stands with evidence that the ledger has checked (S9), is told in an event, and
//!   ends the node's open designations in the same block.
//! - Faults count for `fault_window_ms`; then they leave the state, by a deadline of the node.
//!   [`limits::FAULTS_KEPT_MAX`] of a node are kept at most, the newest.
//! - With `fault_limit` of them a node is quarantined: it keeps its vote and loses the rest,
//!   until an operator lifts it. At most f nodes are quarantined at a time, so that faults
//!   alone never take more nodes away than the network tolerates to lose.

use super::{membership, schedule, values};
use crate::{
    machine::Draft,
    tables::{DeadlineKey, Deadlines, Faults, Members, Offenders, deadline},
};
use trustmesh_types::{
    PublicKey,
    events::Event,
    faults::{FaultEvidence, FaultRecord},
    limits,
    records::{Member, NodeInfo, Standing},
    reject::{RejectCode, Rejection},
    votes::Round,
};

/// Charges a node: records the fault, takes its designations away, and quarantines it when
/// it has too many.
pub fn charge(
    draft: &mut Draft<'_>,
    node: &PublicKey,
    rejection: &Rejection,
    evidence: FaultEvidence,
) {
    let mut offender = draft.store.get::<Offenders>(node).unwrap_or_default();
    let number = offender.faults.saturating_add(1);
    offender.faults = number;
    draft.store.put::<Offenders>(node, &offender);
    let until_ms = draft.timestamp_ms.saturating_add(draft.parameters.fault_window_ms);
    let record = FaultRecord {
        node: *node,
        number,
        height: draft.height,
        at_ms: draft.timestamp_ms,
        until_ms,
        rejection: rejection.clone(),
        evidence,
        pardoned: false,
    };
    draft.store.put::<Faults>(&(*node, number), &record);
    let kept = u32::try_from(limits::FAULTS_KEPT_MAX).unwrap_or(u32::MAX);
    if let Some(oldest) = number.checked_sub(kept) {
        draft.store.remove::<Faults>(&(*node, oldest));
    }
    draft.store.put::<Deadlines>(&expiry(until_ms, node), &number);
    draft.emit(Event::Fault { node: *node, number, rejection: rejection.clone() });
    quarantine(draft, node);
    schedule::pass_over(draft, node, &format!("a fault: {rejection}"));
}

/// Whether a validator was never charged for votes of this round or a later one; from now on
/// it was.
pub(crate) fn first_of_round(draft: &mut Draft<'_>, validator: &PublicKey, round: Round) -> bool {
    let mut offender = draft.store.get::<Offenders>(validator).unwrap_or_default();
    if offender.voted.is_some_and(|charged| charged >= round) {
        return false;
    }
    offender.voted = Some(round);
    draft.store.put::<Offenders>(validator, &offender);
    true
}

fn expiry(due_ms: u64, node: &PublicKey) -> DeadlineKey {
    DeadlineKey { due_ms, kind: deadline::FAULT, id: node.0 }
}

/// A node's faults that the state keeps, oldest first.
fn of(draft: &Draft<'_>, node: &PublicKey) -> Vec<FaultRecord> {
    let all = draft.store.iter_from::<Faults>(&(*node, 0));
    all.take_while(|((of, _), _)| of == node).map(|(_, record)| record).collect()
}

fn quarantine(draft: &mut Draft<'_>, node: &PublicKey) {
    let counting = of(draft, node).iter().filter(|fault| !fault.pardoned).count();
    let faults = u32::try_from(counting).unwrap_or(u32::MAX);
    let Some(Member::Node { info, quarantined: false, standing, .. }) =
        draft.store.get::<Members>(node)
    else {
        return;
    };
    if faults < draft.parameters.fault_limit || quarantined(draft) >= draft.faults_tolerated() {
        return;
    }
    let member = Member::Node { info, quarantined: true, standing, changed: draft.height };
    draft.store.put::<Members>(node, &member);
    draft.emit(Event::NodeQuarantined { node: *node, faults });
}

fn quarantined(draft: &Draft<'_>) -> usize {
    // Whom an operator barred or removed does not count.
    let is = |member: &Member| {
        use Standing::{Joining, Ready};
        let stands = |it: &Standing| matches!(it, Ready | Joining { .. });
        matches!(member, Member::Node { quarantined: true, standing, .. } if stands(standing))
    };
    draft.store.iter::<Members>().filter(|(_, member)| is(member)).count()
}

/// Lets a quarantined node be designated and assigned again; its faults stand, but no longer
/// count. One that an operator barred votes again as well, from the next committee on.
///
/// # Errors
/// [`Rejection`] when the signer is no operator, or the node is not quarantined.
pub fn lift(draft: &mut Draft<'_>, signer: &PublicKey, node: &PublicKey) -> Result<(), Rejection> {
    values::operator(draft, signer, "lift quarantines")?;
    let Some((info, standing)) = quarantined_node(draft, node) else {
        let reason = format!("{} is no quarantined node; see `trustmesh node list`", node.short());
        return Err(Rejection::new(RejectCode::NotQuarantined, reason));
    };
    for mut fault in of(draft, node) {
        fault.pardoned = true;
        draft.store.put::<Faults>(&(*node, fault.number), &fault);
    }
    let member = Member::Node { info, quarantined: false, standing, changed: draft.height };
    draft.store.put::<Members>(node, &member);
    draft.touched = true;
    draft.emit(Event::QuarantineLifted { node: *node });
    membership::look_again(draft)
}

/// A node that is quarantined, and where it stands once it is not.
fn quarantined_node(draft: &Draft<'_>, node: &PublicKey) -> Option<(NodeInfo, Standing)> {
    match draft.store.get::<Members>(node)? {
        Member::Node { standing: Standing::Removed, .. } => None,
        Member::Node { info, standing: Standing::Barred, .. } => Some((info, Standing::Ready)),
        Member::Node { info, quarantined: true, standing, .. } => Some((info, standing)),
        _ => None,
    }
}

/// Takes a node's faults that no longer count out of the state, when their deadline fires.
pub fn expire(draft: &mut Draft<'_>, node: &PublicKey) {
    for fault in of(draft, node) {
        if fault.until_ms <= draft.timestamp_ms {
            draft.store.remove::<Faults>(&(*node, fault.number));
        }
    }
}
