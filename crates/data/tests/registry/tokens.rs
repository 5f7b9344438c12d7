//! A token server (Docker's token authentication specification) that a registry trusts, whose
//! tokens are JWTs by ES256 with the certificate in them (RFC 7515, `x5c`).

use crate::place::{PASSWORD, USER, pem};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    routing::get,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD},
};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::json;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

const SERVICE: &str = "test registry";
const ISSUER: &str = "test tokens";

/// A token server, and the scopes that it was asked for.
#[derive(Clone)]
pub struct Tokens {
    address: SocketAddr,
    certificate: Vec<u8>,
    key: Arc<EcdsaKeyPair>,
    /// Whoever comes without a login, and with it.
    asked: Arc<Mutex<Vec<(bool, String)>>>,
}

impl Tokens {
    /// Starts one. A user may pull and push, anybody may pull what is under `public/`.
    pub async fn start() -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&pair).unwrap();
        let der = pair.serialize_der();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tokens = Self {
            address: listener.local_addr().unwrap(),
            certificate: certificate.der().to_vec(),
            key: Arc::new(key),
            asked: Arc::default(),
        };
        let router = Router::new().route("/token", get(token)).with_state(tokens.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        tokens
    }

    /// What a registry's settings say of it; `certificates` is where to write its certificate.
    pub fn settings(&self, certificates: &std::path::Path) -> String {
        std::fs::write(certificates, pem("CERTIFICATE", &self.certificate)).unwrap();
        format!(
            "auth:\n  token: {{realm: 'http://{}/token', service: '{SERVICE}', issuer: \
             '{ISSUER}', rootcertbundle: {}}}\n",
            self.address,
            certificates.display()
        )
    }

    /// Scopes that were asked for, and whether with a login.
    pub fn asked(&self) -> Vec<(bool, String)> {
        self.asked.lock().unwrap().clone()
    }

    fn sign(&self, repository: &str, actions: &[&str]) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let header =
            json!({"typ": "JWT", "alg": "ES256", "x5c": [BASE64.encode(&self.certificate)]});
        let claims = json!({
            "iss": ISSUER, "aud": SERVICE, "sub": USER, "jti": "1",
            "iat": now, "nbf": now - 60, "exp": now + 300,
            "access": [{"type": "repository", "name": repository, "actions": actions}],
        });
        let part = |it: &serde_json::Value| URL_SAFE_NO_PAD.encode(it.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

async fn token(
    State(tokens): State<Tokens>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Result<Json<serde_json::Value>, StatusCode> {
    assert_eq!(query["service"], SERVICE);
    let scope = query["scope"].clone();
    let login = headers.get("authorization").map(|it| it.to_str().unwrap().to_owned());
    tokens.asked.lock().unwrap().push((login.is_some(), scope.clone()));
    let expected = format!("Basic {}", BASE64.encode(format!("{USER}:{PASSWORD}")));
    if login.as_ref().is_some_and(|it| *it != expected) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let parts: Vec<&str> = scope.split(':').collect();
    let (repository, wanted) = (parts[1], parts[2]);
    let may = |action: &&str| match *action {
        "pull" => login.is_some() || repository.starts_with("public/"),
        "push" => login.is_some() && !repository.starts_with("locked/"),
        _ => false,
    };
    let actions: Vec<&str> = wanted.split(',').filter(may).collect();
    Ok(Json(json!({"token": tokens.sign(repository, &actions), "expires_in": 300})))
}
