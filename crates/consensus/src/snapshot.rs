//! A state to start from, as another node serves it: what a new node, or one that was away for
//! long, takes instead of the blocks up to there (docs/membership.md, Catching up).
//!
//! Invariant: nothing of it is used before all of it follows from the genesis: the committees
//! by their handovers, the block by its committee's certificate, the state by the block's root.

use crate::{block::LedgerBlock, certificate, error::SnapshotError};
use borsh::{BorshDeserialize, BorshSerialize};
use commonware_consensus::simplex::{scheme::ed25519::Scheme, types::Finalization};
use commonware_cryptography::{Digestible as _, sha256};
use rand_core::CryptoRng;
use trustmesh_state::{Handover, State, follow_handovers};
use trustmesh_types::{Block, Digest, committee::Committee, genesis::Genesis};

/// What a node serves of itself.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StateSnapshot {
    /// How the committees followed that of genesis, up to the one that votes on the block.
    pub handovers: Vec<Handover>,
    /// The block that the state is of.
    pub block: Block,
    /// The block's finality certificate.
    pub certificate: Vec<u8>,
    /// The state, as [`State::snapshot`] gives it.
    pub state: Vec<u8>,
}

/// What was found to follow from the genesis.
#[derive(Debug)]
pub(crate) struct Trusted {
    pub(crate) handovers: Vec<Handover>,
    pub(crate) floor: Floor,
    pub(crate) state: State,
}

/// A final block to go on from.
#[derive(Debug, Clone)]
pub(crate) struct Floor {
    pub(crate) block: LedgerBlock,
    pub(crate) finalization: Finalization<Scheme, sha256::Digest>,
}

impl Floor {
    /// The block of bytes and its certificate, if `committee` voted on it; signatures are not
    /// checked.
    pub(crate) fn decode(
        genesis: &Genesis,
        committee: &Committee,
        block: Block,
        certificate: &[u8],
    ) -> Option<Self> {
        let network = genesis.network_id();
        let (_, finalization) =
            certificate::decode(&network, &committee.validators, certificate).ok()?;
        let block = LedgerBlock::new(block);
        (finalization.proposal.payload == block.digest()).then_some(Self { block, finalization })
    }
}

/// The committee that votes on `height`.
pub(crate) fn committee_at(committees: &[Committee], height: u64) -> Option<&Committee> {
    committees.iter().rev().find(|it| it.first_height <= height)
}

impl StateSnapshot {
    /// Checks that all of it follows from `genesis`; gives the block's height.
    ///
    /// # Errors
    /// [`SnapshotError`] says what does not.
    pub fn verify(
        &self,
        rng: &mut impl CryptoRng,
        genesis: &Genesis,
    ) -> Result<u64, SnapshotError> {
        self.trust(rng, genesis).map(|trusted| trusted.state.height())
    }

    pub(crate) fn trust(
        &self,
        rng: &mut impl CryptoRng,
        genesis: &Genesis,
    ) -> Result<Trusted, SnapshotError> {
        let network = genesis.network_id();
        let header = &self.block.header;
        let mut handovers = self.handovers.clone();
        handovers.retain(|it| it.committee.first_height <= header.height);
        let committees = follow_handovers(genesis, &handovers)?;
        let committee = committee_at(&committees, header.height)
            .ok_or(SnapshotError::Committee { height: header.height })?;
        let digest: Digest = header.digest();
        certificate::verify_certificate(rng, &network, committee, &digest, &self.certificate)?;
        let state = State::restore(&self.state)?;
        let (got, expected) = (state.root(), header.state_root);
        if got != expected || state.height() != header.height || state.network() != network {
            return Err(SnapshotError::Root { got, expected });
        }
        // Who votes on the next block has been handed over to already.
        let last = committees.last().map_or(0, |it| it.number);
        let next = self.handovers.get(handovers.len());
        if state.committee().number > last {
            let next = next.filter(|it| it.committee == *state.committee());
            let before = committees.last().ok_or(SnapshotError::Committee { height: 0 })?;
            let next = next.ok_or(SnapshotError::Committee { height: header.height + 1 })?;
            next.verify(&network, before)?;
            handovers.push(next.clone());
        }
        let floor = Floor::decode(genesis, committee, self.block.clone(), &self.certificate)
            .ok_or(SnapshotError::Committee { height: header.height })?;
        Ok(Trusted { handovers, floor, state })
    }
}
