//! As cosign 3 signs: bundles that refer to an image, in the list that a registry keeps of them,
//! or in the one that clients keep.

use super::{BASE64, Signer, kinds, refused};
use crate::{
    evil::{Evil, status, with},
    place::{IMAGE, MODULE, open, repository},
};
use axum::{http::Method, response::IntoResponse as _};
use base64::Engine as _;
use bytes::Bytes;
use serde_json::{Value, json};
use trustmesh_data::artifacts::{
    cosign::{Signature, verify},
    oci::{Registry, Repository, Tag, Upload},
};
use trustmesh_types::Digest;

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const IN_TOTO: &str = "application/vnd.in-toto+json";
const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";

fn statement(image: &Digest) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": image.to_string()}, "annotations": {}}],
        "predicateType": SIGNED,
        "predicate": {},
    })
}

/// A bundle, signed as DSSE's specification says in words of its own: the lengths are in bytes.
fn bundle(signer: &Signer, kind: &str, payload: &[u8]) -> Value {
    let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    message.extend_from_slice(payload);
    json!({
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": "mesh"}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": BASE64.encode(payload),
            "payloadType": kind,
            "signatures": [{"sig": signer.sign(&message), "keyid": ""}],
        },
    })
}

fn signature(bundle: &Value) -> Signature {
    Signature::Bundle(bundle.to_string().into())
}

fn of(signer: &Signer, statement: &Value) -> Signature {
    signature(&bundle(signer, IN_TOTO, statement.to_string().as_bytes()))
}

#[test]
fn both_kinds_of_keys_sign() {
    let image = Digest::of(b"an image");
    for kind in kinds() {
        let (ours, other) = (Signer::new(kind), Signer::new(kind));
        let both = [of(&other, &statement(&image)), of(&ours, &statement(&image))];
        verify(&image, &ours.public, &both).unwrap();
        refused(&image, &ours, &both[..1], (1, 0));
    }
}

#[test]
fn what_the_key_signed_for_something_else_is_no_signature() {
    let (image, ours) = (Digest::of(b"an image"), Signer::cosign());
    let but = |pointer: &str, value: Value| {
        let mut said = statement(&image);
        *said.pointer_mut(pointer).expect("it has that") = value;
        said
    };
    let cases = [
        statement(&Digest::of(b"an older image")),
        but("/predicateType", json!("https://slsa.dev/provenance/v1")),
        but("/_type", json!("of another kind")),
        but("/subject", json!([])),
        but("/subject/0/digest", json!({"sha512": image.to_string()})),
        but("/subject/0/digest/sha256", json!(format!("sha256:{image}"))),
        json!("anything"),
    ];
    for said in cases {
        refused(&image, &ours, &[of(&ours, &said)], (0, 1));
    }
    let said = statement(&image).to_string();
    let kind = bundle(&ours, "application/octet-stream", said.as_bytes());
    refused(&image, &ours, &[signature(&kind)], (0, 1));
    // Beside another image, it is this one's, too.
    let mut both = statement(&Digest::of(b"other"));
    both["subject"].as_array_mut().unwrap().push(statement(&image)["subject"][0].clone());
    verify(&image, &ours.public, &[of(&ours, &both)]).unwrap();
}

#[test]
fn what_is_not_as_it_was_signed_is_no_signature() {
    let (image, ours) = (Digest::of(b"an image"), Signer::cosign());
    let said = statement(&image).to_string();
    let good = bundle(&ours, IN_TOTO, said.as_bytes());
    verify(&image, &ours.public, &[signature(&good)]).unwrap();
    let but = |pointer: &str, value: Value| {
        let mut bundle = good.clone();
        *bundle.pointer_mut(pointer).expect("it has that") = value;
        signature(&bundle)
    };
    let (payload, sig) = ("/dsseEnvelope/payload", "/dsseEnvelope/signatures/0/sig");
    let two = json!([good["dsseEnvelope"]["signatures"][0], {"sig": ""}]);
    // The payload alone, without its type and length, is not what DSSE signs.
    let bare = ours.sign(said.as_bytes());
    let other = statement(&Digest::of(b"other")).to_string();
    let cases = [
        but(payload, json!(BASE64.encode(format!("{said} ")))),
        but(payload, json!(BASE64.encode(other))),
        but(payload, json!("%%%")),
        but("/dsseEnvelope/payloadType", json!("application/json")),
        but(sig, json!(bare)),
        but(sig, json!("")),
        but("/dsseEnvelope/signatures", json!([])),
        but("/dsseEnvelope/signatures", two),
        but("/dsseEnvelope", json!({"messageSignature": {}})),
        Signature::Bundle(Bytes::from_static(b"{")),
    ];
    for case in cases {
        refused(&image, &ours, &[case], (1, 0));
    }
}

