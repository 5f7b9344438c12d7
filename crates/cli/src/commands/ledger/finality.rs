//! Finality, checked by the genesis alone: what `verify` and `check-evidence` share.

use crate::failure::{Done, Failure};
use trustmesh_consensus::{CertificateError, verify_certificate};
use trustmesh_types::{Digest, NetworkId, committee::Committee};

/// Checks certificates of one network.
pub struct Finality {
    network: NetworkId,
    rng: rand_chacha::ChaCha20Rng,
}

impl Finality {
    /// A network. `entropy` is secret randomness for batches of signatures.
    pub fn new(network: NetworkId, entropy: [u8; 32]) -> Self {
        Self { network, rng: rand_core::SeedableRng::from_seed(entropy) }
    }

    /// Checks that a certificate makes a block final on which `committee` votes.
    pub fn check(
        &mut self,
        committee: &Committee,
        block: &Digest,
        certificate: &[u8],
    ) -> Result<(), CertificateError> {
        verify_certificate(&mut self.rng, &self.network, committee, block, certificate)
    }
}

/// Of committees in their order, the one that votes on `height`.
pub fn committee_at(committees: &[Committee], height: u64) -> Option<&Committee> {
    committees.iter().rev().find(|it| it.first_height <= height)
}

/// Randomness that whoever made the signatures can't foresee.
pub fn entropy() -> Done<[u8; 32]> {
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy)
        .map_err(|e| Failure::failed(format!("no randomness to check signatures with: {e}")))?;
    Ok(entropy)
}
