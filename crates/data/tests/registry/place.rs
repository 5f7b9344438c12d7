//! What tests of registries share.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use futures::TryStreamExt as _;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    PKCS_ECDSA_P256_SHA256,
};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};
use trustmesh_data::artifacts::oci::{
    BlobPieces, OciError, Reference, Registry, RegistryConfig, Repository,
};

/// The smallest module.
pub const MODULE: &[u8] = b"\0asm\x01\0\0\0";
pub const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub const USER: &str = "mesh";
pub const PASSWORD: &str = "open sesame";

/// Settings for a registry on this machine, in a hurry.
pub fn settings(host: &str) -> RegistryConfig {
    let mut config = RegistryConfig::new(host);
    config.plain_http = true;
    config.retry_ms = 5;
    config
}

pub fn open(host: &str) -> Registry {
    Registry::new(&settings(host)).unwrap()
}

/// Settings with a user's login.
pub fn with_login(mut config: RegistryConfig, folder: &Path, password: &str) -> RegistryConfig {
    config.username = Some(USER.to_owned());
    config.password_file = Some(secret(folder, "password", password));
    config
}

/// A file that its owner alone can read.
pub fn secret(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, format!("{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

pub fn repository(text: &str) -> Repository {
    text.parse().unwrap()
}

pub fn reference(registry: &Registry, rest: &str) -> Reference {
    format!("{}/{rest}", registry.host()).parse().unwrap()
}

pub async fn all(pieces: Result<BlobPieces, OciError>) -> Result<Vec<u8>, OciError> {
    let pieces: Vec<_> = pieces?.try_collect().await?;
    Ok(pieces.concat())
}

/// Bytes that are not the same anywhere.
pub fn bytes(length: usize) -> Vec<u8> {
    let word = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).to_le_bytes();
    (1..).flat_map(word).take(length).collect()
}

pub fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|it| std::str::from_utf8(it).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Files of a server's certificate, its key, and the authority that signed it.
pub struct Certificates {
    pub authority: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// An authority of the test's own, and a certificate for 127.0.0.1 by it.
pub fn certificates(folder: &Path) -> Certificates {
    let authority_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = Issuer::from_params(&params, &authority_key);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let write = |name: &str, label: &str, der: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, pem(label, der)).unwrap();
        path
    };
    Certificates {
        authority: write("ca.pem", "CERTIFICATE", authority.der()),
        certificate: write("server.pem", "CERTIFICATE", certificate.der()),
        key: write("server.key", "PRIVATE KEY", &key.serialize_der()),
    }
}
