//! Refusals: problem documents on their way to the client.
//!
//! A handler gives a [`Refusal`]; it travels as an extension of an empty response until the
//! middleware has named the path in it and writes it out, so that errors of the router get
//! the same form.

use crate::history::HistoryError;
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use trustmesh_api::{ErrorCode, Problem, problem};
use trustmesh_data::DataError;

/// Why a request is not answered as asked.
#[derive(Debug, Clone)]
pub(super) struct Refusal(pub(super) Box<Problem>);

impl Refusal {
    pub(super) fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Problem::new(code, detail).into()
    }

    /// "There is no … on this ledger."
    pub(super) fn missing(what: impl std::fmt::Display) -> Self {
        Self::new(ErrorCode::NotFound, format!("there is no {what} on this node's ledger"))
    }

    /// A parameter of the path or query is malformed.
    pub(super) fn parameter(what: &str, reason: impl std::fmt::Display) -> Self {
        Self::new(ErrorCode::BadParameter, format!("{what}: {reason}"))
    }

    /// The node is about to end.
    pub(super) fn stopping() -> Self {
        Self::new(ErrorCode::Unavailable, "the node is stopping: ask another one")
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl From<HistoryError> for Refusal {
    fn from(error: HistoryError) -> Self {
        tracing::error!(%error, "the history can't be read");
        Self::new(ErrorCode::Internal, "this node can't read its history: ask another one")
    }
}

impl From<DataError> for Refusal {
    fn from(error: DataError) -> Self {
        tracing::error!(%error, "the store can't be read");
        Self::new(ErrorCode::Internal, "this node can't read its store: ask another one")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = status(self.0.status).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes a refusal out, with the path that it is about.
pub(super) fn write(refusal: &Refusal, path: &str) -> Response {
    let problem = (*refusal.0).clone().at(path);
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = (status(problem.status), Body::from(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(problem::CONTENT_TYPE));
    if let Some(wait_ms) = problem.retry_after_ms() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(wait_ms.div_ceil(1_000).max(1)));
    }
    response
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_requests_say_when_to_come_back_in_whole_seconds() {
        for (wait_ms, seconds) in [(1, "1"), (1_000, "1"), (1_001, "2"), (9_500, "10")] {
            let refusal = Refusal::from(Problem::rate_limited("slow down", wait_ms));
            let response = write(&refusal, "/v1/requests");
            assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
            assert_eq!(response.headers()[header::RETRY_AFTER], seconds, "{wait_ms}");
            assert_eq!(response.headers()[header::CONTENT_TYPE], problem::CONTENT_TYPE);
        }
        let other = write(&Refusal::missing("a thing"), "/v1/things");
        assert!(!other.headers().contains_key(header::RETRY_AFTER));
    }
}
