//! Images signed with cosign's keys: signatures as its specifications have them, made with real
//! keys, by way of a registry.

mod bundle;
mod simple;

use crate::place::pem;
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PublicKeyData as _,
    SignatureAlgorithm,
};
use trustmesh_data::artifacts::cosign::{CosignError, Signature, verify};
use trustmesh_types::Digest;

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// A publisher's key.
struct Signer {
    public: String,
    sign: Sign,
}

impl Signer {
    fn new(kind: &'static SignatureAlgorithm) -> Self {
        let pair = KeyPair::generate_for(kind).unwrap();
        let public = pem("PUBLIC KEY", &pair.subject_public_key_info());
        let der = pair.serialize_der();
        let ecdsa = |kind| {
            let key = EcdsaKeyPair::from_pkcs8(kind, &der).unwrap();
            let sign =
                move |it: &[u8]| key.sign(&SystemRandom::new(), it).unwrap().as_ref().to_vec();
            Box::new(sign) as Sign
        };
        let sign = if *kind == PKCS_ED25519 {
            let key = Ed25519KeyPair::from_pkcs8(&der).unwrap();
            Box::new(move |it: &[u8]| key.sign(it).as_ref().to_vec()) as Sign
        } else if *kind == PKCS_ECDSA_P384_SHA384 {
            ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING)
        } else {
            ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING)
        };
        Self { public, sign }
    }

    /// As cosign makes them.
    fn cosign() -> Self {
        Self::new(&PKCS_ECDSA_P256_SHA256)
    }

    fn sign(&self, message: &[u8]) -> String {
        BASE64.encode((self.sign)(message))
    }
}

/// Both kinds of keys that are taken.
fn kinds() -> [&'static SignatureAlgorithm; 2] {
    [&PKCS_ECDSA_P256_SHA256, &PKCS_ED25519]
}

/// Of as many signatures, the key made those that are foreign, and none on the image.
fn refused(
    image: &Digest,
    key: &Signer,
    signatures: &[Signature],
    (others, foreign): (usize, usize),
) {
    let error = verify(image, &key.public, signatures).unwrap_err();
    let (image, signatures) = (*image, others + foreign);
    assert_eq!(error, CosignError::NotSigned { image, signatures, others, foreign });
}

#[test]
fn what_is_no_key_is_told() {
    let private = Signer::cosign().public.replace("PUBLIC", "PRIVATE");
    let large = Signer::new(&PKCS_ECDSA_P384_SHA384).public;
    for key in ["", "mesh", &private, &large] {
        let error = verify(&Digest::of(b"an image"), key, &[]).unwrap_err();
        assert!(matches!(error, CosignError::Key { .. }), "{key}: {error}");
    }
}

#[test]
fn an_image_without_signatures_is_not_signed() {
    refused(&Digest::of(b"an image"), &Signer::cosign(), &[], (0, 0));
}
