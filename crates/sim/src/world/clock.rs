//! Virtual time in the two forms that the world needs.

use commonware_runtime::{Clock, deterministic::Context};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// When every world begins: 2026-01-01 00:00 UTC.
pub(crate) const START_MS: u64 = 1_767_225_600_000;

/// The instant at which every world begins.
pub(crate) fn start() -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(START_MS)).unwrap_or(UNIX_EPOCH)
}

/// Unix milliseconds, as agents count.
pub(crate) fn now_ms(context: &Context) -> u64 {
    let since = context.current().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Microseconds since the world began, as the trace counts.
pub(crate) fn at_us(context: &Context) -> u64 {
    let since = context.current().duration_since(start()).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
