//! Finality, checked by the genesis alone: what `verify` and `check-evidence` share.

use crate::failure::{Done, Failure};
use trustmesh_consensus::{CertificateError, verify_certificate};
use trustmesh_types::{Digest, NetworkId, PublicKey};

/// Checks certificates of one network.
pub struct Finality {
    network: NetworkId,
    validators: Vec<PublicKey>,
    rng: rand_chacha::ChaCha20Rng,
}

impl Finality {
    /// A network and its validators, which genesis names for ever. `entropy` is secret
    /// randomness for batches of signatures.
    pub fn new(network: NetworkId, validators: Vec<PublicKey>, entropy: [u8; 32]) -> Self {
        Self { network, validators, rng: rand_core::SeedableRng::from_seed(entropy) }
    }

    /// Checks that a certificate makes a block final.
    pub fn check(&mut self, block: &Digest, certificate: &[u8]) -> Result<(), CertificateError> {
        verify_certificate(&mut self.rng, &self.network, &self.validators, block, certificate)
    }
}

/// Randomness that whoever made the signatures can't foresee.
pub fn entropy() -> Done<[u8; 32]> {
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy)
        .map_err(|e| Failure::failed(format!("no randomness to check signatures with: {e}")))?;
    Ok(entropy)
}
