//! Images signed with cosign's key-based scheme, verified offline (ADR 0010).
//!
//! The format is cosign's `specs/SIGNATURE_SPEC.md`: an OCI manifest whose layers of media type
//! `application/vnd.dev.cosign.simplesigning.v1+json` are what was signed ("simple signing", of
//! containers/image's `containers-signature.5`), each with its signature, base64, in the
//! annotation `dev.cosignproject.cosign/signature`. Keys are ECDSA P-256 with SHA-256 (ASN.1
//! signatures), which the specification asks for, or ed25519, which cosign can import.
//!
//! Invariants: an image is signed when one payload that names its manifest's digest is signed by
//! the key; certificates, transparency logs and names of repositories count for nothing; pure
//! and bounded, whatever comes.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use rustls::pki_types::{SubjectPublicKeyInfoDer, pem::PemObject as _};
use serde::Deserialize;
use std::collections::BTreeMap;
use trustmesh_types::Digest;

const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const TYPE: &str = "cosign container image signature";
/// Most signatures of one image.
const SIGNATURES_MAX: usize = 32;
/// Largest payload, and longest signature as text.
const PAYLOAD_BYTES_MAX: u64 = 64 * 1024;
const SIGNATURE_BYTES_MAX: usize = 1024;
/// Before the point of a P-256 key (RFC 5480, section 2), which is not compressed.
const P256: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\
                      \x3d\x03\x01\x07\x03\x42\x00";
/// Before an ed25519 key (RFC 8410, section 4).
const ED25519_SPKI: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// An image is not signed as it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CosignError {
    /// The key is none that cosign's key-based scheme has here.
    #[error("the public key {why}: give the PEM that cosign wrote as cosign.pub")]
    Key {
        /// What is wrong with it.
        why: &'static str,
    },
    /// What should hold signatures does not.
    #[error("what lies at the place of cosign's signatures holds none: {why}")]
    Manifest {
        /// What is wrong with it.
        why: String,
    },
    /// No signature is one of this key on this image.
    #[error(
        "image sha256:{image} is not signed by that key: of {signatures} signatures, {others} are \
         of other keys or broken, {foreign} are on other images; sign it with cosign sign \
         --key, by its digest"
    )]
    NotSigned {
        /// Digest of the image's manifest.
        image: Digest,
        /// Signatures that were looked at.
        signatures: usize,
        /// Of these: the key did not make them.
        others: usize,
        /// Of these: the key made them, for something else.
        foreign: usize,
    },
}

#[derive(Deserialize)]
struct Manifest {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    r#type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: String,
}

fn malformed(why: impl Into<String>) -> CosignError {
    CosignError::Manifest { why: why.into() }
}

/// Layers that hold what was signed, with their digests.
fn layers(manifest: &[u8]) -> Result<Vec<(Digest, Layer)>, CosignError> {
    let manifest: Manifest = serde_json::from_slice(manifest)
        .map_err(|_| malformed("it is no manifest of an OCI image"))?;
    let mut found = Vec::new();
    for layer in manifest.layers.into_iter().filter(|it| it.media_type == SIMPLE_SIGNING) {
        let hex = layer.digest.strip_prefix("sha256:").and_then(|it| it.parse().ok());
        let digest = hex.ok_or_else(|| malformed("a layer's digest is no sha256"))?;
        if layer.size > PAYLOAD_BYTES_MAX {
            return Err(malformed(format!("a payload has more than {PAYLOAD_BYTES_MAX} bytes")));
        }
        found.push((digest, layer));
    }
    match found.len() {
        0 => Err(malformed("it has no layer of simple signing")),
        count if count > SIGNATURES_MAX => {
            Err(malformed(format!("it has {count} signatures, at most {SIGNATURES_MAX} may be")))
        }
        _ => Ok(found),
    }
}

/// Digests and lengths of what a manifest of signatures says was signed, without repeats.
pub(super) fn payloads(manifest: &[u8]) -> Result<BTreeMap<Digest, u64>, CosignError> {
    Ok(layers(manifest)?.into_iter().map(|(digest, layer)| (digest, layer.size)).collect())
}

/// Checks that a key signed an image, by what lies beside it: the manifest of the signatures and
/// the payloads that it names, in any order.
///
/// # Errors
/// [`CosignError`] when it is not.
pub fn verify(
    image_manifest_digest: &Digest,
    public_key_pem: &str,
    signature_manifest: &[u8],
    payloads: &[Bytes],
) -> Result<(), CosignError> {
    let key = Key::parse(public_key_pem)?;
    let expected = format!("sha256:{image_manifest_digest}");
    let (mut others, mut foreign) = (0_usize, 0_usize);
    let layers = layers(signature_manifest)?;
    let by_digest: BTreeMap<Digest, &Bytes> =
        payloads.iter().take(SIGNATURES_MAX).map(|it| (Digest::of(it), it)).collect();
    for (digest, layer) in &layers {
        let text = layer.annotations.get(SIGNATURE).filter(|it| it.len() <= SIGNATURE_BYTES_MAX);
        let signature = text.and_then(|it| BASE64.decode(it.trim()).ok());
        let (Some(signature), Some(payload)) = (signature, by_digest.get(digest)) else {
            others += 1;
            continue;
        };
        if !key.signed(payload, &signature) {
            others += 1;
            continue;
        }
        match serde_json::from_slice::<Payload>(payload) {
            Ok(Payload { critical })
                if critical.r#type == TYPE && critical.image.docker_manifest_digest == expected =>
            {
                return Ok(());
            }
            _ => foreign += 1,
        }
    }
    let (image, signatures) = (*image_manifest_digest, layers.len());
    Err(CosignError::NotSigned { image, signatures, others, foreign })
}

/// A public key.
struct Key {
    algorithm: &'static dyn VerificationAlgorithm,
    bytes: Vec<u8>,
}

impl Key {
    fn parse(pem: &str) -> Result<Self, CosignError> {
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

    fn signed(&self, payload: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(self.algorithm, &self.bytes).verify(payload, signature).is_ok()
    }
}
