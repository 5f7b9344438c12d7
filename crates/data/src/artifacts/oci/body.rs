//! What comes as the body of an answer, within bounds of time and size.
//!
//! Invariants: a body is given up when nothing comes for the idle time, and when it takes longer
//! than that and its length at the least rate; only time that is spent waiting for the registry
//! counts. A request's place is given back with its body.

use bytes::{Bytes, BytesMut};
use reqwest::{
    Response, StatusCode, Url,
    header::{CONTENT_LENGTH, HeaderMap},
};
use std::time::{Duration, Instant};
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

/// Bounds that hold for every request of a registry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub answer: Duration,
    pub idle: Duration,
    pub rate_min_bytes_per_s: u64,
    pub retry: Duration,
    pub requests_max: usize,
}

impl Limits {
    /// The longest that some bytes may take.
    pub(super) fn time_for(&self, bytes: u64) -> Duration {
        let seconds = bytes.checked_div(self.rate_min_bytes_per_s).unwrap_or(bytes);
        self.idle.saturating_add(Duration::from_secs(seconds))
    }
}

/// Why no more comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Nothing for the idle time.
    Silent(Duration),
    /// Too little for too long.
    Slow(u64),
    /// The connection ended.
    Broken(String),
    /// There is more than may be.
    TooLarge(u64),
}

/// The body of an answer.
pub(super) struct Flow {
    response: Response,
    limits: Limits,
    left: Duration,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Flow {
    pub(super) fn new(
        response: Response,
        limits: Limits,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self { response, limits, left: limits.time_for(0), _permit: permit }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    pub(super) fn url(&self) -> &Url {
        self.response.url()
    }

    /// So many bytes are expected: there is time for them.
    pub(super) fn expect(&mut self, bytes: u64) {
        self.left = self.limits.time_for(bytes);
    }

    /// The length that is announced.
    pub(super) fn announced(&self) -> Option<u64> {
        self.response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    /// The next piece; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Stop> {
        let began = Instant::now();
        let came = timeout(self.limits.idle.min(self.left), self.response.chunk()).await;
        let waited = began.elapsed();
        self.left = self.left.saturating_sub(waited);
        match came {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(error)) => Err(Stop::Broken(super::transport::reason(&error))),
            Err(_) if waited >= self.limits.idle => Err(Stop::Silent(self.limits.idle)),
            Err(_) => Err(Stop::Slow(self.limits.rate_min_bytes_per_s)),
        }
    }

    /// All of it, when it is no more than `bytes_max`.
    pub(super) async fn whole(mut self, bytes_max: u64) -> Result<Bytes, Stop> {
        let announced = self.announced();
        if announced.is_some_and(|it| it > bytes_max) {
            return Err(Stop::TooLarge(bytes_max));
        }
        self.expect(announced.unwrap_or(bytes_max));
        let mut all = BytesMut::new();
        while let Some(piece) = self.next().await? {
            if (all.len() as u64).saturating_add(piece.len() as u64) > bytes_max {
                return Err(Stop::TooLarge(bytes_max));
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }
}
