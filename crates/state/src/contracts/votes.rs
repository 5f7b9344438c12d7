//! Reports of validators that contradicted themselves in agreement (PROTOCOL §4, Faults).
//!
//! The evidence proves itself, so any node may bring it and nobody's word counts: a report
//! that proves nothing is refused and charges nobody.

use super::{faults, values};
use crate::{machine::Draft, tables::Committees};
use trustmesh_types::{
    PublicKey,
    faults::FaultEvidence,
    reject::{RejectCode, Rejection},
    votes::{ConflictingVotes, NoConflict},
};

/// Takes a node's report of conflicting votes: a fault of the voter. One view is charged for,
/// of the newest one that is reported, so that old votes are never charged for again.
///
/// # Errors
/// [`Rejection`] when the signer is no node, or as [`check_votes`] says, or the
/// voter is charged for that view or a later one already.
pub fn report(
    draft: &mut Draft<'_>,
    signer: &PublicKey,
    votes: &ConflictingVotes,
) -> Result<(), Rejection> {
    values::node(draft, signer, "report conflicting votes")?;
    check_votes(draft, votes)?;
    if !faults::first_of_round(draft, &votes.voter, votes.round()) {
        let reason = format!("{} is charged for view {} or a later one", votes.voter, votes.view);
        return Err(Rejection::new(RejectCode::NoConflict, reason));
    }
    let reason = format!(
        "validator {} signed two votes of view {} that contradict each other",
        votes.voter.short(),
        votes.view
    );
    let rejection = Rejection::fault(RejectCode::ConflictingVotes, reason);
    faults::charge(draft, &votes.voter, &rejection, FaultEvidence::Votes(Box::new(votes.clone())));
    Ok(())
}

/// Checks that votes prove that a validator of this network contradicted itself.
///
/// # Errors
/// [`Rejection`] when the voter is not of that committee, the votes do not conflict, or they are not
/// signed by the voter.
pub fn check_votes(draft: &Draft<'_>, votes: &ConflictingVotes) -> Result<(), Rejection> {
    let committee = draft.store.get::<Committees>(&votes.committee);
    if !committee.is_some_and(|it| it.contains(&votes.voter)) {
        let reason = format!("{} is no validator of committee {}", votes.voter, votes.committee);
        return Err(Rejection::new(RejectCode::UnknownMember, reason));
    }
    let refusal = |code, flaw: NoConflict| Rejection::new(code, flaw.to_string());
    votes.check_conflict().map_err(|flaw| refusal(RejectCode::InvalidValue, flaw))?;
    if votes.claims(&draft.network).iter().all(|claim| draft.proven.check(claim)) {
        return Ok(());
    }
    Err(refusal(RejectCode::BadSignature, NoConflict::Signature))
}
