//! Extractors whose rejections are refusals: a path's segment and a query.

use super::refusal::Refusal;
use axum::{
    extract::{FromRequestParts, Path, Query},
    http::request::Parts,
};
use serde::de::DeserializeOwned;
use std::{fmt::Display, str::FromStr};

/// The one segment of a path that varies.
pub(super) struct Segment(String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(text)| Self(text)).map_err(|e| Refusal::parameter("the path", e.body_text()))
    }
}

impl Segment {
    /// Reads the segment as what it names.
    pub(super) fn read<T: FromStr<Err: Display>>(&self, what: &str) -> Result<T, Refusal> {
        self.0.parse().map_err(|e: T::Err| Refusal::parameter(what, e))
    }
}

/// The query.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        query.map(|Query(it)| Self(it)).map_err(|e| Refusal::parameter("the query", e.body_text()))
    }
}
