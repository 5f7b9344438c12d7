//! Images signed with cosign's keys, verified offline (ADR 0010).
//!
//! - `simple`: cosign 2 (its `specs/SIGNATURE_SPEC.md`): what was signed is a payload of "simple
//!   signing", the signature an annotation;
//! - `bundle`: cosign 3 (its `specs/BUNDLE_SPEC.md`): a Sigstore bundle with an in-toto
//!   statement;
//! - `key`: ECDSA P-256 with SHA-256 (ASN.1 signatures), which cosign makes, and ed25519, which
//!   it can import.
//!
//! Invariants: an image is signed when the key signed something that names its manifest's digest
//! as signed; certificates, transparency logs and names of repositories count for nothing; pure
//! and bounded, whatever comes.

mod bundle;
mod key;
mod simple;

pub(super) use bundle::candidates;

use bytes::Bytes;
use key::Key;
use serde::Deserialize;
use std::collections::BTreeMap;
use trustmesh_types::Digest;

/// Most signatures of one image, in each of both places.
pub(super) const SIGNATURES_MAX: usize = 32;
/// Largest payload or bundle.
const BLOB_BYTES_MAX: u64 = 64 * 1024;

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

/// A signature as a registry keeps it, of whatever key, on whatever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// Of cosign 2.
    Simple {
        /// What was signed.
        payload: Bytes,
        /// The signature, base64.
        signature: String,
    },
    /// Of cosign 3: a bundle, as JSON.
    Bundle(Bytes),
}

/// What a manifest says of one signature: the blob that it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The blob's digest.
    pub blob: Digest,
    /// The blob's length.
    pub bytes: u64,
    /// The signature, where the blob has none in it.
    annotation: Option<String>,
}

impl Named {
    /// The signature, once its blob is there.
    #[must_use]
    pub fn with(self, blob: Bytes) -> Signature {
        match self.annotation {
            Some(signature) => Signature::Simple { payload: blob, signature },
            None => Signature::Bundle(blob),
        }
    }
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

/// The signatures that a manifest of cosign's names, of either version.
///
/// # Errors
/// [`CosignError::Manifest`] when it names none, or is beyond the bounds.
pub fn named(manifest: &[u8]) -> Result<Vec<Named>, CosignError> {
    let malformed = |why: String| CosignError::Manifest { why };
    let manifest: Manifest = serde_json::from_slice(manifest)
        .map_err(|_| malformed("it is no manifest of an OCI image".to_owned()))?;
    let mut found = Vec::new();
    for mut layer in manifest.layers {
        let annotation = match layer.media_type.as_str() {
            simple::MEDIA_TYPE => {
                Some(layer.annotations.remove(simple::SIGNATURE).unwrap_or_default())
            }
            kind if bundle::is(kind) => None,
            _ => continue,
        };
        let blob = sha256(&layer.digest);
        let blob = blob.ok_or_else(|| malformed("a layer's digest is no sha256".to_owned()))?;
        if layer.size > BLOB_BYTES_MAX {
            return Err(malformed(format!("a payload has more than {BLOB_BYTES_MAX} bytes")));
        }
        found.push(Named { blob, bytes: layer.size, annotation });
    }
    match found.len() {
        0 => Err(malformed("it has no layer of a signature".to_owned())),
        count if count > SIGNATURES_MAX => {
            Err(malformed(format!("it has {count} signatures, at most {SIGNATURES_MAX} may be")))
        }
        _ => Ok(found),
    }
}

/// A digest as OCI writes it.
fn sha256(text: &str) -> Option<Digest> {
    text.strip_prefix("sha256:")?.parse().ok()
}

/// Checks that a key signed an image, by the signatures that lie beside it.
///
/// # Errors
/// [`CosignError`] when it did not, or is no key.
pub fn verify(
    image: &Digest,
    public_key_pem: &str,
    signatures: &[Signature],
) -> Result<(), CosignError> {
    let key = Key::parse(public_key_pem)?;
    let (mut others, mut foreign) = (0_usize, 0_usize);
    for signature in signatures {
        let names = match signature {
            Signature::Simple { payload, signature } => {
                simple::names(&key, payload, signature, image)
            }
            Signature::Bundle(bundle) => bundle::names(&key, bundle, image),
        };
        match names {
            Some(true) => return Ok(()),
            Some(false) => foreign += 1,
            None => others += 1,
        }
    }
    Err(CosignError::NotSigned { image: *image, signatures: signatures.len(), others, foreign })
}
