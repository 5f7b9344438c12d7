//! Finality certificates, checked offline: 2f+1 validators' signatures over a block's digest
//! (PROTOCOL §2). Whoever holds the genesis needs no node's word: its validators are the first
//! committee, and each committee signs who follows it ([`trustmesh_state::Handover`]).

use crate::keys::{self, BadKey};
use bytes::Bytes;
use commonware_codec::{Decode as _, Encode as _};
use commonware_consensus::{
    Epochable as _, Viewable as _,
    simplex::{scheme::ed25519::Scheme, types::Finalization},
};
use commonware_cryptography::{certificate::Verifier as _, sha256};
use commonware_parallel::Sequential;
use rand_core::CryptoRng;
use trustmesh_types::{
    Digest, PublicKey, Signature, committee::Committee, finality::Finality, ids::NetworkId,
};

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

/// What a certificate says, in the form that needs no engine to check. `None` when a signature
/// is none, or of nobody among `validators`.
pub(crate) fn finality(
    finalization: &Finalization<Scheme, sha256::Digest>,
    validators: &[PublicKey],
) -> Option<Finality> {
    let certificate = &finalization.certificate;
    let places = certificate.signers.iter();
    let signatures = places.zip(&certificate.signatures).map(|(place, signature)| {
        let key = validators.get(usize::from(place))?;
        let bytes: &[u8] = signature.get()?.as_ref();
        Some((*key, Signature(bytes.try_into().ok()?)))
    });
    Some(Finality {
        committee: finalization.epoch().get(),
        view: finalization.view().get(),
        parent_view: finalization.proposal.parent.get(),
        block: Digest(finalization.proposal.payload.0),
        signatures: signatures.collect::<Option<_>>()?,
    })
}

/// The certificate's bytes, as [`verify_certificate`] takes them.
pub(crate) fn encode(finalization: &Finalization<Scheme, sha256::Digest>) -> Vec<u8> {
    finalization.encode().to_vec()
}
