//! Registries that answer later, break off, or are asked too much.

use crate::{
    evil::{Evil, broken, status, with},
    place::{all, bytes, open, repository, settings},
};
use axum::{
    body::Body,
    http::{Method, StatusCode, header},
    response::IntoResponse as _,
};
use bytes::Bytes;
use futures::{future::join_all, stream};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use trustmesh_data::artifacts::oci::{OciError, Pushed, Registry, Upload};
use trustmesh_types::Digest;

#[tokio::test]
async fn later_means_later() {
    for code in [429, 500, 502, 503, 504] {
        let evil =
            Evil::start(move |_, before| if before < 3 { status(code) } else { status(404) });
        let evil = evil.await;
        let registry = open(&evil.host);
        assert!(!registry.has_blob(&repository("a"), Digest::of(b"x")).await.unwrap(), "{code}");
        assert_eq!(evil.asked().len(), 4);
    }
    let evil = Evil::start(|_, _| status(503)).await;
    let error = open(&evil.host).has_blob(&repository("a"), Digest::of(b"x")).await;
    assert!(matches!(error, Err(OciError::Refused { status: 503, .. })), "{error:?}");
    assert_eq!(evil.asked().len(), 4);
    // Never is not later.
    for code in [400, 405, 418, 501] {
        let evil = Evil::start(move |_, _| status(code)).await;
        let error = open(&evil.host).has_blob(&repository("a"), Digest::of(b"x")).await;
        assert!(matches!(error, Err(OciError::Refused { .. })), "{error:?}");
        assert_eq!(evil.asked().len(), 1, "{code}");
    }
    let evil = Evil::start(|_, _| status(403)).await;
    let error = open(&evil.host).has_blob(&repository("a"), Digest::of(b"x")).await.unwrap_err();
    assert!(error.to_string().contains("ask its operator"), "{error}");
}

#[tokio::test]
async fn the_time_that_a_registry_asks_for_is_given() {
    let evil = Evil::start(|_, before| match before {
        0 => with(status(429), "retry-after", "1"),
        1 => with(status(429), "retry-after", "Wed, 21 Oct 2065 07:28:00 GMT"),
        _ => status(200),
    });
    let evil = evil.await;
    let began = Instant::now();
    assert!(open(&evil.host).has_blob(&repository("a"), Digest::of(b"x")).await.unwrap());
    let took = began.elapsed();
    assert!((Duration::from_secs(1)..Duration::from_secs(10)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_range_goes_on_where_it_broke_off() {
    let blob = bytes(400_000);
    let kept = blob.clone();
    let evil = Evil::start(move |asked, _| {
        let range = asked.headers[header::RANGE].to_str().unwrap();
        let (from, to) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
        // At most 150,000 bytes of what it announces come.
        let piece = Bytes::copy_from_slice(&kept[from..(to + 1).min(from + 150_000)]);
        let answer = (StatusCode::PARTIAL_CONTENT, broken(piece)).into_response();
        let answer = with(answer, "content-length", &(to + 1 - from).to_string());
        with(answer, "content-range", &format!("bytes {from}-{to}/400000"))
    });
    let evil = evil.await;
    let pieces = open(&evil.host).whole_blob(&repository("a"), Digest::of(&blob), 400_000).await;
    assert!(all(pieces).await.unwrap() == blob);
    let ranges: Vec<_> = evil
        .asked()
        .iter()
        .map(|it| it.headers[header::RANGE].to_str().unwrap().to_owned())
        .collect();
    assert_eq!(ranges, ["bytes=0-399999", "bytes=150000-399999", "bytes=300000-399999"]);
}

#[tokio::test]
async fn an_upload_that_fails_is_begun_anew() {
    let puts = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&puts);
    let evil = Evil::start(move |asked, _| match asked.method {
        Method::HEAD => status(404),
        Method::POST => with(status(202), "location", "/v2/a/blobs/uploads/1"),
        _ if count.fetch_add(1, Ordering::Relaxed) < 2 => status(503),
        _ => status(201),
    });
    let evil = evil.await;
    let blob = Bytes::from(bytes(600_000));
    let (registry, digest) = (open(&evil.host), Digest::of(&blob));
    let pushed = registry.push_blob(&repository("a"), digest, Upload::Bytes(blob)).await;
    assert_eq!(pushed.unwrap(), Pushed::Sent);
    let methods: Vec<Method> = evil.asked().into_iter().map(|it| it.method).collect();
    let pair = [Method::POST, Method::PUT];
    assert_eq!(methods, [&[Method::HEAD], &pair[..], &pair[..], &pair[..]].concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_requests_at_a_time_and_no_more() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (busy, peak) = (Arc::clone(&now), Arc::clone(&most));
    // A body that counts itself for as long as it is there.
    let evil = Evil::start(move |_, _| {
        let at_once = busy.fetch_add(1, Ordering::SeqCst) + 1;
        peak.fetch_max(at_once, Ordering::SeqCst);
        let busy = Arc::clone(&busy);
        let body = stream::once(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            busy.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, std::io::Error>(Bytes::from_static(b"0123456789"))
        });
        Body::from_stream(body).into_response()
    });
    let evil = evil.await;
    let mut config = settings(&evil.host);
    config.requests_max = 3;
    let registry = Registry::new(&config).unwrap();
    let fetch =
        || async { all(registry.blob(&repository("a"), Digest::of(b"x"), 0..10).await).await };
    let came = join_all((0..40).map(|_| fetch())).await;
    assert!(came.iter().all(|it| it.as_ref().is_ok_and(|it| it.len() == 10)), "{came:?}");
    assert_eq!(most.load(Ordering::SeqCst), 3);

    // All places are taken by streams that nobody reads.
    config.answer_timeout_ms = 50;
    let registry = Registry::new(&config).unwrap();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(registry.blob(&repository("a"), Digest::of(b"x"), 0..10).await.unwrap());
    }
    let error = registry.has_blob(&repository("a"), Digest::of(b"x")).await;
    assert!(matches!(error, Err(OciError::Busy { requests_max: 3, .. })), "{error:?}");
    drop(held.pop());
    assert!(registry.has_blob(&repository("a"), Digest::of(b"x")).await.unwrap());
}
