//! The device's result key: an X25519 pair (RFC 7748) whose public half is part of a request.
//!
//! Invariant: the secret is wiped when dropped and never shown by `Debug`.

use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem, Serializable as _};
use std::fmt;
use zeroize::Zeroizing;

/// Length of a secret and of a public key.
pub const KEY_BYTES: usize = 32;

/// The secret half of a device's result key.
#[derive(Clone, PartialEq, Eq)]
pub struct ResultSecret(Zeroizing<[u8; KEY_BYTES]>);

impl ResultSecret {
    /// A fresh secret from the operating system's randomness.
    ///
    /// # Panics
    /// When the operating system has no randomness to give.
    #[must_use]
    pub fn generate() -> Self {
        let (private, _) = X25519HkdfSha256::gen_keypair();
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        private.write_exact(bytes.as_mut_slice());
        Self(bytes)
    }

    /// The secret with these bytes, as a key file holds them.
    #[must_use]
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The secret's bytes, for a key file.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; KEY_BYTES]> {
        self.0.clone()
    }

    /// The public half, which goes into requests.
    #[must_use]
    pub fn public(&self) -> [u8; KEY_BYTES] {
        X25519HkdfSha256::sk_to_pk(&self.private()).to_bytes().into()
    }

    #[expect(clippy::expect_used, reason = "X25519 clamps: every 32 bytes are a secret")]
    pub(crate) fn private(&self) -> <X25519HkdfSha256 as Kem>::PrivateKey {
        <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(self.0.as_slice())
            .expect("any 32 bytes are an X25519 secret")
    }
}

impl fmt::Debug for ResultSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResultSecret(..)")
    }
}