/// Puts a bundle beside an image as cosign does, and says what refers to the image by it.
async fn put(registry: &Registry, repo: &Repository, image: Digest, bundle: &Value) -> Digest {
    let bundle = Bytes::from(bundle.to_string());
    let (digest, empty) = (Digest::of(&bundle), Digest::of(b"{}"));
    let manifest = json!({
        "schemaVersion": 2, "mediaType": IMAGE, "artifactType": BUNDLE,
        "config": {"mediaType": EMPTY, "size": 2, "digest": format!("sha256:{empty}")},
        "layers": [
            {"mediaType": BUNDLE, "size": bundle.len(), "digest": format!("sha256:{digest}")},
        ],
        "subject": {"mediaType": IMAGE, "size": 0, "digest": format!("sha256:{image}")},
    });
    for blob in [bundle, Bytes::from_static(b"{}")] {
        registry.push_blob(repo, Digest::of(&blob), Upload::Bytes(blob)).await.unwrap();
    }
    let manifest = Bytes::from(manifest.to_string());
    registry.push_manifest(repo, IMAGE, manifest.clone(), None).await.unwrap();
    Digest::of(&manifest)
}

/// Writes the list under the tag where clients keep it.
async fn list(registry: &Registry, repo: &Repository, image: Digest, referrers: &[Value]) {
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": referrers});
    let tag: Tag = format!("sha256-{image}").parse().unwrap();
    let index = Bytes::from(index.to_string());
    registry.push_manifest(repo, INDEX, index, Some(&tag)).await.unwrap();
}

fn referrer(manifest: Digest, kind: &str, predicate: &str) -> Value {
    json!({
        "mediaType": IMAGE, "size": 0, "digest": format!("sha256:{manifest}"),
        "artifactType": kind,
        "annotations": {"dev.sigstore.bundle.predicateType": predicate},
    })
}

#[tokio::test]
async fn bundles_beside_an_image_are_found_and_verified() {
    let test = "bundles_beside_an_image_are_found_and_verified";
    let Some(process) = fixtures::Registry::plain(test) else { return };
    let (registry, repo) = (open(&process.host), repository("apps/a"));
    let tag: Tag = "1".parse().unwrap();
    let image = registry.push_module(&repo, &tag, Bytes::from_static(MODULE)).await.unwrap();
    let ours = Signer::cosign();
    let said = bundle(&ours, IN_TOTO, statement(&image).to_string().as_bytes());
    let manifest = put(&registry, &repo, image, &said).await;
    let provenance = json!({"predicateType": "https://slsa.dev/provenance/v1"}).to_string();
    let other = bundle(&ours, IN_TOTO, provenance.as_bytes());
    let other = put(&registry, &repo, image, &other).await;
    // Among what is no bundle, is gone, or is signed for something else. cosign's own client has
    // the type of the configuration where that of the artifact should be.
    let module = json!({"mediaType": IMAGE, "size": 0, "digest": format!("sha256:{image}")});
    let referrers = [
        referrer(other, BUNDLE, "https://slsa.dev/provenance/v1"),
        referrer(other, "application/spdx+json", SIGNED),
        module,
        referrer(manifest, EMPTY, SIGNED),
    ];
    list(&registry, &repo, image, &referrers).await;
    let found = registry.cosign_signatures(&repo, image).await.unwrap();
    assert_eq!(found, [signature(&said)]);
    verify(&image, &ours.public, &found).unwrap();
    verify(&image, &Signer::cosign().public, &found).unwrap_err();
}

/// Debian's registry keeps no list of what refers to an image; this one does, and nothing else.
#[tokio::test]
async fn the_list_that_a_registry_keeps_is_asked_first() {
    let (image, ours) = (Digest::of(b"an image"), Signer::cosign());
    let said = bundle(&ours, IN_TOTO, statement(&image).to_string().as_bytes()).to_string();
    let layer = Digest::of(said.as_bytes());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": IMAGE, "artifactType": BUNDLE,
        "layers": [{"mediaType": BUNDLE, "size": said.len(), "digest": format!("sha256:{layer}")}],
    });
    let manifest = manifest.to_string();
    let digest = Digest::of(manifest.as_bytes());
    let gone = referrer(Digest::of(b"gone"), BUNDLE, SIGNED);
    let list = json!({"manifests": [gone, referrer(digest, BUNDLE, SIGNED)]}).to_string();
    let signed = said.clone();
    let registry = Evil::start(move |asked, _| {
        assert_eq!(asked.method, Method::GET);
        let path = asked.path.strip_prefix("/v2/apps/a/").unwrap_or_default();
        let (kind, body) = if path == format!("referrers/sha256:{image}") {
            (INDEX, &list)
        } else if path == format!("manifests/sha256:{digest}") {
            (IMAGE, &manifest)
        } else if path == format!("blobs/sha256:{layer}") {
            ("application/octet-stream", &said)
        } else {
            return status(404);
        };
        with(body.clone().into_response(), "content-type", kind)
    });
    let registry = registry.await;
    let found = open(&registry.host).cosign_signatures(&repository("apps/a"), image).await;
    let found = found.unwrap();
    assert_eq!(found, [Signature::Bundle(signed.into())]);
    verify(&image, &ours.public, &found).unwrap();
    let fallback = format!("/v2/apps/a/manifests/sha256-{image}");
    assert!(registry.asked().iter().all(|it| it.path != fallback));
}
