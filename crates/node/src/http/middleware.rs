//! What every request passes: its address' allowance and share of the room for bodies, its
//! time, its problem document, its count; and the delay of a refusal, when there were many.

use super::{
    app::{Http, Shared},
    limits::Wasted,
    refusal::{self, Refusal},
    shares::Share,
};
use crate::clock;
use axum::{
    body::HttpBody as _,
    extract::{MatchedPath, Query, Request, State},
    http::Uri,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use std::{
    net::IpAddr,
    time::{Duration, Instant},
};
use trustmesh_api::{ErrorCode, WaitQuery, limits::JSON_BODY_BYTES_MAX, paths};
use trustmesh_types::reject::RejectCode;

/// What a node answers while it catches up: how it is, and what anybody may know beforehand.
const ALWAYS: [&str; 5] =
    [paths::HEALTHZ, paths::READYZ, paths::METRICS, paths::LEDGER_STATUS, paths::GENESIS];

/// For f+1 validators to hold an artifact of the largest size; the agent has a bound by size.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(2_400);

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
    let peer = request.extensions().get::<Peer>().copied();
    let response = answer(&http, request, next).await;
    let wasted = wasted(&response);
    let response = match response.extensions().get::<Refusal>() {
        Some(refusal) => refusal::write(refusal, &path),
        None => response,
    };
    let (status, took) = (response.status().as_u16(), start.elapsed());
    http.answers.count(status, took);
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    tracing::debug!(%method, path, status, took_us, "answered");
    if let Some(Peer(address)) = peer {
        let bytes = response.body().size_hint().exact().unwrap_or(0);
        http.rates.answered(address, bytes, wasted, clock::now_ms());
        if blames_client(status) {
            hold_back(&http, address).await;
        }
    }
    response
}

/// Counts a refusal, and holds it back when there were many.
async fn hold_back(http: &Http, address: IpAddr) {
    let delay = http.rates.refused(address, clock::now_ms());
    tokio::select! {
        () = tokio::time::sleep(delay) => {}
        () = http.app.stop.requested() => {}
    }
}

/// Refusals that an honest client gets seldom: it asked too often, or for what makes no sense.
const fn blames_client(status: u16) -> bool {
    matches!(status, 400 | 401 | 403 | 405 | 413 | 415 | 422 | 429)
}

fn wasted(response: &Response) -> Wasted {
    let forged = response.extensions().get::<Refusal>().is_some_and(|refusal| {
        matches!(
            refusal.0.code,
            ErrorCode::Unauthorized | ErrorCode::Rejected(RejectCode::BadSignature)
        )
    });
    let inside = response.extensions().get::<Wasted>().copied().unwrap_or_default();
    Wasted { forged: inside.forged.saturating_add(forged.into()), ..inside }
}

async fn answer(http: &Http, request: Request, next: Next) -> Response {
    let _room = match admit(http, &request) {
        Ok(room) => room,
        Err(refusal) => return refusal.into_response(),
    };
    let matched = request.extensions().get::<MatchedPath>();
    if matched.is_some_and(|path| !ALWAYS.contains(&path.as_str()))
        && let Err(refusal) = http.serves()
    {
        return refusal.into_response();
    }
    if matched.is_some_and(|path| path.as_str() == paths::EVENTS) {
        // The head of a stream comes at once; its end is the watcher's.
        return next.run(request).await;
    }
    let publishes = matched.is_some_and(|path| path.as_str() == paths::ARTIFACT_RECEIPTS);
    let more = if publishes { PUBLISH_TIMEOUT } else { waited(request.uri()) };
    let limit = Duration::from_millis(http.app.limits.request_timeout_ms) + more;
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("not done within {} ms; it may be done yet", limit.as_millis());
            Refusal::new(ErrorCode::Timeout, detail).into_response()
        }
    }
}

/// Takes a request from its address' allowance, and room for its body from the address' share.
/// An artifact is bounded by who may publish instead.
fn admit(http: &Http, request: &Request) -> Result<Option<Share<IpAddr>>, Refusal> {
    let Some(Peer(address)) = request.extensions().get::<Peer>().copied() else { return Ok(None) };
    let matched = request.extensions().get::<MatchedPath>();
    let artifact = matched.is_some_and(|path| path.as_str() == paths::ARTIFACT_CHUNKS);
    // A body of unknown length may become as long as allowed.
    let announced = request.body().size_hint().exact().unwrap_or(JSON_BODY_BYTES_MAX as u64);
    let bytes = if artifact { 0 } else { announced };
    http.rates.address(address, bytes, clock::now_ms())?;
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    if bytes == 0 { Ok(None) } else { http.address_body(address, bytes).map(Some) }
}

/// How long a long poll asks to wait: that comes on top.
fn waited(uri: &Uri) -> Duration {
    let query = Query::<WaitQuery>::try_from_uri(uri).ok();
    query.and_then(|Query(query)| query.duration().ok()).unwrap_or_default()
}
