//! Evidence that a validator contradicted itself in agreement (PROTOCOL §4, Faults; §9
//! "validator voting twice").
//!
//! The engine (simplex, ADR 0001) lets a validator sign at most one proposal of a view as
//! notarized, at most one as finalized, and never nullify a view that it finalizes. Two
//! signatures that break this are a proof that anybody can check who knows the network's id:
//! no honest validator makes them, restarted or not, for a vote is on disk before it is sent.
//!
//! What is signed are the engine's own bytes, rebuilt here, so that contracts need no engine:
//! `varint(length of namespace) ‖ namespace ‖ message`, the namespace being
//! `"trustmesh votes " ‖ network id ‖ kind`, the message `epoch ‖ view`, and for votes over a
//! proposal `parent view ‖ block digest` after it; numbers are LEB128 varints. An epoch is a
//! committee's number: views are counted anew in each ([`crate::committee`]).
//!
//! Invariant: a pair of votes has one form ([`ConflictingVotes::new`] orders it), whichever
//! came first.

use crate::{
    codec,
    crypto::{Claim, PublicKey, SecretKey, Signature},
    digest::Digest,
    ids::NetworkId,
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// A committee's number, and the view in its time.
pub type Round = (u64, u64);

/// What every vote of a network is signed under, before the vote's kind.
#[must_use]
pub fn namespace(network: &NetworkId) -> Vec<u8> {
    [b"trustmesh votes ".as_slice(), network.0.as_ref()].concat()
}

/// A validator's vote in a view.
#[derive(
    Debug,
    Clone,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Vote {
    /// For a proposal, in the first round.
    Notarize {
        /// The view of the block that it stands on.
        parent_view: u64,
        /// The block's digest.
        payload: Digest,
        /// By the voter.
        signature: Signature,
    },
    /// For going on without a block of this view.
    Nullify {
        /// By the voter.
        signature: Signature,
    },
    /// For a proposal, in the last round.
    Finalize {
        /// The view of the block that it stands on.
        parent_view: u64,
        /// The block's digest.
        payload: Digest,
        /// By the voter.
        signature: Signature,
    },
}

/// Two votes of one validator in one view that no honest validator signs both.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct ConflictingVotes {
    /// Who signed both.
    pub voter: PublicKey,
    /// The committee that both were cast in.
    pub committee: u64,
    /// The view of both.
    pub view: u64,
    /// The lesser one.
    pub first: Vote,
    /// The greater one.
    pub second: Vote,
}

/// Two votes prove nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoConflict {
    /// An honest validator may sign both.
    #[error("the two votes do not contradict each other")]
    Compatible,
    /// They are the wrong way round.
    #[error("the two votes are not in order; put the lesser one first")]
    Disordered,
    /// At least one is not signed by the voter for that view in this network.
    #[error("a vote is not signed by the voter, for that view and in this network")]
    Signature,
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

impl Vote {
    /// The kind's suffix of the namespace, the proposal if it is over one, the signature.
    fn parts(&self) -> (&'static [u8], Option<(u64, &Digest)>, &Signature) {
        match self {
            Self::Notarize { parent_view, payload, signature } => {
                (b"_NOTARIZE", Some((*parent_view, payload)), signature)
            }
            Self::Nullify { signature } => (b"_NULLIFY", None, signature),
            Self::Finalize { parent_view, payload, signature } => {
                (b"_FINALIZE", Some((*parent_view, payload)), signature)
            }
        }
    }

    /// The proposal that it is over.
    fn proposal(&self) -> Option<(u64, &Digest)> {
        self.parts().1
    }

    /// The bytes that it signs.
    fn signed_bytes(&self, network: &NetworkId, (committee, view): Round) -> Vec<u8> {
        let (kind, proposal, _) = self.parts();
        let namespace = [namespace(network).as_slice(), kind].concat();
        let mut signed = Vec::with_capacity(128);
        varint(&mut signed, namespace.len() as u64);
        signed.extend_from_slice(&namespace);
        varint(&mut signed, committee);
        varint(&mut signed, view);
        if let Some((parent_view, payload)) = proposal {
            varint(&mut signed, parent_view);
            signed.extend_from_slice(payload.as_ref());
        }
        signed
    }

