//! Hears what the engine reports and gives out proofs that a validator contradicted itself.
//!
//! The engine reports such pairs of votes before it checks their signatures, so they are
//! checked here: what is given out is evidence. It cuts off who sent such a pair, so there
//! are few, and one that finds the queue full may be dropped.

use crate::votes;
use commonware_actor::Feedback;
use commonware_consensus::{
    Reporter,
    simplex::{scheme::ed25519::Scheme, types::Activity},
};
use commonware_cryptography::{ed25519, sha256};
use commonware_utils::{channel::mpsc, ordered::Set};
use trustmesh_types::{NetworkId, votes::ConflictingVotes};

/// See the module.
#[derive(Clone)]
pub(crate) struct Witness {
    network: NetworkId,
    /// The committee that is heard, and who is of it.
    committee: (u64, Set<ed25519::PublicKey>),
    out: mpsc::Sender<ConflictingVotes>,
}

impl Witness {
    /// Gives what it hears to `out`; hears nobody yet.
    pub(crate) fn new(network: NetworkId, out: mpsc::Sender<ConflictingVotes>) -> Self {
        Self { network, committee: (0, Set::default()), out }
    }

    /// The same for a committee's engine.
    pub(crate) fn of(&self, number: u64, participants: Set<ed25519::PublicKey>) -> Self {
        Self { committee: (number, participants), ..self.clone() }
    }
}

impl Reporter for Witness {
    type Activity = Activity<Scheme, sha256::Digest>;

    fn report(&mut self, activity: Self::Activity) -> Feedback {
        let Some(votes) = votes::conflict(&activity, self.committee.0, &self.committee.1) else {
            return Feedback::Ok;
        };
        let (voter, view) = (votes.voter, votes.view);
        match votes.verify(&self.network) {
            Ok(()) => {
                tracing::warn!(%voter, view, "a validator contradicted itself");
                // Full, or nobody listens: see above.
                let _ = self.out.try_send(votes);
            }
            Err(why) => tracing::debug!(%voter, view, %why, "votes that prove nothing"),
        }
        Feedback::Ok
    }
}
