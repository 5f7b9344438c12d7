//! TLS to registries: authorities of this machine, and a private one beside them.
//!
//! Invariants: one cryptographic provider, the one that the rest of the product uses; a
//! certificate is always checked.

use super::{config::RegistryConfig, error::OciError};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use std::{io::Read as _, path::Path, sync::Arc};

/// Largest file of certificates.
const CA_BYTES_MAX: u64 = 1024 * 1024;

/// TLS for a registry.
pub(super) fn client(config: &RegistryConfig) -> Result<ClientConfig, OciError> {
    let wrong = |why: String| OciError::Config { registry: config.host.clone(), why };
    let mut roots = RootCertStore::empty();
    if !config.plain_http {
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
    }
    if let Some(path) = &config.ca_file {
        private(path, &mut roots)?;
    }
    if roots.is_empty() && !config.plain_http {
        let why = "this machine knows no certificate authorities: install its package \
                   ca-certificates, or set ca_file";
        return Err(wrong(why.to_owned()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn private(path: &Path, roots: &mut RootCertStore) -> Result<(), OciError> {
    let wrong = |why: String| OciError::File { path: path.into(), why };
    let file =
        std::fs::File::open(path).map_err(|error| wrong(format!("can't open it: {error}")))?;
    let mut pem = Vec::new();
    let read = file.take(CA_BYTES_MAX).read_to_end(&mut pem);
    read.map_err(|error| wrong(format!("can't read it: {error}")))?;
    let mut count = 0_usize;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| wrong(format!("it is no PEM: {error:?}")))?;
        let added = roots.add(certificate);
        added.map_err(|error| wrong(format!("it holds no certificate: {error}")))?;
        count = count.saturating_add(1);
    }
    if count == 0 {
        return Err(wrong("it holds no certificate in PEM form".to_owned()));
    }
    Ok(())
}
