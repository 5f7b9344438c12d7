//! Registries that lie, stall and never end: each costs a named error, within bounds.

use crate::place::{IMAGE, all, bytes, open, reference, repository, settings};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use trustmesh_data::artifacts::oci::{OciError, Registry};
use trustmesh_types::Digest;

/// What a server was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
}

/// A server on this machine, and what it was asked.
#[derive(Clone)]
pub struct Evil {
    pub host: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Evil {
    /// Answers as it is told to: by what is asked, and how much was asked before.
    pub async fn start(
        answer: impl Fn(&Asked, usize) -> Response + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let evil = Self { host, asked: Arc::clone(&asked) };
        let router = Router::new().fallback(move |request: Request| {
            let now = Asked {
                method: request.method().clone(),
                path: request.uri().to_string(),
                headers: request.headers().clone(),
            };
            let before = {
                let mut asked = asked.lock().unwrap();
                asked.push(now.clone());
                asked.len() - 1
            };
            let answer = answer.clone();
            async move {
                // What is sent is taken before it is answered.
                let _ = axum::body::to_bytes(request.into_body(), 1 << 24).await;
                answer(&now, before)
            }
        });
        tokio::spawn(async { axum::serve(listener, router).await });
        evil
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

pub fn status(code: u16) -> Response {
    StatusCode::from_u16(code).unwrap().into_response()
}

pub fn with(mut response: Response, name: &'static str, value: &str) -> Response {
    response.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
    response
}

fn manifest(body: impl Into<Body>) -> Response {
    with(body.into().into_response(), "content-type", IMAGE)
}

/// Bytes without end.
fn endless() -> Body {
    let piece = Bytes::from(vec![7; 64 * 1024]);
    Body::from_stream(stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone())))
}

/// A few bytes, and then nothing for ever.
fn stalling(first: Vec<u8>) -> Body {
    let first = stream::once(async { Ok::<_, std::io::Error>(Bytes::from(first)) });
    Body::from_stream(first.chain(stream::pending()))
}

/// So many bytes and no more, whatever is announced; what there is is sent before it ends.
pub fn broken(bytes: Bytes) -> Body {
    let parts = stream::unfold(Some(bytes), |left| async {
        let Some(bytes) = left else {
            tokio::task::yield_now().await;
            return None;
        };
        Some((Ok::<_, std::io::Error>(bytes), None))
    });
    Body::from_stream(parts)
}

/// A byte now and then.
fn dripping(every: Duration) -> Body {
    let drip = stream::unfold((), move |()| async move {
        tokio::time::sleep(every).await;
        Some((Ok::<_, std::io::Error>(Bytes::from_static(b"x")), ()))
    });
    Body::from_stream(drip)
}

/// A registry whose patience is short.
fn hasty(host: &str) -> Registry {
    let mut config = settings(host);
    (config.answer_timeout_ms, config.idle_timeout_ms) = (400, 200);
    config.rate_min_bytes_per_s = 1_000_000;
    Registry::new(&config).unwrap()
}

#[tokio::test]
async fn another_image_is_caught() {
    let evil = Evil::start(|_, _| manifest(r#"{"schemaVersion":2}"#)).await;
    let (registry, wanted) = (open(&evil.host), Digest::of(b"the real one"));
    let got = Digest::of(br#"{"schemaVersion":2}"#);
    let named = |it: &OciError| matches!(it, OciError::WrongDigest { got: it, .. } if *it == got);
    let error = registry.manifest(&repository("a"), wanted).await.unwrap_err();
    assert!(named(&error), "{error}");
    let pinned = reference(&registry, &format!("a@sha256:{wanted}"));
    let error = registry.resolve(&pinned).await.unwrap_err();
    assert!(named(&error), "{error}");
    // A tag is what the registry says it is, and its digest is that of the bytes.
    assert_eq!(registry.resolve(&reference(&registry, "a:1")).await.unwrap().digest, got);
}

#[tokio::test]
async fn another_blob_is_caught_before_its_end_is_given_out() {
    let evil = Evil::start(|_, _| vec![1; 300_000].into_response()).await;
    let registry = open(&evil.host);
    let pieces = registry.whole_blob(&repository("a"), Digest::of(b"x"), 300_000).await.unwrap();
    let came: Vec<Result<Bytes, OciError>> = pieces.collect().await;
    let given: usize = came.iter().flatten().map(Bytes::len).sum();
    assert!(given < 300_000);
    assert!(matches!(came.last(), Some(Err(OciError::WrongDigest { .. }))));
}

#[tokio::test]
async fn manifests_without_end_are_not_read() {
    for announced in [false, true] {
        let evil = Evil::start(move |_, _| {
            let answer = manifest(endless());
            if announced { with(answer, "content-length", "99999999999") } else { answer }
        });
        let evil = evil.await;
        let began = Instant::now();
        let error = open(&evil.host).manifest(&repository("a"), Digest::of(b"x")).await;
        assert!(matches!(error, Err(OciError::TooLarge { bytes_max: 4_194_304, .. })));
        assert!(began.elapsed() < Duration::from_secs(20));
    }
}

#[tokio::test]
async fn refusals_and_tokens_without_end_are_not_read() {
    let evil = Evil::start(|_, _| (StatusCode::BAD_REQUEST, endless()).into_response()).await;
    let error = open(&evil.host).manifest(&repository("a"), Digest::of(b"x")).await;
    assert!(matches!(error, Err(OciError::Refused { status: 400, .. })), "{error:?}");
    let evil = challenging(|_| endless().into_response()).await;
    let error = open(&evil.host).manifest(&repository("a"), Digest::of(b"x")).await;
    assert!(matches!(error, Err(OciError::TooLarge { bytes_max: 65_536, .. })), "{error:?}");
}

/// A registry that is its own token server, which answers as it is told to.
async fn challenging(token: impl Fn(&Asked) -> Response + Clone + Send + Sync + 'static) -> Evil {
    Evil::start(move |asked, _| {
        if asked.path.starts_with("/token") {
            return token(asked);
        }
        let own = asked.headers[header::HOST].to_str().unwrap();
        // A scope that nobody asked for.
        let wanted =
            format!(r#"Bearer realm="http://{own}/token",scope="repository:victim:pull,push""#);
        with(status(401), "www-authenticate", &wanted)
    })
    .await
}

#[tokio::test]
async fn tokens_that_are_none_are_refused() {
    let answers = [
        "",
        "[]",
        "{}",
        r#"{"token": 7}"#,
        r#"{"token": "a\nX-Evil: 1"}"#,
        r#"{"token": "ä"}"#,
        r#"{"token": "t", "expires_in": -1}"#,
    ];
    for body in answers {
        let evil = challenging(move |_| body.into_response()).await;
        let error = open(&evil.host).manifest(&repository("a"), Digest::of(b"x")).await;
        assert!(matches!(error, Err(OciError::Malformed { .. })), "{body}: {error:?}");
    }
    // A good one that is not enough, whatever is said of its life: asked for what we want only.
    let evil =
        challenging(|_| r#"{"token":"t","expires_in":18446744073709551615}"#.into_response()).await;
    let error = open(&evil.host).manifest(&repository("a"), Digest::of(b"x")).await;
    assert!(matches!(error, Err(OciError::Unauthorized { .. })), "{error:?}");
    let asked = evil.asked();
    assert_eq!(asked[1].path, "/token?scope=repository%3Aa%3Apull");
    assert_eq!(asked.len(), 3, "{asked:?}");
}

#[tokio::test]
async fn token_servers_elsewhere_in_the_clear_get_no_login() {
    for realm in ["http://192.0.2.1/token", "ftp://127.0.0.1/token", "nowhere", ""] {
        let wanted = format!("Bearer realm=\"{realm}\"");
        let evil = Evil::start(move |_, _| with(status(401), "www-authenticate", &wanted)).await;
        let error = open(&evil.host).manifest(&repository("a"), Digest::of(b"x")).await;
        assert!(matches!(error, Err(OciError::Malformed { .. })), "{realm}: {error:?}");
    }
}

#[tokio::test]
async fn ranges_end_where_they_should() {
    let blob = bytes(1_000_000);
    let whole = blob.clone();
    // Ignores ranges.
    let deaf = Evil::start(move |_, _| whole.clone().into_response()).await;
    let (registry, repo) = (open(&deaf.host), repository("a"));
    let got = all(registry.blob(&repo, Digest::of(b"x"), 700_000..700_009).await).await.unwrap();
    assert_eq!(got, blob[700_000..700_009]);
    // Sends without end.
    let evil = Evil::start(|_, _| endless().into_response()).await;
    let got = all(open(&evil.host).blob(&repo, Digest::of(b"x"), 10..200_000).await).await;
    assert_eq!(got.unwrap().len(), 199_990);
    // Sends another part, or too much of it.
    for range in ["bytes 0-9/100", "bytes 10-99/100", "bytes 10-5/100", "bytes", "pages 10-19/100"]
    {
        let evil = Evil::start(move |_, _| {
            let answer = (StatusCode::PARTIAL_CONTENT, vec![1; 90]).into_response();
            with(answer, "content-range", range)
        });
        let got = all(open(&evil.await.host).blob(&repo, Digest::of(b"x"), 10..20).await).await;
        assert!(matches!(got, Err(OciError::Malformed { .. })), "{range}: {got:?}");
    }
    // Has less than it should.
    let evil = Evil::start(|_, _| vec![1; 90].into_response()).await;
    let got = all(open(&evil.host).blob(&repo, Digest::of(b"x"), 0..100).await).await;
    assert!(matches!(got, Err(OciError::Short { expected: 100, got: 90, .. })), "{got:?}");
}

#[tokio::test]
async fn a_wrong_length_ends_after_a_few_tries() {
    let evil = Evil::start(|_, _| {
        with(broken(Bytes::from(vec![1; 10])).into_response(), "content-length", "100")
    });
    let evil = evil.await;
    let pieces = open(&evil.host).blob(&repository("a"), Digest::of(b"x"), 0..100).await.unwrap();
    let came: Result<Vec<Bytes>, OciError> = pieces.try_collect().await;
    let error = came.unwrap_err();
    assert!(matches!(error, OciError::Unreachable { .. } | OciError::Short { .. }), "{error}");
    assert_eq!(evil.asked().len(), 4);
}

#[tokio::test]
async fn silence_and_drips_end_in_time() {
    let slow = |error: Result<Vec<u8>, OciError>, began: Instant| {
        assert!(matches!(error, Err(OciError::Slow { .. })), "{error:?}");
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    };
    let answers: [fn() -> Body; 2] =
        [|| stalling(vec![1; 5]), || dripping(Duration::from_millis(20))];
    for body in answers {
        let evil = Evil::start(move |_, _| manifest(body())).await;
        let (registry, repo, digest) = (hasty(&evil.host), repository("a"), Digest::of(b"x"));
        let began = Instant::now();
        slow(registry.manifest(&repo, digest).await.map(Vec::from), began);
        let began = Instant::now();
        slow(all(registry.blob(&repo, digest, 0..1_000).await).await, began);
    }
    // Listens, and never answers.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let registry = hasty(&listener.local_addr().unwrap().to_string());
    let began = Instant::now();
    slow(registry.manifest(&repository("a"), Digest::of(b"x")).await.map(Vec::from), began);
}

#[tokio::test]
async fn manifests_of_two_minds_are_refused() {
    let index = "application/vnd.oci.image.index.v1+json";
    let cases = [
        (IMAGE, format!(r#"{{"mediaType":"{index}"}}"#)),
        ("text/html", "<html>".to_owned()),
        ("text/html", r#"{"mediaType":"text/html"}"#.to_owned()),
        (IMAGE, r#"{"mediaType":"text/html"}"#.to_owned()),
    ];
    for (said, body) in cases {
        let shown = body.clone();
        let evil =
            Evil::start(move |_, _| with(body.clone().into_response(), "content-type", said)).await;
        let registry = open(&evil.host);
        let error = registry.resolve(&reference(&registry, "a")).await;
        assert!(matches!(error, Err(OciError::Malformed { .. })), "{said} {shown}: {error:?}");
        assert!(evil.asked()[0].path.ends_with("/a/manifests/latest"));
    }
}
