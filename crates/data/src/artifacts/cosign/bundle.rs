//! Sigstore bundles (cosign, `specs/BUNDLE_SPEC.md`): an envelope (DSSE 1.0) around an in-toto
//! statement whose subject is the image and whose predicate says that it is signed. Other
//! statements, such as of how an image was built, are no signatures of it.

use super::{SIGNATURES_MAX, key::Key, sha256};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::Deserialize;
use std::collections::BTreeMap;
use trustmesh_types::Digest;

/// Before the version of a bundle's format.
const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle";
/// What some clients write down instead when they keep a registry's list themselves.
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const PREDICATE_OF: &str = "dev.sigstore.bundle.predicateType";
const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// Before the version of in-toto's statements, whose subjects are the same in all.
const STATEMENT: &str = "https://in-toto.io/Statement/";

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Referrer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Referrer {
    digest: String,
    artifact_type: Option<String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    dsse_envelope: Envelope,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signed>,
}

#[derive(Deserialize)]
struct Signed {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    predicate_type: String,
}

#[derive(Deserialize)]
struct Subject {
    #[serde(default)]
    digest: BTreeMap<String, String>,
}

/// Whether a media type is one of bundles.
pub(super) fn is(media_type: &str) -> bool {
    media_type.starts_with(MEDIA_TYPE)
}

/// Manifests among what refers to an image (an OCI index) that may have a bundle in which it is
/// signed: at most as many as there may be signatures. What is no index has none.
pub(in crate::artifacts) fn candidates(index: &[u8]) -> Vec<Digest> {
    let Ok(Index { manifests }) = serde_json::from_slice(index) else { return Vec::new() };
    let may_be = |it: &Referrer| {
        it.artifact_type.as_deref().is_none_or(|kind| is(kind) || kind == EMPTY)
            && it.annotations.get(PREDICATE_OF).is_none_or(|kind| kind == SIGNED)
    };
    let digests = manifests.iter().filter(|it| may_be(it)).filter_map(|it| sha256(&it.digest));
    digests.take(SIGNATURES_MAX).collect()
}

/// Whether what the key signed names the image; `None` when the key did not sign it.
pub(super) fn names(key: &Key, bundle: &[u8], image: &Digest) -> Option<bool> {
    let Bundle { dsse_envelope: envelope } = serde_json::from_slice(bundle).ok()?;
    let [signed] = envelope.signatures.as_slice() else { return None };
    let payload = BASE64.decode(&envelope.payload).ok()?;
    let signature = BASE64.decode(&signed.sig).ok()?;
    if !key.signed(&encoded(&envelope.payload_type, &payload), &signature) {
        return None;
    }
    let statement = serde_json::from_slice(&payload);
    Some(envelope.payload_type == PAYLOAD_TYPE && statement.is_ok_and(|it| of(&it, image)))
}

fn of(statement: &Statement, image: &Digest) -> bool {
    let is_it = |it: &Subject| it.digest.get("sha256").is_some_and(|it| *it == image.to_string());
    statement.kind.starts_with(STATEMENT)
        && statement.predicate_type == SIGNED
        && statement.subject.iter().any(is_it)
}

/// What is signed of a payload (DSSE 1.0, "PAE").
fn encoded(kind: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
    [head.as_bytes(), payload].concat()
}
