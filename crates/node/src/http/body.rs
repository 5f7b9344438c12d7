//! Reading bodies within bounds.
//!
//! Invariants: a body's room is taken from a common budget before its first byte is read, and
//! given back when the handler is done with it.

use super::{app::Http, refusal::Refusal};
use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;
use trustmesh_api::{ErrorCode, Problem, limits};

/// A body that was read, and its share of the budget.
pub(super) struct ReadBody {
    pub(super) bytes: Bytes,
    pub(super) _share: OwnedSemaphorePermit,
}

/// Reads a body of one of the content types given and of at most `bytes_max`.
pub(super) async fn read(
    http: &Http,
    headers: &HeaderMap,
    body: Body,
    content_types: &[&str],
    bytes_max: usize,
) -> Result<ReadBody, Refusal> {
    check_content_type(headers, content_types)?;
    read_any(http, headers, body, bytes_max).await
}

/// Reads a body of any content type and of at most `bytes_max`.
pub(super) async fn read_any(
    http: &Http,
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<ReadBody, Refusal> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    let announced: usize = announced.unwrap_or(bytes_max);
    if announced > bytes_max {
        return Err(too_large(bytes_max));
    }
    let share = http.body(announced)?;
    match Limited::new(body, bytes_max).collect().await {
        Ok(collected) => Ok(ReadBody { bytes: collected.to_bytes(), _share: share }),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large(bytes_max)),
        Err(error) => Err(Refusal::new(
            ErrorCode::RequestTimeout,
            format!("the body did not arrive whole: {error}"),
        )),
    }
}

/// Reads a JSON body. What is wrong with it is said with line and column.
pub(super) async fn json<T: DeserializeOwned>(
    http: &Http,
    headers: &HeaderMap,
    body: Body,
) -> Result<(T, ReadBody), Refusal> {
    let types = ["application/json"];
    let body = read(http, headers, body, &types, limits::JSON_BODY_BYTES_MAX).await?;
    let value = serde_json::from_slice(&body.bytes).map_err(|e| {
        let problem = Problem::new(ErrorCode::BadJson, format!("the body: {e}"));
        Refusal::from(problem.with("line", e.line()).with("column", e.column()))
    })?;
    Ok((value, body))
}

fn check_content_type(headers: &HeaderMap, taken: &[&str]) -> Result<(), Refusal> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("none");
    let essence = given.split(';').next().unwrap_or_default().trim();
    if taken.iter().any(|t| t.eq_ignore_ascii_case(essence)) {
        return Ok(());
    }
    Err(Refusal::new(
        ErrorCode::UnsupportedMediaType,
        format!("the content type is {given:?}: send {}", taken.join(" or ")),
    ))
}

fn too_large(bytes_max: usize) -> Refusal {
    Refusal::new(
        ErrorCode::TooLarge,
        format!("the body is larger than the {bytes_max} bytes that are allowed here"),
    )
}
