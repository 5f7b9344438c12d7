//! The engine's votes in the ledger's form ([`trustmesh_types::votes`]), so that evidence
//! needs no engine to be checked.

use crate::keys::ledger_public;
use bytes::Bytes;
use commonware_codec::{DecodeExt as _, Encode as _, ReadExt as _, varint::UInt};
use commonware_consensus::{
    Viewable as _,
    simplex::{
        scheme::ed25519::Scheme,
        types::{Activity, Attributable as _, Finalize, Notarize, Nullify, Proposal, Vote},
    },
    types::{Epoch, Participant, Round, View},
};
use commonware_cryptography::{certificate::Attestation, ed25519, sha256};
use commonware_p2p::utils::mux;
use commonware_utils::ordered::{Quorum as _, Set};
use trustmesh_types::{
    Digest, NetworkId, SecretKey, Signature,
    votes::{ConflictingVotes, Vote as LedgerVote},
};

type EngineVote = Vote<Scheme, sha256::Digest>;

fn signature(attestation: &Attestation<Scheme>) -> Option<Signature> {
    let bytes: &[u8] = attestation.signature.get()?.as_ref();
    bytes.try_into().ok().map(Signature)
}

/// A vote's view, voter's place and form on the ledger; `None` when its signature is none.
fn of_engine(vote: &EngineVote) -> Option<(u64, Participant, LedgerVote)> {
    let over =
        |proposal: &Proposal<sha256::Digest>| (proposal.parent.get(), Digest(proposal.payload.0));
    let (attestation, form) = match vote {
        Vote::Notarize(notarize) => {
            let (parent_view, payload) = over(&notarize.proposal);
            let signature = signature(&notarize.attestation)?;
            (&notarize.attestation, LedgerVote::Notarize { parent_view, payload, signature })
        }
        Vote::Nullify(nullify) => {
            let signature = signature(&nullify.attestation)?;
            (&nullify.attestation, LedgerVote::Nullify { signature })
        }
        Vote::Finalize(finalize) => {
            let (parent_view, payload) = over(&finalize.proposal);
            let signature = signature(&finalize.attestation)?;
            (&finalize.attestation, LedgerVote::Finalize { parent_view, payload, signature })
        }
    };
    Some((vote.view().get(), attestation.signer, form))
}

/// What an activity of the engine proves of a validator, if it is of the three kinds that
/// prove something. Signatures are not checked: the engine reports before it looks at them.
pub(crate) fn conflict(
    activity: &Activity<Scheme, sha256::Digest>,
    committee: u64,
    validators: &Set<ed25519::PublicKey>,
) -> Option<ConflictingVotes> {
    // The pair itself is private; its encoding is the one vote after the other.
    let (signer, one, other) = match activity {
        Activity::ConflictingNotarize(pair) => {
            let (one, other) = halves::<Notarize<_, _>, Notarize<_, _>>(pair.encode())?;
            (pair.signer(), Vote::Notarize(one), Vote::Notarize(other))
        }
        Activity::ConflictingFinalize(pair) => {
            let (one, other) = halves::<Finalize<_, _>, Finalize<_, _>>(pair.encode())?;
            (pair.signer(), Vote::Finalize(one), Vote::Finalize(other))
        }
        Activity::NullifyFinalize(pair) => {
            let (one, other) = halves::<Nullify<_>, Finalize<_, _>>(pair.encode())?;
            (pair.signer(), Vote::Nullify(one), Vote::Finalize(other))
        }
        _ => return None,
    };
    let voter = ledger_public(validators.key(signer)?);
    let (view, _, one) = of_engine(&one)?;
    let (_, _, other) = of_engine(&other)?;
    Some(ConflictingVotes::new(voter, (committee, view), one, other))
}

fn halves<A, B>(mut encoded: Bytes) -> Option<(A, B)>
where
    A: commonware_codec::Read<Cfg = ()>,
    B: commonware_codec::Read<Cfg = ()>,
{
    let pair = (A::read(&mut encoded).ok()?, B::read(&mut encoded).ok()?);
    encoded.is_empty().then_some(pair)
}

/// A vote as it travels (its committee's number first), cast once more: `change` gets the view
/// and the vote and gives what to say instead, which `key` signs in the same validator's place.
/// For simulated attackers. `None` when the bytes are no vote or `change` has nothing to say.
#[must_use]
pub fn revote(
    network: &NetworkId,
    key: &SecretKey,
    vote: &[u8],
    change: &dyn Fn(u64, LedgerVote) -> Option<LedgerVote>,
) -> Option<Vec<u8>> {
    let (committee, vote) = mux::parse(Bytes::copy_from_slice(vote).into()).ok()?;
    let vote = EngineVote::decode(vote).ok()?;
    let (view, signer, form) = of_engine(&vote)?;
    let said = change(view, form)?.sign(key, network, (committee, view));
    let said = to_engine((committee, view), signer, &said)?;
    Some([UInt(committee).encode().as_ref(), said.encode().as_ref()].concat())
}

fn to_engine(
    (committee, view): (u64, u64),
    signer: Participant,
    vote: &LedgerVote,
) -> Option<EngineVote> {
    let round = Round::new(Epoch::new(committee), View::new(view));
    let attested = |signature: &Signature| {
        let bytes = Bytes::copy_from_slice(&signature.0);
        let signature = ed25519::Signature::decode(bytes).ok()?;
        Some(Attestation::<Scheme> { signer, signature: signature.into() })
    };
    let over = |parent_view: u64, payload: &Digest| {
        Proposal::new(round, View::new(parent_view), sha256::Digest(payload.0))
    };
    Some(match vote {
        LedgerVote::Notarize { parent_view, payload, signature } => Vote::Notarize(Notarize {
            proposal: over(*parent_view, payload),
            attestation: attested(signature)?,
        }),
        LedgerVote::Nullify { signature } => {
            Vote::Nullify(Nullify { round, attestation: attested(signature)? })
        }
        LedgerVote::Finalize { parent_view, payload, signature } => Vote::Finalize(Finalize {
            proposal: over(*parent_view, payload),
            attestation: attested(signature)?,
        }),
    })
}
