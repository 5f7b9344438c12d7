//! A validator contradicted itself, and this node can prove it (PROTOCOL §4, Faults): the
//! proof goes onto the ledger.
//!
//! One report per voter and view, however many pairs of votes prove the same misdeed. Other
//! nodes have seen it as well and report it too: who comes first is as good as another.

use crate::{core::Core, limits};
use std::collections::BTreeSet;
use trustmesh_types::{Digest, Payload, votes::ConflictingVotes};

/// Misdeeds that this node has reported, by [`ConflictingVotes::subject`].
#[derive(Debug, Default, Clone)]
pub(crate) struct Charges {
    reported: BTreeSet<Digest>,
}

/// Brings a proof to the ledger, unless this node has done so.
pub(crate) fn report(core: &mut Core, charges: &mut Charges, votes: ConflictingVotes) {
    if core.state.knows_votes(&votes.voter, votes.round()) {
        return;
    }
    if charges.reported.len() >= limits::CHARGES_MAX {
        // An attacker who fills it gets reported twice, no more.
        charges.reported.clear();
    }
    if !charges.reported.insert(votes.subject()) {
        return;
    }
    let text = format!("{} contradicted itself in view {}", core.name(&votes.voter), votes.view);
    core.note(true, None, text);
    core.transact(Payload::ReportVotes(votes));
}
