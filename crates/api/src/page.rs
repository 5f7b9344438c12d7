//! Lists in pages, and the queries that ask for them.

use crate::{duration, limits};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use trustmesh_types::{PublicKey, records::Status};

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// What to give as `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Asks for a page.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// At most this many entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Asks for a page of requests.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestQuery {
    /// At most this many entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Only those that stand so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Only those of this device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<PublicKey>,
}

/// Asks for whole blocks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangeQuery {
    /// The first height.
    pub from: u64,
    /// At most this many blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Asks to wait for what is not there yet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitQuery {
    /// How long, as in `30s`; not at all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<String>,
}

/// The number of entries to give for the limit asked for.
#[must_use]
pub fn entries(limit: Option<u32>) -> usize {
    limit.unwrap_or(limits::PAGE_ENTRIES_DEFAULT).clamp(1, limits::PAGE_ENTRIES_MAX) as usize
}

impl WaitQuery {
    /// How long to wait, at most [`limits::WAIT_MS_MAX`].
    ///
    /// # Errors
    /// [`duration::DurationError`] when the text is no duration.
    pub fn duration(&self) -> Result<Duration, duration::DurationError> {
        let wait = self.wait.as_deref().map_or(Ok(Duration::ZERO), duration::parse)?;
        Ok(wait.min(Duration::from_millis(limits::WAIT_MS_MAX)))
    }
}
