//! Public keys in PEM (RFC 5280's SubjectPublicKeyInfo).

use super::CosignError;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm,
};
use rustls::pki_types::{SubjectPublicKeyInfoDer, pem::PemObject as _};

/// Before the point of a P-256 key (RFC 5480, section 2), which is not compressed.
const P256: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\
                      \x3d\x03\x01\x07\x03\x42\x00";
/// Before an ed25519 key (RFC 8410, section 4).
const ED25519_SPKI: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

pub(super) struct Key {
    algorithm: &'static dyn VerificationAlgorithm,
    bytes: Vec<u8>,
}

impl Key {
    pub(super) fn parse(pem: &str) -> Result<Self, CosignError> {
        let spki = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| CosignError::Key { why: "is no PEM of a public key" })?;
        let of = |prefix, length| {
            let key: Option<&[u8]> = spki.as_ref().strip_prefix(prefix);
            key.filter(|it| it.len() == length).map(<[u8]>::to_vec)
        };
        if let Some(bytes) = of(P256, 65) {
            return Ok(Self { algorithm: &ECDSA_P256_SHA256_ASN1, bytes });
        }
        match of(ED25519_SPKI, 32) {
            Some(bytes) => Ok(Self { algorithm: &ED25519, bytes }),
            None => Err(CosignError::Key { why: "is neither ECDSA P-256 nor ed25519" }),
        }
    }

    pub(super) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(self.algorithm, &self.bytes).verify(message, signature).is_ok()
    }
}
