//! TLS by ledger identity (ADR 0004): a node's certificate is self-signed and carries its
//! ed25519 key, and the client accepts exactly the key that it expects. No authority, name
//! or date counts, and no protocol older than TLS 1.3.

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, PeerIncompatible,
    SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use std::sync::Arc;
use trustmesh_types::PublicKey;

/// What comes before the key in the SubjectPublicKeyInfo of an ed25519 key (RFC 8410,
/// section 4).
const SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The ed25519 key that a certificate (DER) carries; `None` for another kind of key or no
/// certificate.
#[must_use]
pub fn spki_ed25519(certificate: &[u8]) -> Option<PublicKey> {
    let der = CertificateDer::from(certificate);
    let parsed = ParsedCertificate::try_from(&der).ok()?;
    let spki = parsed.subject_public_key_info();
    let key = spki.as_ref().strip_prefix(&SPKI_PREFIX)?;
    Some(PublicKey(key.try_into().ok()?))
}

/// TLS that accepts `node` and nobody else.
///
/// # Errors
/// When the library can't do TLS 1.3; it can.
pub fn config(node: PublicKey) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(Pinned { node, provider: Arc::clone(&provider) });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    // The name means nothing here, and a node need not learn by which one it was reached.
    config.enable_sni = false;
    Ok(config)
}

#[derive(Debug)]
struct Pinned {
    node: PublicKey,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if spki_ed25519(end_entity) == Some(self.node) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_certificate() {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let params = rcgen::CertificateParams::new(vec!["x".to_owned()]).unwrap();
        let certificate = params.clone().self_signed(&pair).unwrap();
        let key = spki_ed25519(certificate.der()).unwrap();
        assert_eq!(key.0.as_slice(), pair.public_key_raw());
        let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let certificate = params.self_signed(&other).unwrap();
        assert_eq!(spki_ed25519(certificate.der()), None);
        assert_eq!(spki_ed25519(b"no certificate"), None);
    }
}
