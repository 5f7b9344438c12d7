//! Requests: submitting, listing, and one request with its history.
//!
//! A list has the open requests first, newest first, then the ended ones, those that ended
//! last first: the open ones are the state's, the ended ones the history's.

use super::{
    app::{Http, Shared},
    artifacts::refused,
    body,
    extract::{Asked, Segment},
    refusal::Refusal,
};
use crate::{
    clock,
    history::{Cursor, Ended, Filter},
};
use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use trustmesh_agent::Answer;
use trustmesh_api::{
    Accepted, ErrorCode, Page, RequestQuery, RequestSummary, RequestView, SubmitRequest, page,
    paths,
};
use trustmesh_types::{
    Digest, RequestId, canonical, limits,
    records::RequestRecord,
    reject::{RejectCode, Rejection},
};

/// Takes a device's request; 202 once it is on the ledger.
pub(super) async fn submit(
    State(http): State<Shared>,
    headers: HeaderMap,
    sent: Body,
) -> Result<Response, Refusal> {
    let (request, _body): (SubmitRequest, _) = body::json(&http, &headers, sent).await?;
    let device = request.body.device;
    // Before anything that costs; what the key names is proven by the check.
    http.rates.look_device(&device, clock::now_ms())?;
    let data = check(&http, &request)?;
    let _share = http.device(device)?;
    let id = request.body.id();
    tracing::debug!(request = %id, device = %device.short(), "request submitted");
    match http.app.control.submit(request.body, request.signature, data.into()).await {
        Answer::Accepted(request) => {
            let status_url = paths::request(&request);
            let location = [(header::LOCATION, status_url.clone())];
            let accepted = Json(Accepted { request, status_url });
            Ok((StatusCode::ACCEPTED, location, accepted).into_response())
        }
        answer => Err(refused(answer)),
    }
}

/// Checks what can be checked without the ledger, cheap things first; gives the input's
/// canonical bytes.
fn check(http: &Http, request: &SubmitRequest) -> Result<Vec<u8>, Refusal> {
    let body = &request.body;
    if body.network != http.app.network {
        let (got, here) = (body.network, http.app.network);
        return Err(Refusal::new(
            ErrorCode::Invalid,
            format!("the request is for network {got}, this is {here}: use its genesis"),
        ));
    }
    if body.verify(&request.signature).is_err() {
        let reason = "the signature is not the device's over the body: sign the body as it is sent";
        return Err(rejected(RejectCode::BadSignature, reason));
    }
    let data = canonical::to_canonical(&request.data)
        .map_err(|e| Refusal::new(ErrorCode::Invalid, format!("data: {e}")))?;
    let (bytes, bytes_max) = (data.len() as u64, limits::INPUT_BYTES_MAX);
    if bytes > bytes_max {
        return Err(Refusal::new(
            ErrorCode::TooLarge,
            format!("data has {bytes} bytes in canonical form, at most {bytes_max} are allowed"),
        ));
    }
    let digest = Digest::of(&data);
    if digest != body.input || bytes != body.input_bytes {
        let reason = format!(
            "data has digest {digest} and {bytes} bytes in canonical form (RFC 8785), the body says {} and {}",
            body.input, body.input_bytes
        );
        return Err(rejected(RejectCode::InputMismatch, reason));
    }
    Ok(data)
}

fn rejected(code: RejectCode, reason: impl Into<String>) -> Refusal {
    trustmesh_api::Problem::from(Rejection::new(code, reason)).into()
}

/// One request.
pub(super) async fn request(
    State(http): State<Shared>,
    segment: Segment,
) -> Result<Json<RequestView>, Refusal> {
    let id: RequestId = segment.read("the request's id")?;
    let found = find(&http, &id)?.ok_or_else(|| Refusal::missing(format!("request {id}")))?;
    view(&http, found).map(Json)
}

/// The request of an id, from the state or, after it left it, from the history.
pub(super) fn find(http: &Http, id: &RequestId) -> Result<Option<Ended>, Refusal> {
    let history = &http.app.history;
    match http.app.consensus.state().request(id) {
        Some(record) => Ok(Some(Ended { record, events: history.events_of(id)? })),
        None => Ok(history.request(id)?),
    }
}

