//! Reports of validators that contradicted themselves in agreement (PROTOCOL §4, Faults).
//!
//! The evidence proves itself, so any node may bring it and nobody's word counts: a report
//! that proves nothing is refused and charges nobody.

use super::values;
use crate::machine::Draft;
use trustmesh_types::{
    PublicKey,
    reject::{RejectCode, Rejection},
    votes::{ConflictingVotes, NoConflict},
};

/// Takes a node's report of conflicting votes.
///
/// # Errors
/// [`Rejection`] when the signer is no node, or as [`check_votes`] says.
pub fn report(
    draft: &Draft<'_>,
    signer: &PublicKey,
    votes: &ConflictingVotes,
) -> Result<(), Rejection> {
    values::node(draft, signer, "report conflicting votes")?;
    check_votes(draft, votes)
}

/// Checks that votes prove that a validator of this network contradicted itself.
///
/// # Errors
/// [`Rejection`] when the voter is no validator, the votes do not conflict, or they are not
/// signed by the voter.
pub fn check_votes(draft: &Draft<'_>, votes: &ConflictingVotes) -> Result<(), Rejection> {
    if !draft.is_validator(&votes.voter) {
        let reason = format!("{} is no validator of this network", votes.voter);
        return Err(Rejection::new(RejectCode::UnknownMember, reason));
    }
    let refusal = |code, flaw: NoConflict| Rejection::new(code, flaw.to_string());
    votes.check_conflict().map_err(|flaw| refusal(RejectCode::InvalidValue, flaw))?;
    if votes.claims(&draft.network).iter().all(|claim| draft.proven.check(claim)) {
        return Ok(());
    }
    Err(refusal(RejectCode::BadSignature, NoConflict::Signature))
}
