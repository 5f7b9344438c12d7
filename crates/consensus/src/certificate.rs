//! Finality certificates, checked offline: 2f+1 validators' signatures over a block's digest
//! (PROTOCOL §2). Whoever holds the genesis needs no node's word: its validators are the first
//! committee, and each committee signs who follows it ([`Handover`]).

use crate::keys::{self, BadKey};
use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use commonware_codec::{Decode as _, Encode as _};
use commonware_consensus::{
    Epochable as _,
    simplex::{scheme::ed25519::Scheme, types::Finalization},
};
use commonware_cryptography::{certificate::Verifier as _, sha256};
use commonware_parallel::Sequential;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use trustmesh_state::{StateProof, verify_committee};
use trustmesh_types::{Digest, Header, PublicKey, committee::Committee, ids::NetworkId};

/// A certificate does not prove that a block is final.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// A validator of the genesis has no valid key.
    #[error(transparent)]
    Key(#[from] BadKey),
    /// The bytes are no certificate.
    #[error("the certificate is malformed: {reason}")]
    Malformed {
        /// What the decoder found.
        reason: String,
    },
    /// It is for another block.
    #[error("the certificate is for block {got}, not for {expected}")]
    OtherBlock {
        /// The block that it is for.
        got: Digest,
        /// The block asked about.
        expected: Digest,
    },
    /// Its signatures are bad or too few.
    #[error("the certificate's signatures do not make a quorum of this network's validators")]
    NoQuorum,
    /// It is of another committee's time.
    #[error("the certificate is of committee {got}, not of {expected}")]
    OtherCommittee {
        /// The committee that it names.
        got: u64,
        /// The committee that votes on the block.
        expected: u64,
    },
    /// A handover does not follow from the committee before.
    #[error("committee {number} does not follow: {reason}")]
    Handover {
        /// The committee that is to begin.
        number: u64,
        /// What is wrong.
        reason: &'static str,
    },
}

/// How a committee begins: the last block of the one before, which that one has signed, holds
/// the new one in its state. A chain of them from the first committee, which genesis names,
/// proves who votes.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Handover {
    /// Who votes from the next height on.
    pub committee: Committee,
    /// The header of the last block of the committee before.
    pub header: Header,
    /// That block's finality certificate; empty where this node never had it.
    pub certificate: Vec<u8>,
    /// That the new committee stands in that block's state.
    pub proof: StateProof,
}

impl Handover {
    /// Checks that the committee follows `before`, which is trusted.
    ///
    /// # Errors
    /// [`CertificateError`] says why it does not.
    pub fn verify(
        &self,
        rng: &mut impl CryptoRng,
        network: &NetworkId,
        before: &Committee,
    ) -> Result<(), CertificateError> {
        let Self { committee, header, certificate, proof } = self;
        let refuse = |reason| CertificateError::Handover { number: committee.number, reason };
        if committee.number != before.number.saturating_add(1) {
            return Err(refuse("its number is not the next one"));
        }
        if committee.first_height != header.height.saturating_add(1)
            || committee.first_height <= before.first_height
        {
            return Err(refuse("it does not begin after that block"));
        }
        if !verify_committee(&header.state_root, proof, committee) {
            return Err(refuse("it does not stand in that block's state"));
        }
        verify_certificate(rng, network, before, &header.digest(), certificate)
    }
}

/// The committees that `handovers` lead to from `first`, which is trusted; the last one votes
/// on the newest blocks.
///
/// # Errors
/// [`CertificateError`] when one does not follow from the one before.
pub fn verify_handovers(
    rng: &mut impl CryptoRng,
    network: &NetworkId,
    first: Committee,
    handovers: &[Handover],
) -> Result<Vec<Committee>, CertificateError> {
    let mut committees = vec![first];
    for handover in handovers {
        if let Some(before) = committees.last() {
            handover.verify(rng, network, before)?;
        }
        committees.push(handover.committee.clone());
    }
    Ok(committees)
}

/// Checks that `certificate` makes the block of digest `block` final in `network`, where
/// `committee` votes on it. `rng` gives the batch check its random coefficients.
///
/// # Errors
/// [`CertificateError`] says what is wrong with it.
pub fn verify_certificate(
    rng: &mut impl CryptoRng,
    network: &NetworkId,
    committee: &Committee,
    block: &Digest,
    certificate: &[u8],
) -> Result<(), CertificateError> {
    let (scheme, decoded) = decode(network, &committee.validators, certificate)?;
    let (got, expected) = (decoded.epoch().get(), committee.number);
    if got != expected {
        return Err(CertificateError::OtherCommittee { got, expected });
    }
    let got = Digest(decoded.proposal.payload.0);
    if got != *block {
        return Err(CertificateError::OtherBlock { got, expected: *block });
    }
    if decoded.verify(rng, &scheme, &Sequential) { Ok(()) } else { Err(CertificateError::NoQuorum) }
}

/// The certificate of bytes, not checked, and what checks it.
pub(crate) fn decode(
    network: &NetworkId,
    validators: &[PublicKey],
    certificate: &[u8],
) -> Result<(Scheme, Finalization<Scheme, sha256::Digest>), CertificateError> {
    let participants = keys::participants(validators)?;
    let scheme = Scheme::verifier(&keys::vote_namespace(network), participants);
    let bytes = Bytes::copy_from_slice(certificate);
    Finalization::decode_cfg(bytes, &scheme.certificate_codec_config())
        .map(|decoded| (scheme, decoded))
        .map_err(|e| CertificateError::Malformed { reason: e.to_string() })
}

/// The certificate's bytes, as [`verify_certificate`] takes them.
pub(crate) fn encode(finalization: &Finalization<Scheme, sha256::Digest>) -> Vec<u8> {
    finalization.encode().to_vec()
}
