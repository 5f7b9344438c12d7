//! Payloads of "simple signing" (containers/image's `containers-signature.5`), signed as they
//! are; the signature is an annotation of the layer (cosign, `specs/SIGNATURE_SPEC.md`).

use super::key::Key;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::Deserialize;
use trustmesh_types::Digest;

pub(super) const MEDIA_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
pub(super) const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const TYPE: &str = "cosign container image signature";
/// Longest signature as text.
const SIGNATURE_BYTES_MAX: usize = 1024;

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

/// Whether what the key signed names the image; `None` when the key did not sign it.
pub(super) fn names(key: &Key, payload: &[u8], signature: &str, image: &Digest) -> Option<bool> {
    let signature = Some(signature.trim()).filter(|it| it.len() <= SIGNATURE_BYTES_MAX);
    let signature = BASE64.decode(signature?).ok()?;
    key.signed(payload, &signature).then(|| {
        serde_json::from_slice(payload).is_ok_and(|Payload { critical }| {
            critical.r#type == TYPE
                && critical.image.docker_manifest_digest == format!("sha256:{image}")
        })
    })
}
