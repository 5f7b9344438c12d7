//! What every request passes: its address' rate, its time, its problem document, its count.

use super::{
    app::{Http, Shared},
    refusal::{self, Refusal},
};
use axum::{
    extract::{MatchedPath, Query, Request, State},
    http::Uri,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use std::{
    net::IpAddr,
    time::{Duration, Instant},
};
use trustmesh_api::{ErrorCode, WaitQuery, paths};

/// The network address that a connection comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

pub(super) async fn every_request(
    State(http): State<Shared>,
    request: Request,
    next: Next,
) -> Response {
    let start = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let response = answer(&http, request, next).await;
    let response = match response.extensions().get::<Refusal>() {
        Some(refusal) => refusal::write(refusal, &path),
        None => response,
    };
    let (status, took) = (response.status().as_u16(), start.elapsed());
    http.answers.count(status, took);
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    tracing::debug!(%method, path, status, took_us, "answered");
    response
}

async fn answer(http: &Http, request: Request, next: Next) -> Response {
    if let Some(Peer(address)) = request.extensions().get::<Peer>()
        && let Err(refusal) = http.rates.address(*address)
    {
        return refusal.into_response();
    }
    let matched = request.extensions().get::<MatchedPath>();
    if matched.is_some_and(|path| path.as_str() == paths::EVENTS) {
        // The head of a stream comes at once; its end is the watcher's.
        return next.run(request).await;
    }
    let limit = Duration::from_millis(http.app.limits.request_timeout_ms) + waited(request.uri());
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("not done within {} ms; it may be done yet", limit.as_millis());
            Refusal::new(ErrorCode::Timeout, detail).into_response()
        }
    }
}

/// How long a long poll asks to wait: that comes on top.
fn waited(uri: &Uri) -> Duration {
    let query = Query::<WaitQuery>::try_from_uri(uri).ok();
    query.and_then(|Query(query)| query.duration().ok()).unwrap_or_default()
}