    /// That `voter` cast it in `round`.
    pub(crate) fn claim(&self, network: &NetworkId, voter: PublicKey, round: Round) -> Claim {
        Claim::of_bytes(voter, self.signed_bytes(network, round), *self.parts().2)
    }

    /// The same vote, signed as the engine signs it. Nodes leave voting to the engine, which
    /// never contradicts itself: this makes what tests and simulated attackers send.
    #[must_use]
    pub fn sign(self, key: &SecretKey, network: &NetworkId, round: Round) -> Self {
        let by = key.sign_bytes(&self.signed_bytes(network, round));
        match self {
            Self::Notarize { parent_view, payload, .. } => {
                Self::Notarize { parent_view, payload, signature: by }
            }
            Self::Nullify { .. } => Self::Nullify { signature: by },
            Self::Finalize { parent_view, payload, .. } => {
                Self::Finalize { parent_view, payload, signature: by }
            }
        }
    }
}

impl ConflictingVotes {
    /// Two votes in their order. Whether they conflict says [`Self::verify`].
    #[must_use]
    pub fn new(voter: PublicKey, (committee, view): Round, one: Vote, other: Vote) -> Self {
        let (first, second) = if one <= other { (one, other) } else { (other, one) };
        Self { voter, committee, view, first, second }
    }

