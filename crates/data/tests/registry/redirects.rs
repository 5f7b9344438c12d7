//! Where a registry sends us on to, and that logins stay behind.

use crate::{
    evil::{Asked, Evil, status, with},
    place::{PASSWORD, all, bytes, open, repository, settings, with_login},
};
use axum::{
    http::{Method, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use trustmesh_data::artifacts::oci::{OciError, Pushed, Registry, RegistryConfig, Upload};
use trustmesh_types::Digest;

fn logged_in(host: &str) -> (tempfile::TempDir, Registry) {
    let folder = tempfile::tempdir().unwrap();
    let config = with_login(settings(host), folder.path(), PASSWORD);
    (folder, Registry::new(&config).unwrap())
}

/// Wants a password before it answers.
fn guarded(asked: &Asked, answer: impl Fn() -> Response) -> Response {
    match asked.headers.get(header::AUTHORIZATION) {
        Some(login) if login.to_str().unwrap().starts_with("Basic ") => answer(),
        _ => with(status(401), "www-authenticate", "Basic realm=test"),
    }
}

#[tokio::test]
async fn a_login_stays_behind_when_a_blob_is_elsewhere() {
    let blob = bytes(1_000);
    let kept = blob.clone();
    let storage = Evil::start(move |_, _| kept.clone().into_response()).await;
    let to = format!("http://user:pass@{}/blob?signed=1", storage.host);
    let evil = Evil::start(move |asked, _| guarded(asked, || with(status(307), "location", &to)));
    let evil = evil.await;
    let (_folder, registry) = logged_in(&evil.host);
    let got = all(registry.blob(&repository("a"), Digest::of(&blob), 100..200).await).await;
    assert_eq!(got.unwrap(), blob[100..200]);
    let asked = storage.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].path, "/blob?signed=1");
    assert!(!asked[0].headers.contains_key(header::AUTHORIZATION), "{asked:?}");
    assert_eq!(asked[0].headers[header::RANGE], "bytes=100-199");
}

#[tokio::test]
async fn storage_that_wants_a_login_gets_none() {
    let storage =
        Evil::start(|_, _| with(status(401), "www-authenticate", "Basic realm=test")).await;
    let to = format!("http://{}/blob", storage.host);
    let evil = Evil::start(move |asked, _| guarded(asked, || with(status(302), "location", &to)));
    let evil = evil.await;
    let (_folder, registry) = logged_in(&evil.host);
    let error = all(registry.blob(&repository("a"), Digest::of(b"x"), 0..9).await).await;
    let error = error.unwrap_err();
    assert!(matches!(error, OciError::Refused { status: 401, .. }), "{error}");
    assert!(error.to_string().contains("at another address"), "{error}");
    assert!(storage.asked().iter().all(|it| !it.headers.contains_key(header::AUTHORIZATION)));
}

#[tokio::test]
async fn circles_end() {
    let evil = Evil::start(|asked, _| with(status(302), "location", &asked.path)).await;
    let error = open(&evil.host).manifest(&repository("a"), Digest::of(b"x")).await.unwrap_err();
    assert!(error.to_string().contains("more than 5 times"), "{error}");
    assert_eq!(evil.asked().len(), 6);
    for to in ["file:///etc/passwd", "ftp://127.0.0.1/", "http://[::"] {
        let evil = Evil::start(move |_, _| with(status(302), "location", to)).await;
        let error = open(&evil.host).manifest(&repository("a"), Digest::of(b"x")).await;
        assert!(matches!(error, Err(OciError::Malformed { .. })), "{to}: {error:?}");
    }
}

#[tokio::test]
async fn uploads_elsewhere_go_without_a_login() {
    let storage = Evil::start(|_, _| status(201)).await;
    let to = format!("http://{}/upload?state=1", storage.host);
    let evil = Evil::start(move |asked, _| {
        guarded(asked, || match asked.method {
            Method::HEAD => status(404),
            _ => with(status(202), "location", &to),
        })
    });
    let evil = evil.await;
    let (_folder, registry) = logged_in(&evil.host);
    let blob = Bytes::from_static(b"a blob");
    let digest = Digest::of(&blob);
    let pushed = registry.push_blob(&repository("a"), digest, Upload::Bytes(blob)).await;
    assert_eq!(pushed.unwrap(), Pushed::Sent);
    let asked = storage.asked();
    assert_eq!(asked[0].method, Method::PUT);
    assert_eq!(asked[0].path, format!("/upload?state=1&digest=sha256%3A{digest}"));
    assert!(!asked[0].headers.contains_key(header::AUTHORIZATION));
}

#[tokio::test]
async fn uploads_to_nowhere_are_refused() {
    for to in [None, Some("http://[::"), Some("gopher://127.0.0.1/")] {
        let evil = Evil::start(move |asked, _| match (&asked.method, to) {
            (&Method::HEAD, _) => status(404),
            (_, Some(to)) => with(status(202), "location", to),
            (_, None) => status(202),
        });
        let registry = open(&evil.await.host);
        let blob = Upload::Bytes(Bytes::from_static(b"x"));
        let error = registry.push_blob(&repository("a"), Digest::of(b"x"), blob).await;
        assert!(matches!(error, Err(OciError::Malformed { .. })), "{to:?}: {error:?}");
    }
    // A manifest that is taken as another one.
    let evil = Evil::start(|_, _| with(status(201), "docker-content-digest", "sha256:0")).await;
    let registry = open(&evil.host);
    let error = registry.push_manifest(&repository("a"), "a/b", Bytes::new(), None).await;
    assert!(matches!(error, Err(OciError::Malformed { .. })), "{error:?}");
}

#[tokio::test]
async fn what_a_registry_says_of_a_login_is_not_repeated() {
    // It sends back what it was sent, wherever that may end up in an error.
    let evil = Evil::start(|asked, _| {
        let login = asked.headers.get(header::AUTHORIZATION).map(|it| it.to_str().unwrap());
        let Some(login) = login else {
            return with(status(401), "www-authenticate", "Basic realm=test");
        };
        let body = format!(
            r#"{{"errors":[{{"code":"{login}","message":"{login}"}},{{"code":"DENIED"}}]}}"#
        );
        let answer = (axum::http::StatusCode::IM_A_TEAPOT, body).into_response();
        with(with(answer, "content-type", login), "docker-content-digest", login)
    });
    let evil = evil.await;
    let (_folder, registry) = logged_in(&evil.host);
    let error = registry.manifest(&repository("a"), Digest::of(b"x")).await.unwrap_err();
    let expected = format!("registry {} answers 418 (DENIED) when asked for manifest", evil.host);
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[tokio::test]
async fn nothing_goes_in_the_clear_to_another_machine_unasked() {
    let mut config = RegistryConfig::new("registry.example:5000");
    config.plain_http = true;
    let error = Registry::new(&config).unwrap_err().to_string();
    assert!(error.contains("in the clear") && error.contains("plain_http_host"), "{error}");
    config.plain_http_host = Some("other.example:5000".to_owned());
    assert!(Registry::new(&config).is_err());
    config.plain_http_host = Some("Registry.example:5000".to_owned());
    assert!(Registry::new(&config).is_ok());
    for host in ["localhost:1", "127.0.0.1:1", "127.9.9.9", "[::1]:1"] {
        assert!(Registry::new(&settings(host)).is_ok(), "{host}");
    }
    for host in ["127.0.0.1.example", "localhost.example:1", "10.0.0.1:1", "[::2]"] {
        assert!(Registry::new(&settings(host)).is_err(), "{host}");
    }
}
