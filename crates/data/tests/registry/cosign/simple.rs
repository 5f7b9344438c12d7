//! As cosign 2 signs: payloads, and signatures in a manifest under a tag.

use super::{BASE64, Signer, kinds, refused};
use crate::place::{IMAGE, MODULE, open, repository};
use base64::Engine as _;
use bytes::Bytes;
use serde_json::json;
use trustmesh_data::artifacts::{
    cosign::{CosignError, Signature, named, verify},
    oci::{OciError, Tag, Upload},
};
use trustmesh_types::Digest;

const LAYER: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

fn payload(image: &str, kind: &str) -> Bytes {
    let text = json!({
        "critical": {
            "identity": {"docker-reference": "registry.example/apps/a"},
            "image": {"docker-manifest-digest": image},
            "type": kind,
        },
        "optional": null,
    });
    text.to_string().into()
}

fn of(image: &Digest) -> Bytes {
    payload(&format!("sha256:{image}"), "cosign container image signature")
}

/// A manifest of signatures: payloads, each with its signature as text.
fn manifest(signed: &[(&Bytes, String)]) -> Vec<u8> {
    let config = Digest::of(b"{}");
    let layer = |(payload, signature): &(&Bytes, String)| {
        json!({
            "mediaType": LAYER, "size": payload.len(),
            "digest": format!("sha256:{}", Digest::of(payload)),
            "annotations": {"dev.cosignproject.cosign/signature": signature},
        })
    };
    let layers: Vec<_> = signed.iter().map(layer).collect();
    let text = json!({
        "schemaVersion": 2, "mediaType": IMAGE, "layers": layers,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json", "size": 2,
            "digest": format!("sha256:{config}"),
        },
    });
    text.to_string().into_bytes()
}

fn signature(payload: &Bytes, signature: impl Into<String>) -> Signature {
    Signature::Simple { payload: payload.clone(), signature: signature.into() }
}

#[test]
fn both_kinds_of_keys_sign() {
    let image = Digest::of(b"an image");
    for kind in kinds() {
        let (ours, other, said) = (Signer::new(kind), Signer::new(kind), of(&image));
        let by_us = signature(&said, ours.sign(&said));
        verify(&image, &ours.public, std::slice::from_ref(&by_us)).unwrap();
        // Among others' signatures.
        let also = payload("sha256:0", "x");
        let others = [signature(&also, other.sign(&also)), signature(&said, other.sign(&said))];
        verify(&image, &ours.public, &[&others[..], &[by_us]].concat()).unwrap();
    }
}

#[test]
fn what_is_not_signed_by_the_key_is_not_signed() {
    let image = Digest::of(b"an image");
    let (ours, other, said) = (Signer::cosign(), Signer::cosign(), of(&image));
    let refuse = |payload: &Bytes, text: String, counts| {
        refused(&image, &ours, &[signature(payload, text)], counts);
    };
    refuse(&said, other.sign(&said), (1, 0));
    let good = ours.sign(&said);
    let mut broken = BASE64.decode(&good).unwrap();
    broken[20] ^= 1;
    for text in [BASE64.encode(broken), String::new(), "%%%".to_owned(), "A".repeat(4_000)] {
        refuse(&said, text, (1, 0));
    }
    refuse(&of(&Digest::of(b"other")), good.clone(), (1, 0));
    // Signed by the key, and for something else: a swapped image, another kind, no payload.
    let swapped = of(&Digest::of(b"an older image"));
    let blob = payload(&format!("sha256:{image}"), "cosign blob signature");
    let bare = payload(&image.to_string(), "cosign container image signature");
    let text = Bytes::from_static(b"anything");
    for foreign in [swapped, blob, bare, text] {
        refuse(&foreign, ours.sign(&foreign), (0, 1));
    }
    let error = verify(&Digest::of(b"other"), &ours.public, &[signature(&said, good)]);
    assert!(error.unwrap_err().to_string().contains("is not signed by that key"));
}

#[test]
fn what_is_no_manifest_of_signatures_is_told() {
    let said = of(&Digest::of(b"an image"));
    let good = String::from_utf8(manifest(&[(&said, String::new())])).unwrap();
    assert_eq!(named(good.as_bytes()).unwrap().len(), 1);
    let many: Vec<_> = (0..33).map(|_| (&said, String::new())).collect();
    let huge = Bytes::from(vec![b' '; 65_537]);
    let cases = [
        b"".to_vec(),
        b"[]".to_vec(),
        br#"{"layers":[]}"#.to_vec(),
        manifest(&many),
        manifest(&[(&huge, String::new())]),
        good.replace("sha256:", "md5:").into_bytes(),
    ];
    for case in cases {
        let error = named(&case).unwrap_err();
        assert!(matches!(error, CosignError::Manifest { .. }), "{error}");
    }
}

#[tokio::test]
async fn signatures_beside_an_image_are_found_and_verified() {
    let test = "signatures_beside_an_image_are_found_and_verified";
    let Some(process) = fixtures::Registry::plain(test) else { return };
    let (registry, repo) = (open(&process.host), repository("apps/a"));
    let tag: Tag = "1".parse().unwrap();
    let image = registry.push_module(&repo, &tag, Bytes::from_static(MODULE)).await.unwrap();
    assert_eq!(registry.cosign_signatures(&repo, image).await.unwrap(), []);
    let (ours, said) = (Signer::cosign(), of(&image));
    let text = ours.sign(&said);
    for blob in [said.clone(), Bytes::from_static(b"{}")] {
        registry.push_blob(&repo, Digest::of(&blob), Upload::Bytes(blob)).await.unwrap();
    }
    let place: Tag = format!("sha256-{image}.sig").parse().unwrap();
    let by_us = manifest(&[(&said, text.clone())]);
    registry.push_manifest(&repo, IMAGE, by_us.into(), Some(&place)).await.unwrap();
    let found = registry.cosign_signatures(&repo, image).await.unwrap();
    assert_eq!(found, [signature(&said, text)]);
    verify(&image, &ours.public, &found).unwrap();
    verify(&image, &Signer::cosign().public, &found).unwrap_err();
    // Something else under the tag is told.
    let module = registry.manifest(&repo, image).await.unwrap();
    registry.push_manifest(&repo, IMAGE, module, Some(&place)).await.unwrap();
    let error = registry.cosign_signatures(&repo, image).await.unwrap_err();
    assert!(matches!(error, OciError::Malformed { .. }), "{error}");
}
