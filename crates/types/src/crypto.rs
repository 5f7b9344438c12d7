//! Ed25519 keys and signatures (RFC 8032, verified by the ZIP 215 rules, so that a batch
//! and a single check always agree: validators must not differ on one signature).
//!
//! Every signature covers `"trustmesh" ‖ domain ‖ network id ‖ message`: a signature made
//! for one purpose or network is worth nothing in another (PROTOCOL §1).

use crate::{ids::NetworkId, memory, text::hex_text};
use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_zebra::{SigningKey, VerificationKey, VerificationKeyBytes, batch};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use zeroize::Zeroizing;

/// What a signature is for. The tag is part of what is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Domain {
    /// A ledger transaction.
    Transaction = 1,
    /// A device's request body.
    Request = 2,
    /// A validator's promise that it holds some bytes durably.
    Storage = 3,
    /// A worker's completion of a task.
    Completion = 4,
    /// A worker's report that a task failed.
    TaskFailure = 5,
    /// A publisher's word for an application's artifact and manifest.
    Artifact = 6,
    /// An HTTP request of a device, operator or node.
    Http = 7,
}

/// An ed25519 public key: the identity of every participant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct PublicKey(pub [u8; 32]);
hex_text!(PublicKey, 32);

/// An ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Signature(pub [u8; 64]);
hex_text!(Signature, 64);

/// A signature does not fit its message and key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct BadSignature;

/// Bytes that nobody may be a member by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// No signature can ever verify.
    #[error("it is no ed25519 public key (no point of the curve); check that it was copied whole")]
    NoPoint,
    /// Signatures verify that nobody made.
    #[error(
        "it is of small order, so anybody could sign for it; make a key with `trustmesh key \
         generate`"
    )]
    SmallOrder,
}

/// An ed25519 secret key. Never printed; its seed is wiped when dropped.
#[derive(Clone)]
pub struct SecretKey {
    seed: Zeroizing<[u8; 32]>,
    signing: SigningKey,
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey(of {})", self.public().short())
    }
}

fn message(domain: Domain, network: &NetworkId, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(42 + bytes.len());
    out.extend_from_slice(b"trustmesh");
    out.push(domain as u8);
    out.extend_from_slice(network.0.as_ref());
    out.extend_from_slice(bytes);
    out
}

impl SecretKey {
    /// The key of a 32-byte seed (RFC 8032, section 5.1.5).
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self { signing: SigningKey::from(seed), seed: Zeroizing::new(seed) }
    }

    /// The seed, for a key file or another library's key type.
    #[must_use]
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(VerificationKeyBytes::from(&self.signing).into())
    }

    /// Signs `bytes` for one purpose in one network.
    #[must_use]
    pub fn sign(&self, domain: Domain, network: &NetworkId, bytes: &[u8]) -> Signature {
        self.sign_bytes(&message(domain, network, bytes))
    }

    /// Signs just these bytes, by the rules of another protocol ([`Claim::of_bytes`]).
    pub(crate) fn sign_bytes(&self, bytes: &[u8]) -> Signature {
        Signature(self.signing.sign(bytes).into())
    }
}

impl PublicKey {
    /// Checks a signature by this key.
    ///
    /// # Errors
    /// [`BadSignature`] when it does not verify (or the key is no curve point).
    pub fn verify(
        &self,
        domain: Domain,
        network: &NetworkId,
        bytes: &[u8],
        signature: &Signature,
    ) -> Result<(), BadSignature> {
        Claim::new(*self, domain, network, bytes, *signature).verify()
    }

    /// Checks that it can be a member's: a point of the curve, not of small order.
    ///
    /// By ZIP 215 a signature (R, s) verifies when `[8][s]B = [8]R + [8][k]A`. With s = 0 and
    /// R the neutral point that is `[8][k]A = 0`: true of the eight points A of small order,
    /// whichever way they are encoded, and of no other (unless k, a hash, is a multiple of
    /// the group's order).
    ///
    /// # Errors
    /// [`BadKey`].
    pub fn check(&self) -> Result<(), BadKey> {
        let key = VerificationKey::try_from(self.0).map_err(|_| BadKey::NoPoint)?;
        // The neutral point has y = 1 (RFC 8032, section 5.1.2).
        let mut nobodys = [0; 64];
        nobodys[0] = 1;
        match key.verify(&nobodys.into(), b"trustmesh small order") {
            Ok(()) => Err(BadKey::SmallOrder),
            Err(_) => Ok(()),
        }
    }

    /// The first 12 hexadecimal digits, for tables and logs.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(12).collect()
    }
}

impl AsRef<[u8]> for PublicKey {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A signature with all that it is checked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    key: PublicKey,
    message: Vec<u8>,
    signature: Signature,
}

impl Claim {
    /// That `key` signed `bytes` for one purpose in one network.
    #[must_use]
    pub fn new(
        key: PublicKey,
        domain: Domain,
        network: &NetworkId,
        bytes: &[u8],
        signature: Signature,
    ) -> Self {
        Self { key, message: message(domain, network, bytes), signature }
    }

    /// That `key` signed just these bytes, by the rules of another protocol. They must not
    /// begin like those of [`Domain`]s.
    pub(crate) const fn of_bytes(key: PublicKey, message: Vec<u8>, signature: Signature) -> Self {
        Self { key, message, signature }
    }

