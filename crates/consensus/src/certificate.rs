//! Finality certificates, checked offline: 2f+1 validators' signatures over a block's digest
//! (PROTOCOL §2). Whoever holds the genesis needs no node's word.

use crate::keys::{self, BadKey};
use bytes::Bytes;
use commonware_codec::{Decode as _, Encode as _};
use commonware_consensus::simplex::{scheme::ed25519::Scheme, types::Finalization};
use commonware_cryptography::{certificate::Verifier as _, sha256};
use commonware_parallel::Sequential;
use rand_core::CryptoRng;
use trustmesh_types::{Digest, PublicKey, ids::NetworkId};

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
}

/// Checks that `certificate` makes the block of digest `block` final in `network`, whose
/// validators are `validators`. `rng` gives the batch check its random coefficients.
///
/// # Errors
/// [`CertificateError`] says what is wrong with it.
pub fn verify_certificate(
    rng: &mut impl CryptoRng,
    network: &NetworkId,
    validators: &[PublicKey],
    block: &Digest,
    certificate: &[u8],
) -> Result<(), CertificateError> {
    let participants = keys::participants(validators)?;
    let scheme = Scheme::verifier(&keys::vote_namespace(network), participants);
    let decoded = Finalization::<Scheme, sha256::Digest>::decode_cfg(
        Bytes::copy_from_slice(certificate),
        &scheme.certificate_codec_config(),
    )
    .map_err(|e| CertificateError::Malformed { reason: e.to_string() })?;
    let got = Digest(decoded.proposal.payload.0);
    if got != *block {
        return Err(CertificateError::OtherBlock { got, expected: *block });
    }
    if decoded.verify(rng, &scheme, &Sequential) { Ok(()) } else { Err(CertificateError::NoQuorum) }
}

/// The certificate's bytes, as [`verify_certificate`] takes them.
pub(crate) fn encode(finalization: &Finalization<Scheme, sha256::Digest>) -> Vec<u8> {
    finalization.encode().to_vec()
}
