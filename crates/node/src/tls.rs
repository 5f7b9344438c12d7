//! TLS by ledger identity: a node's certificate is self-signed and carries its ed25519 key,
//! so a client that knows the key from the ledger needs no authority (ADR 0004).
//!
//! TLS 1.3 only. Clients prove who they are by signatures in headers, not by certificates.

use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ED25519};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use std::sync::Arc;
use trustmesh_types::SecretKey;
use zeroize::Zeroizing;

/// What comes before the seed in the PKCS #8 form of an ed25519 key (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// No certificate could be made of the node's key.
#[derive(Debug, thiserror::Error)]
#[error("can't make a TLS identity of the node's key: {reason}")]
pub struct TlsError {
    /// What the library said.
    pub reason: String,
}

fn failed(error: impl std::fmt::Display) -> TlsError {
    TlsError { reason: error.to_string() }
}

/// The server's side of TLS for a node.
///
/// # Errors
/// [`TlsError`].
pub fn server_config(key: &SecretKey) -> Result<Arc<ServerConfig>, TlsError> {
    let pkcs8 = Zeroizing::new([PKCS8_PREFIX.as_slice(), key.seed().as_slice()].concat());
    let der = PrivatePkcs8KeyDer::from(pkcs8.as_slice());
    let pair = KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ED25519).map_err(failed)?;
    let mut params = CertificateParams::new(vec!["trustmesh".to_owned()]).map_err(failed)?;
    params.distinguished_name.push(DnType::CommonName, key.public().to_string());
    let certificate = params.self_signed(&pair).map_err(failed)?;

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(failed)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(der.clone_key()))
        .map_err(failed)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_is_made_of_a_nodes_key() {
        let config = server_config(&SecretKey::from_seed([7; 32])).unwrap();
        assert_eq!(config.alpn_protocols, [b"http/1.1".to_vec()]);
    }
}