/// Shows a request.
pub(super) fn view(http: &Http, found: Ended) -> Result<RequestView, Refusal> {
    let id = &found.record.body.workflow;
    let record = http.app.consensus.state().workflow(id);
    let workflow = record.ok_or_else(|| {
        // Workflows are retired, never removed.
        tracing::error!(workflow = %id, "a request's workflow is missing from the ledger");
        Refusal::new(ErrorCode::Internal, format!("workflow {id} is missing from the ledger"))
    })?;
    let view = RequestView::new(&found.record, &workflow.workflow, found.events);
    if view.tasks.iter().all(|task| task.replicas <= 1) {
        return Ok(view);
    }
    let faults = http.app.history.faults_since(view.accepted_height)?;
    Ok(view.with_faults(&faults))
}

/// A page of requests.
pub(super) async fn requests(
    State(http): State<Shared>,
    Asked(query): Asked<RequestQuery>,
) -> Result<Json<Page<RequestSummary>>, Refusal> {
    let filter = Filter { status: query.status, device: query.device };
    let limit = page::entries(query.limit);
    let after = query.after.as_deref().map(Place::read).transpose()?;
    let (mut items, mut place) = match after {
        Some(Place::Ended(_)) => (Vec::new(), None),
        Some(Place::Open(after)) => open(&http, &filter, Some(after), limit),
        None => open(&http, &filter, None, limit),
    };
    let wants_ended = query.status.is_none_or(|status| status.ended());
    if items.len() == limit && place.is_none() && wants_ended {
        // The open ones filled the page exactly: the next begins with the first ended one.
        place = Some(Place::Ended((u64::MAX, RequestId(Digest([u8::MAX; 32])))));
    } else if items.len() < limit && wants_ended {
        let after = match after {
            Some(Place::Ended(cursor)) => Some(cursor),
            _ => None,
        };
        let (ended, more) = http.app.history.requests(&filter, after, limit - items.len())?;
        items.extend(ended);
        place = more.map(Place::Ended);
    }
    Ok(Json(Page { items, next: place.map(Place::write) }))
}

/// Where a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Among the open requests: the height that accepted it, and the request.
    Open(Cursor),
    /// Among the ended ones.
    Ended(Cursor),
}

impl Place {
    fn write(self) -> String {
        match self {
            Self::Open((height, id)) => format!("open-{height}-{id}"),
            Self::Ended((height, id)) => format!("ended-{height}-{id}"),
        }
    }

    fn read(text: &str) -> Result<Self, Refusal> {
        let read = || {
            let (kind, rest) = text.split_once('-')?;
            let (height, id) = rest.split_once('-')?;
            let cursor = (height.parse().ok()?, id.parse().ok()?);
            match kind {
                "open" => Some(Self::Open(cursor)),
                "ended" => Some(Self::Ended(cursor)),
                _ => None,
            }
        };
        read().ok_or_else(|| Refusal::parameter("`after`", "give `next` of the page before"))
    }
}

fn open(
    http: &Http,
    filter: &Filter,
    after: Option<Cursor>,
    limit: usize,
) -> (Vec<RequestSummary>, Option<Place>) {
    let state = http.app.consensus.state();
    let place = |record: &RequestRecord| (record.accepted_height, record.id);
    let mut found: Vec<RequestRecord> = state
        .open_requests()
        .filter(|record| filter.takes(record.status, &record.body.device))
        .filter(|record| after.is_none_or(|after| place(record) < after))
        .collect();
    found.sort_unstable_by_key(|record| std::cmp::Reverse(place(record)));
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().map(place).filter(|_| more).map(Place::Open);
    (found.iter().map(summary).collect(), next)
}

fn summary(record: &RequestRecord) -> RequestSummary {
    RequestSummary {
        id: record.id,
        status: record.status,
        workflow: record.body.workflow.clone(),
        device: record.body.device,
        accepted_ms: record.accepted_ms,
        ended_ms: record.ended_ms,
        reason: record.reason.clone().or_else(|| record.waiting.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        let cursor = (7, RequestId(Digest([3; 32])));
        for place in [Place::Open(cursor), Place::Ended(cursor)] {
            assert_eq!(Place::read(&place.write()).unwrap(), place);
        }
        for text in ["", "open", "open-1", "open-x-y", "other-1-2"] {
            let refusal = Place::read(text).unwrap_err();
            assert_eq!(refusal.0.code, ErrorCode::BadParameter, "{text}");
        }
    }
}
