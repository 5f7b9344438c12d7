//! Finality of a block in a form that needs no engine to check: who signed for it, in the last
//! round of which view (PROTOCOL §2). A device that holds the genesis checks with it who the
//! validators are by now.
//!
//! The bytes that are signed are the engine's own ([`crate::votes`]).

use crate::{
    committee::Committee,
    crypto::{PublicKey, Signature},
    digest::Digest,
    ids::NetworkId,
    limits,
    votes::Vote,
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A quorum's last votes for a block.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Finality {
    /// The committee that voted.
    pub committee: u64,
    /// The view.
    pub view: u64,
    /// The view of the block that it stands on.
    pub parent_view: u64,
    /// The block's digest.
    pub block: Digest,
    /// Who signed, and how.
    pub signatures: Vec<(PublicKey, Signature)>,
}

/// Signatures do not make a block final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotFinal {
    /// It is of another committee's time.
    #[error("the signatures are of committee {got}, not of {expected}")]
    OtherCommittee {
        /// The committee that it names.
        got: u64,
        /// The one that votes.
        expected: u64,
    },
    /// Somebody signed who does not vote, or twice.
    #[error("a signature is of nobody in the committee, or the second one of a validator")]
    Signer,
    /// Too few.
    #[error("{got} validators signed, {needed} must")]
    TooFew {
        /// How many signed.
        got: usize,
        /// How many must.
        needed: usize,
    },
    /// One does not verify.
    #[error("a signature does not verify")]
    Signature,
}

impl Finality {
    /// Checks that a quorum of `committee` signed for the block in `network`.
    ///
    /// # Errors
    /// [`NotFinal`].
    pub fn verify(&self, network: &NetworkId, committee: &Committee) -> Result<(), NotFinal> {
        let (got, expected) = (self.committee, committee.number);
        if got != expected {
            return Err(NotFinal::OtherCommittee { got, expected });
        }
        let (got, needed) = (self.signatures.len(), committee.quorum());
        if got < needed || needed == 0 {
            return Err(NotFinal::TooFew { got, needed });
        }
        let signers: BTreeSet<&PublicKey> = self.signatures.iter().map(|(key, _)| key).collect();
        if got > limits::VALIDATORS_MAX
            || signers.len() != got
            || !signers.iter().all(|key| committee.contains(key))
        {
            return Err(NotFinal::Signer);
        }
        let signed = self.signatures.iter().all(|(key, signature)| {
            let (parent_view, payload) = (self.parent_view, self.block);
            let vote = Vote::Finalize { parent_view, payload, signature: *signature };
            vote.claim(network, *key, (self.committee, self.view)).verify().is_ok()
        });
        if signed { Ok(()) } else { Err(NotFinal::Signature) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SecretKey;

    fn keys() -> Vec<SecretKey> {
        (1..=4).map(|n| SecretKey::from_seed([n; 32])).collect()
    }

    fn committee() -> Committee {
        let mut validators: Vec<_> = keys().iter().map(SecretKey::public).collect();
        validators.sort_unstable();
        Committee { number: 2, first_height: 128, validators }
    }

    fn signed(by: &[SecretKey]) -> Finality {
        let (network, block) = (NetworkId(Digest([7; 32])), Digest([8; 32]));
        let vote = Vote::Finalize { parent_view: 4, payload: block, signature: Signature([0; 64]) };
        let sign = |key: &SecretKey| match vote.clone().sign(key, &network, (2, 5)) {
            Vote::Finalize { signature, .. } => (key.public(), signature),
            _ => panic!("the kind stays"),
        };
        let signatures = by.iter().map(sign).collect();
        Finality { committee: 2, view: 5, parent_view: 4, block, signatures }
    }

    #[test]
    fn a_quorum_of_the_committee_makes_a_block_final_and_nothing_less() {
        let (network, keys) = (NetworkId(Digest([7; 32])), keys());
        let verify = |it: &Finality| it.verify(&network, &committee());
        assert_eq!(verify(&signed(&keys[..3])), Ok(()));
        assert_eq!(verify(&signed(&keys)), Ok(()));
        assert_eq!(verify(&signed(&keys[..2])), Err(NotFinal::TooFew { got: 2, needed: 3 }));
        let twice = [&keys[..2], &keys[..1]].concat();
        assert_eq!(verify(&signed(&twice)), Err(NotFinal::Signer));
        let outsider = [&keys[..2], &[SecretKey::from_seed([9; 32])]].concat();
        assert_eq!(verify(&signed(&outsider)), Err(NotFinal::Signer));
        let other = NetworkId(Digest([1; 32]));
        assert_eq!(signed(&keys).verify(&other, &committee()), Err(NotFinal::Signature));
        for change in [
            |it: &mut Finality| it.block = Digest([1; 32]),
            |it: &mut Finality| it.view += 1,
            |it: &mut Finality| it.parent_view += 1,
        ] {
            let mut changed = signed(&keys);
            change(&mut changed);
            assert_eq!(verify(&changed), Err(NotFinal::Signature));
        }
        let mut other = signed(&keys);
        other.committee = 1;
        assert!(matches!(verify(&other), Err(NotFinal::OtherCommittee { .. })));
    }
}
