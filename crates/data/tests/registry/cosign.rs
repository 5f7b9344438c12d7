//! Images signed with cosign's keys: signatures as its specification has them, made with real
//! keys, by way of a registry.

use crate::place::{IMAGE, MODULE, open, pem, repository};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair as _,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PublicKeyData as _,
    SignatureAlgorithm,
};
use serde_json::json;
use trustmesh_data::artifacts::{
    cosign::{CosignError, verify},
    oci::{Tag, Upload},
};
use trustmesh_types::Digest;

const LAYER: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// A publisher's key.
struct Signer {
    public: String,
    sign: Sign,
}

fn signer(kind: &'static SignatureAlgorithm) -> Signer {
    let pair = KeyPair::generate_for(kind).unwrap();
    let public = pem("PUBLIC KEY", &pair.subject_public_key_info());
    let der = pair.serialize_der();
    let ecdsa = |kind| {
        let key = EcdsaKeyPair::from_pkcs8(kind, &der).unwrap();
        let sign = move |it: &[u8]| key.sign(&SystemRandom::new(), it).unwrap().as_ref().to_vec();
        Box::new(sign) as Sign
    };
    let sign = if *kind == PKCS_ED25519 {
        let key = Ed25519KeyPair::from_pkcs8(&der).unwrap();
        assert_eq!(key.public_key().as_ref().len(), 32);
        Box::new(move |it: &[u8]| key.sign(it).as_ref().to_vec()) as Sign
    } else if *kind == PKCS_ECDSA_P384_SHA384 {
        ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING)
    } else {
        ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING)
    };
    Signer { public, sign }
}

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

fn signature(signer: &Signer, payload: &Bytes) -> String {
    BASE64.encode((signer.sign)(payload))
}

#[test]
fn both_kinds_of_keys_sign() {
    let image = Digest::of(b"an image");
    for kind in [&PKCS_ECDSA_P256_SHA256, &PKCS_ED25519] {
        let (ours, other, said) = (signer(kind), signer(kind), of(&image));
        let by_us = manifest(&[(&said, signature(&ours, &said))]);
        verify(&image, &ours.public, &by_us, std::slice::from_ref(&said)).unwrap();
        // Among others' signatures, whatever the order of payloads.
        let also = payload("sha256:0", "x");
        let many = manifest(&[
            (&also, signature(&other, &also)),
            (&said, signature(&other, &said)),
            (&said, signature(&ours, &said)),
        ]);
        verify(&image, &ours.public, &many, &[said.clone(), also]).unwrap();
    }
}

#[test]
fn what_is_not_signed_by_the_key_is_not_signed() {
    let image = Digest::of(b"an image");
    let (ours, other) = (signer(&PKCS_ECDSA_P256_SHA256), signer(&PKCS_ECDSA_P256_SHA256));
    let said = of(&image);
    let good = signature(&ours, &said);
    let refuse = |manifest: &[u8], payloads: &[Bytes], others: usize, foreign: usize| {
        let error = verify(&image, &ours.public, manifest, payloads).unwrap_err();
        let signatures = others + foreign;
        assert_eq!(error, CosignError::NotSigned { image, signatures, others, foreign });
    };
    let all = [said.clone()];
    refuse(&manifest(&[(&said, signature(&other, &said))]), &all, 1, 0);
    let mut broken = BASE64.decode(&good).unwrap();
    broken[20] ^= 1;
    for text in [BASE64.encode(broken), String::new(), "%%%".to_owned(), "A".repeat(4_000)] {
        refuse(&manifest(&[(&said, text)]), &all, 1, 0);
    }
    // The payload is not there, or another one is.
    refuse(&manifest(&[(&said, good.clone())]), &[], 1, 0);
    refuse(&manifest(&[(&said, good.clone())]), &[of(&Digest::of(b"other"))], 1, 0);
    // Signed by the key, and for something else: a swapped image, another kind, no payload.
    let swapped = of(&Digest::of(b"an older image"));
    let blob = payload(&format!("sha256:{image}"), "cosign blob signature");
    let bare = payload(&image.to_string(), "cosign container image signature");
    let text = Bytes::from_static(b"anything");
    for foreign in [swapped, blob, bare, text] {
        let signed = manifest(&[(&foreign, signature(&ours, &foreign))]);
        refuse(&signed, &[foreign], 0, 1);
    }
    let error = verify(&Digest::of(b"other"), &ours.public, &manifest(&[(&said, good)]), &all);
    assert!(error.unwrap_err().to_string().contains("is not signed by that key"));
}

#[test]
fn what_is_no_key_or_manifest_is_told() {
    let image = Digest::of(b"an image");
    let (ours, said) = (signer(&PKCS_ECDSA_P256_SHA256), of(&image));
    let good = manifest(&[(&said, signature(&ours, &said))]);
    let private = ours.public.replace("PUBLIC", "PRIVATE");
    let large = signer(&PKCS_ECDSA_P384_SHA384).public;
    for key in ["", "mesh", &private, &large] {
        let error = verify(&image, key, &good, &[]).unwrap_err();
        assert!(matches!(error, CosignError::Key { .. }), "{key}: {error}");
    }
    let many: Vec<_> = (0..33).map(|_| (&said, String::new())).collect();
    let huge = Bytes::from(vec![b' '; 65_537]);
    let cases = [
        b"".to_vec(),
        b"[]".to_vec(),
        br#"{"layers":[]}"#.to_vec(),
        manifest(&many),
        manifest(&[(&huge, String::new())]),
        String::from_utf8(good).unwrap().replace("sha256:", "md5:").into_bytes(),
    ];
    for case in cases {
        let error = verify(&image, &ours.public, &case, &[]).unwrap_err();
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
    assert_eq!(registry.cosign_signatures(&repo, image).await.unwrap(), None);
    let (ours, said) = (signer(&PKCS_ECDSA_P256_SHA256), of(&image));
    let by_us = manifest(&[(&said, signature(&ours, &said))]);
    for blob in [said.clone(), Bytes::from_static(b"{}")] {
        registry.push_blob(&repo, Digest::of(&blob), Upload::Bytes(blob)).await.unwrap();
    }
    let place: Tag = format!("sha256-{image}.sig").parse().unwrap();
    registry.push_manifest(&repo, IMAGE, by_us.into(), Some(&place)).await.unwrap();
    let found = registry.cosign_signatures(&repo, image).await.unwrap().unwrap();
    assert_eq!(found.payloads, [said]);
    verify(&image, &ours.public, &found.manifest, &found.payloads).unwrap();
    let other = signer(&PKCS_ECDSA_P256_SHA256);
    assert!(verify(&image, &other.public, &found.manifest, &found.payloads).is_err());
}
