//! How one committee follows another, provable to whoever holds the genesis
//! (docs/membership.md): a device, a node that was away for long, an auditor.

use crate::{
    state::State,
    store::{StateProof, Store},
    tables::Committees,
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use trustmesh_types::{
    Digest, Header, NetworkId, codec,
    committee::Committee,
    finality::{Finality, NotFinal},
    genesis::Genesis,
};

/// How a committee begins: the last block of the one before, which that one has signed, holds
/// the new one in its state. A chain of them from the first committee, which genesis names,
/// proves who votes.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Handover {
    /// Who votes from the next height on.
    pub committee: Committee,
    /// The header of the last block of the committee before.
    pub header: Header,
    /// That this block is final; `None` where the node never had it.
    pub finality: Option<Finality>,
    /// That the new committee stands in that block's state.
    pub proof: StateProof,
}

/// A committee does not follow from the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("committee {number} does not follow from the one before: {reason}")]
pub struct NotFollowing {
    /// The committee that is to begin.
    pub number: u64,
    /// What is wrong.
    pub reason: Flaw,
}

/// What is wrong with a handover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Its number is not the next one.
    #[error("its number is not the next one")]
    Number,
    /// It does not begin after that block.
    #[error("it does not begin after the block that is shown")]
    Height,
    /// It does not stand in that block's state.
    #[error("it does not stand in that block's state")]
    Proof,
    /// The block is another one.
    #[error("the signatures are for another block")]
    OtherBlock,
    /// Nobody says that the block is final.
    #[error("no signatures came with it")]
    Unsigned,
    /// The block is not final.
    #[error(transparent)]
    NotFinal(#[from] NotFinal),
}

/// The committee of genesis: the first one.
#[must_use]
pub fn first_committee(genesis: &Genesis) -> Committee {
    Committee { number: 0, first_height: 0, validators: genesis.validators() }
}

impl State {
    /// That a committee stands in this state.
    #[must_use]
    pub fn prove_committee(&self, number: u64) -> StateProof {
        self.prove(&Store::key::<Committees>(&number))
    }
}

impl Handover {
    /// Checks that the committee follows `before`, which is trusted.
    ///
    /// # Errors
    /// [`NotFollowing`] says why it does not.
    pub fn verify(&self, network: &NetworkId, before: &Committee) -> Result<(), NotFollowing> {
        let number = self.committee.number;
        self.check(network, before).map_err(|reason| NotFollowing { number, reason })
    }

    fn check(&self, network: &NetworkId, before: &Committee) -> Result<(), Flaw> {
        let Self { committee, header, finality, proof } = self;
        if committee.number != before.number.saturating_add(1) {
            return Err(Flaw::Number);
        }
        let follows = header.height.saturating_add(1);
        if committee.first_height != follows || follows <= before.first_height {
            return Err(Flaw::Height);
        }
        let key = Store::key::<Committees>(&committee.number);
        if !proof.verify(&header.state_root, &key, Some(&codec::encode(committee))) {
            return Err(Flaw::Proof);
        }
        let finality = finality.as_ref().ok_or(Flaw::Unsigned)?;
        let block: Digest = header.digest();
        if finality.block != block {
            return Err(Flaw::OtherBlock);
        }
        Ok(finality.verify(network, before)?)
    }
}

/// The committees that `handovers` lead to, from that of genesis; the last one votes on the
/// newest blocks.
///
/// # Errors
/// [`NotFollowing`] when one does not follow from the one before.
pub fn follow_handovers(
    genesis: &Genesis,
    handovers: &[Handover],
) -> Result<Vec<Committee>, NotFollowing> {
    let network = genesis.network_id();
    let mut last = first_committee(genesis);
    let mut committees = vec![last.clone()];
    for handover in handovers {
        handover.verify(&network, &last)?;
        last = handover.committee.clone();
        committees.push(last.clone());
    }
    Ok(committees)
}
