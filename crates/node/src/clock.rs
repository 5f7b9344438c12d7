//! The wall clock, read in one place. Unix milliseconds.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now. A clock before 1970 counts as standing at its start.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
