//! Results: pulled by their device, by long poll.

use super::{
    app::{Http, Shared},
    extract::{Asked, Segment},
    identity,
    refusal::Refusal,
    requests,
};
use crate::{clock, history::Ended};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, Method, Uri},
};
use std::time::Duration;
use tokio::time::Instant;
use trustmesh_api::{ErrorCode, Problem, SealedResult, WaitQuery};
use trustmesh_types::{PublicKey, RequestId, records::Status};

/// A result that a holder is about to seal is looked for this often at the latest.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// New blocks are looked into this often at most: hundreds of devices may wait, and a result
/// that arrives here wakes them anyway.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn result(
    State(http): State<Shared>,
    segment: Segment,
    Asked(query): Asked<WaitQuery>,
    (method, uri, headers): (Method, Uri, HeaderMap),
) -> Result<Json<SealedResult>, Refusal> {
    let id: RequestId = segment.read("the request's id")?;
    let wait = query.duration().map_err(|e| Refusal::parameter("`wait`", e))?;
    let claimed = identity::claimed(&headers)?;
    let device = identity::signer(&http, &claimed, &method, &uri, &[])?;
    let _place = if wait.is_zero() { None } else { Some(http.poll()?) };
    let until = Instant::now() + wait;
    let mut height = http.app.consensus.height();
    loop {
        // Before the look, so that no block gets lost between it and the wait.
        height.mark_unchanged();
        let pause_until = Instant::now() + LOOK_PAUSE;
        match look(&http, &id, &device)? {
            Look::Held(sealed) => return Ok(Json(sealed)),
            Look::Pending(_) if http.app.stop.is_requested() => return Err(Refusal::stopping()),
            Look::Pending(refusal) if Instant::now() >= until => return Err(refusal),
            Look::Pending(_) => {}
        }
        let left = until.saturating_duration_since(Instant::now()).min(LOOK_AGAIN);
        tokio::select! {
            () = http.app.mailbox.wait(&id, left) => {}
            () = async {
                let _ = height.changed().await;
                tokio::time::sleep_until(pause_until).await;
            } => {}
            () = http.app.stop.requested() => {}
        }
    }
}

/// What a look at a request's result finds.
enum Look {
    Held(SealedResult),
    /// Not yet; and how to say so.
    Pending(Refusal),
}

fn look(http: &Http, id: &RequestId, device: &PublicKey) -> Result<Look, Refusal> {
    let found =
        requests::find(http, id)?.ok_or_else(|| Refusal::missing(format!("request {id}")))?;
    if found.record.body.device != *device {
        let detail = format!("request {id} is not of device {}", device.short());
        return Err(Refusal::new(ErrorCode::Forbidden, detail));
    }
    if let Some(sealed) = http.app.mailbox.get(id)? {
        return Ok(Look::Held(sealed));
    }
    let pending = |why: String| Look::Pending(Refusal::new(ErrorCode::ResultPending, why));
    match found.record.status {
        Status::Requested | Status::Active => Ok(pending(format!("request {id} is not done yet"))),
        Status::Failed | Status::Cancelled => {
            let reason = found.record.reason.unwrap_or_else(|| "it was cancelled".to_owned());
            Err(Refusal::new(ErrorCode::NoResult, reason))
        }
        Status::Finalized => finalized(http, id, found)
            .map(|()| pending(format!("request {id} is done; this node is sealing its result"))),
    }
}

/// Whether this node, which has no result of a finalized request, will have it soon.
fn finalized(http: &Http, id: &RequestId, found: Ended) -> Result<(), Refusal> {
    let retention_ms = http.app.consensus.state().parameters().request_retention_ms;
    let record = &found.record;
    let held_until_ms = record.ended_ms.saturating_add(retention_ms).max(record.body.deadline_ms);
    if clock::now_ms() >= held_until_ms {
        let detail =
            format!("the result of request {id} was held as long as promised, and is gone");
        return Err(Refusal::new(ErrorCode::ResultExpired, detail));
    }
    let holders = requests::view(http, found)?.result_holders;
    if holders.contains(&http.app.node) {
        return Ok(());
    }
    let detail = format!("this node does not hold the result of request {id}: ask the holders");
    Err(Problem::not_a_holder(detail, &holders).into())
}