    /// Digest of the evidence.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&codec::encode(self))
    }

    /// When both were cast.
    #[must_use]
    pub const fn round(&self) -> Round {
        (self.committee, self.view)
    }

    /// Names the misdeed: the voter and the round, however many pairs of votes prove it.
    #[must_use]
    pub fn subject(&self) -> Digest {
        let (committee, view) = (self.committee.to_be_bytes(), self.view.to_be_bytes());
        Digest::of_parts(&[b"conflicting votes", &self.voter.0, &committee, &view])
    }

    /// The two signatures, as claims to check.
    #[must_use]
    pub fn claims(&self, network: &NetworkId) -> [Claim; 2] {
        [&self.first, &self.second].map(|vote| vote.claim(network, self.voter, self.round()))
    }

    /// Checks everything but the signatures ([`Self::claims`]).
    ///
    /// # Errors
    /// [`NoConflict`].
    pub fn check_conflict(&self) -> Result<(), NoConflict> {
        use Vote::{Finalize, Notarize, Nullify};
        if self.first > self.second {
            return Err(NoConflict::Disordered);
        }
        let differ = self.first.proposal() != self.second.proposal();
        match (&self.first, &self.second) {
            (Notarize { .. }, Notarize { .. }) | (Finalize { .. }, Finalize { .. }) if differ => {
                Ok(())
            }
            (Nullify { .. }, Finalize { .. }) => Ok(()),
            _ => Err(NoConflict::Compatible),
        }
    }

    /// Checks that it proves what it says: two votes of the voter in the view that no honest
    /// validator of `network` signs both.
    ///
    /// # Errors
    /// [`NoConflict`].
    pub fn verify(&self, network: &NetworkId) -> Result<(), NoConflict> {
        self.check_conflict()?;
        let signed = self.claims(network).iter().all(|claim| claim.verify().is_ok());
        if signed { Ok(()) } else { Err(NoConflict::Signature) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature() -> Signature {
        Signature([1; 64])
    }

    fn notarize(parent_view: u64, payload: u8) -> Vote {
        Vote::Notarize { parent_view, payload: Digest([payload; 32]), signature: signature() }
    }

    fn finalize(parent_view: u64, payload: u8) -> Vote {
        Vote::Finalize { parent_view, payload: Digest([payload; 32]), signature: signature() }
    }

    fn nullify() -> Vote {
        Vote::Nullify { signature: signature() }
    }

    #[test]
    fn only_what_no_honest_validator_signs_is_a_conflict() {
        let cases = [
            (notarize(1, 1), notarize(1, 2), true, "two blocks notarized"),
            (notarize(1, 1), notarize(0, 1), true, "one block on two parents"),
            (finalize(1, 1), finalize(1, 2), true, "two blocks finalized"),
            (finalize(1, 1), nullify(), true, "finalized and nullified"),
            (notarize(1, 1), notarize(1, 1), false, "one vote twice"),
            (finalize(1, 1), finalize(1, 1), false, "one vote twice"),
            (nullify(), nullify(), false, "one vote twice"),
            (notarize(1, 1), nullify(), false, "notarized, then given up"),
            (notarize(1, 1), finalize(1, 1), false, "both rounds"),
            // An engine forbids it to itself, but no other can tell it from a changed mind.
            (notarize(1, 1), finalize(1, 2), false, "another block in the last round"),
        ];
        for (one, other, conflict, what) in cases {
            let voter = PublicKey([3; 32]);
            let votes = ConflictingVotes::new(voter, (0, 5), one.clone(), other.clone());
            assert_eq!(votes, ConflictingVotes::new(voter, (0, 5), other, one), "{what}");
            assert_eq!(votes.check_conflict().is_ok(), conflict, "{what}");
            let turned = ConflictingVotes {
                first: votes.second.clone(),
                second: votes.first.clone(),
                ..votes.clone()
            };
            assert!(turned == votes || turned.check_conflict().is_err(), "{what}");
        }
    }

    #[test]
    fn the_subject_is_the_voter_and_the_view_alone() {
        let voter = PublicKey([3; 32]);
        let of = |view, payload| {
            ConflictingVotes::new(voter, view, notarize(1, 1), notarize(1, payload))
        };
        assert_eq!(of((0, 5), 2).subject(), of((0, 5), 3).subject());
        assert_ne!(of((0, 5), 2).digest(), of((0, 5), 3).digest());
        assert_ne!(of((0, 5), 2).subject(), of((0, 6), 2).subject());
        assert_ne!(of((0, 5), 2).subject(), of((1, 5), 2).subject());
    }

    #[test]
    fn both_signatures_must_be_the_voters_for_that_view_and_network() {
        let (key, network) = (SecretKey::from_seed([9; 32]), NetworkId(Digest([4; 32])));
        for (one, other) in [
            (notarize(1, 1), notarize(1, 2)),
            (finalize(3, 1), finalize(2, 1)),
            (finalize(200, 7), nullify()),
        ] {
            let [one, other] = [one, other].map(|vote| vote.sign(&key, &network, (0, 300)));
            let votes = ConflictingVotes::new(key.public(), (0, 300), one.clone(), other.clone());
            assert_eq!(votes.verify(&network), Ok(()));
            let bad = Err(NoConflict::Signature);
            assert_eq!(votes.verify(&NetworkId(Digest([5; 32]))), bad);
            assert_eq!(ConflictingVotes { view: 301, ..votes.clone() }.verify(&network), bad);
            let voter = SecretKey::from_seed([8; 32]).public();
            assert_eq!(ConflictingVotes { voter, ..votes }.verify(&network), bad);
            let by_another = other.sign(&SecretKey::from_seed([8; 32]), &network, (0, 300));
            let mixed = ConflictingVotes::new(key.public(), (0, 300), one, by_another);
            assert_eq!(mixed.verify(&network), bad);
        }
    }

    #[test]
    fn numbers_are_leb128() {
        for (value, bytes) in [
            (0, vec![0]),
            (127, vec![0x7f]),
            (128, vec![0x80, 1]),
            (300, vec![0xac, 2]),
            (u64::MAX, [vec![0xff; 9], vec![1]].concat()),
        ] {
            let mut out = Vec::new();
            varint(&mut out, value);
            assert_eq!(out, bytes, "{value}");
        }
    }
}
