//! Logging in at a real registry: basic, token, TLS.

use crate::{
    place::{
        MODULE, PASSWORD, certificates, open, reference, repository, secret, settings, with_login,
    },
    tokens::Tokens,
};
use bytes::Bytes;
use std::path::Path;
use trustmesh_data::artifacts::oci::{OciError, Registry, RegistryConfig, Tag};
use trustmesh_types::Digest;

/// `mesh` with `open sesame`, by bcrypt.
const HTPASSWD: &str = "mesh:$2y$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n";

fn basic(folder: &Path) -> String {
    let file = folder.join("htpasswd");
    std::fs::write(&file, HTPASSWD).unwrap();
    format!("auth:\n  htpasswd: {{realm: test, path: {}}}\n", file.display())
}

fn tag() -> Tag {
    "1".parse().unwrap()
}

async fn push(registry: &Registry, name: &str) -> Result<Digest, OciError> {
    registry.push_module(&repository(name), &tag(), Bytes::from_static(MODULE)).await
}

fn refused(outcome: Result<Digest, OciError>, parts: &[&str]) {
    let error = outcome.unwrap_err();
    assert!(matches!(error, OciError::Unauthorized { .. }), "{error}");
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
    assert!(!text.contains(PASSWORD) && !format!("{error:?}").contains(PASSWORD));
}

#[tokio::test]
async fn a_password_is_sent_when_it_is_wanted() {
    let test = "a_password_is_sent_when_it_is_wanted";
    let Some(process) = fixtures::Registry::start(test, |it| (String::new(), basic(it))) else {
        return;
    };
    let folder = process.folder.path();
    let named = process.host.clone();
    refused(push(&open(&process.host), "apps/a").await, &[&named, "apps/a", "username"]);
    let config = with_login(settings(&process.host), folder, "wrong");
    let registry = Registry::new(&config).unwrap();
    refused(push(&registry, "apps/a").await, &[&named, "apps/a", "user mesh"]);
    // The file is read again: the right password is taken without a restart.
    secret(folder, "password", PASSWORD);
    let digest = push(&registry, "apps/a").await.unwrap();
    assert!(registry.has_manifest(&repository("apps/a"), digest).await.unwrap());
    assert!(!format!("{registry:?}{config:?}").contains(PASSWORD));
}

#[tokio::test]
async fn tls_by_a_private_authority_and_a_password() {
    let test = "tls_by_a_private_authority_and_a_password";
    let place = tempfile::tempdir().unwrap();
    let made = certificates(place.path());
    let settings = |folder: &Path| {
        let (certificate, key) = (made.certificate.display(), made.key.display());
        let tls = format!("  tls: {{certificate: {certificate}, key: {key}}}\n");
        (tls, basic(folder))
    };
    let Some(process) = fixtures::Registry::start(test, settings) else { return };
    let folder = process.folder.path();
    let mut config = with_login(RegistryConfig::new(&process.host), folder, PASSWORD);
    config.retry_ms = 5;
    match Registry::new(&config) {
        Ok(registry) => {
            let unknown = push(&registry, "apps/a").await.unwrap_err().to_string();
            assert!(unknown.contains("ca_file"), "{unknown}");
        }
        // Where no authority at all is known.
        Err(error) => assert!(error.to_string().contains("ca_file"), "{error}"),
    }
    config.ca_file = Some(made.authority.clone());
    let registry = Registry::new(&config).unwrap();
    let digest = push(&registry, "apps/a").await.unwrap();
    let resolved = registry.resolve(&reference(&registry, "apps/a:1")).await.unwrap();
    assert_eq!(resolved.digest, digest);
    // TLS that isn't there, and TLS where none is expected.
    let mut plain = config.clone();
    plain.plain_http = true;
    let error = push(&Registry::new(&plain).unwrap(), "apps/a").await.unwrap_err().to_string();
    assert!(error.contains("400"), "{error}");
    config.ca_file = Some(folder.join("htpasswd"));
    let error = Registry::new(&config).unwrap_err().to_string();
    assert!(error.contains("holds no certificate"), "{error}");
}

async fn with_tokens(test: &str) -> Option<(fixtures::Registry, Tokens)> {
    let tokens = Tokens::start().await;
    let settings = |folder: &Path| (String::new(), tokens.settings(&folder.join("tokens.pem")));
    let process = fixtures::Registry::start(test, settings)?;
    Some((process, tokens))
}

#[tokio::test]
async fn tokens_are_asked_for_as_they_are_needed() {
    let test = "tokens_are_asked_for_as_they_are_needed";
    let Some((process, tokens)) = with_tokens(test).await else { return };
    let config = with_login(settings(&process.host), process.folder.path(), PASSWORD);
    let registry = Registry::new(&config).unwrap();
    let digest = push(&registry, "public/a").await.unwrap();
    assert!(registry.has_manifest(&repository("public/a"), digest).await.unwrap());
    let asked = |login, scope: &str| (login, scope.to_owned());
    let first =
        [asked(true, "repository:public/a:pull"), asked(true, "repository:public/a:pull,push")];
    assert_eq!(tokens.asked(), first, "one token for what is read and one for what is written");

    let anybody = open(&process.host);
    assert!(anybody.has_manifest(&repository("public/a"), digest).await.unwrap());
    assert_eq!(tokens.asked()[2..], [asked(false, "repository:public/a:pull")]);
    refused(push(&anybody, "public/a").await, &["username", "write"]);
    let hidden = anybody.manifest(&repository("private/a"), digest).await;
    refused(hidden.map(|_| digest), &["private/a", "username", "read"]);
}

#[tokio::test]
async fn tokens_that_are_not_enough_are_told() {
    let test = "tokens_that_are_not_enough_are_told";
    let Some((process, _tokens)) = with_tokens(test).await else { return };
    let folder = process.folder.path();
    let registry = Registry::new(&with_login(settings(&process.host), folder, PASSWORD)).unwrap();
    refused(push(&registry, "locked/a").await, &["locked/a", "user mesh", "write"]);
    let wrong = Registry::new(&with_login(settings(&process.host), folder, "wrong")).unwrap();
    refused(push(&wrong, "apps/a").await, &["user mesh", "password"]);
    // A token as it is, which this registry knows nothing of.
    let mut config = settings(&process.host);
    config.token_file = Some(secret(folder, "token", "a.b.c"));
    refused(push(&Registry::new(&config).unwrap(), "apps/a").await, &["the token in", "new one"]);
}