    /// Checks it.
    ///
    /// # Errors
    /// [`BadSignature`] when it does not verify (or the key is no curve point).
    pub fn verify(&self) -> Result<(), BadSignature> {
        memory::check(self, || {
            let key = VerificationKey::try_from(self.key.0).map_err(|_| BadSignature)?;
            key.verify(&self.signature.0.into(), &self.message).map_err(|_| BadSignature)
        })
    }

    /// Digest of the key, the signature and what is signed.
    #[must_use]
    pub fn digest(&self) -> crate::Digest {
        crate::Digest::of_parts(&[&self.key.0, &self.signature.0, &self.message])
    }
}

/// Checks many signatures at once: about twice as fast as one by one, more when a signer
/// recurs.
#[derive(Default)]
pub struct BatchVerifier {
    items: Vec<(crate::Digest, batch::Item)>,
}

impl BatchVerifier {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one signature to check.
    pub fn add(&mut self, claim: &Claim) {
        let key = VerificationKeyBytes::from(claim.key.0);
        let item = (key, claim.signature.0.into(), &claim.message).into();
        self.items.push((claim.digest(), item));
    }

    /// How many signatures wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Checks all; on failure says which ones are bad, by their position of adding.
    /// The batch's random coefficients come from a hash of `entropy` and every item, so
    /// nobody can craft signatures that cancel out. With secret entropy they can't be
    /// foreseen; with a fixed one they are those of the Fiat-Shamir transform, and all who
    /// check the same batch do the same.
    ///
    /// # Errors
    /// The positions of the signatures that do not verify, in order.
    pub fn verify(self, entropy: &[u8; 32]) -> Result<(), Vec<usize>> {
        let mut binding: Vec<&[u8]> = vec![entropy];
        let mut verifier = batch::Verifier::new();
        let unknown = || self.items.iter().filter(|(claim, _)| !memory::knows(claim));
        for (claim, item) in unknown() {
            binding.push(claim.as_ref());
            verifier.queue(item.clone());
        }
        let seed = crate::Digest::of_parts(&binding).0;
        if verifier.verify(ChaCha20Rng::from_seed(seed)).is_ok() {
            unknown().for_each(|(claim, _)| memory::learn(*claim));
            return Ok(());
        }
        let mut bad = Vec::new();
        for (at, (claim, item)) in self.items.into_iter().enumerate() {
            if memory::knows(&claim) {
                continue;
            }
            match item.verify_single() {
                Ok(()) => memory::learn(claim),
                Err(_) => bad.push(at),
            }
        }
        if bad.is_empty() { Ok(()) } else { Err(bad) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    fn network(n: u8) -> NetworkId {
        NetworkId(Digest([n; 32]))
    }

    #[test]
    fn a_signature_is_bound_to_purpose_network_and_message() {
        let key = SecretKey::from_seed([7; 32]);
        let signature = key.sign(Domain::Request, &network(1), b"hello");
        let public = key.public();
        assert!(public.verify(Domain::Request, &network(1), b"hello", &signature).is_ok());
        assert!(public.verify(Domain::Storage, &network(1), b"hello", &signature).is_err());
        assert!(public.verify(Domain::Request, &network(2), b"hello", &signature).is_err());
        assert!(public.verify(Domain::Request, &network(1), b"hellO", &signature).is_err());
    }

    #[test]
    fn a_batch_names_the_bad_ones() {
        let mut batch = BatchVerifier::new();
        for n in 0..20u8 {
            let key = SecretKey::from_seed([n; 32]);
            let mut signature = key.sign(Domain::Transaction, &network(1), &[n]);
            if n == 3 || n == 17 {
                signature.0[1] ^= 1;
            }
            let claim = Claim::new(key.public(), Domain::Transaction, &network(1), &[n], signature);
            assert_eq!(claim.verify().is_ok(), n != 3 && n != 17);
            batch.add(&claim);
        }
        assert_eq!(batch.verify(&[9; 32]), Err(vec![3, 17]));
    }

    #[test]
    fn a_key_that_anybody_could_sign_for_is_refused() {
        // The points of order 1, 2, 4, 4, 8, 8, 8, 8 and the encodings of them that are not
        // canonical ("Taming the many EdDSAs", Chalkias, Garillot and Nikolaenko 2020,
        // appendix A).
        let canonical = [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        ];
        let others = [
            "0100000000000000000000000000000000000000000000000000000000000080",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        ];
        for text in canonical.into_iter().chain(others) {
            let key: PublicKey = text.parse().unwrap();
            assert_eq!(key.check(), Err(BadKey::SmallOrder), "{text}");
        }
        let bytes: Vec<_> = (0..=255u8).map(|n| PublicKey([n; 32]).check()).collect();
        assert!(bytes.contains(&Err(BadKey::NoPoint)), "half of all texts are no point");
        for n in 0..=255 {
            assert_eq!(SecretKey::from_seed([n; 32]).public().check(), Ok(()));
        }
    }

    #[test]
    fn the_secret_is_not_printed() {
        let key = SecretKey::from_seed([7; 32]);
        assert!(!format!("{key:?}").contains(&hex::encode([7u8; 32])));
    }
}
