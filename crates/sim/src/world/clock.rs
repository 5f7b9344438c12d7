//! Virtual time in the forms that the world needs, and the clocks of nodes.

use crate::scenario::ClockError;
use commonware_runtime::{Clock, deterministic::Context};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use trustmesh_consensus::ClockOffset;

/// When every world begins: 2026-01-01 00:00 UTC.
pub(crate) const START_MS: u64 = 1_767_225_600_000;
/// How often clocks that run too fast or too slow are moved.
const DRIFT_EVERY: Duration = Duration::from_millis(100);

/// The instant at which every world begins.
pub(crate) fn start() -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(START_MS)).unwrap_or(UNIX_EPOCH)
}

/// Unix milliseconds, by a clock that is right.
pub(crate) fn now_ms(context: &Context) -> u64 {
    let since = context.current().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Microseconds since the world began, as the trace counts.
pub(crate) fn at_us(context: &Context) -> u64 {
    let since = context.current().duration_since(start()).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Moves a node's clock as its error says, for as long as the world lasts.
pub(crate) async fn drift(context: Context, clock: ClockOffset, error: ClockError) {
    loop {
        let since_ms = i64::try_from(at_us(&context) / 1_000).unwrap_or(i64::MAX);
        let drifted_ms = since_ms.saturating_mul(error.drift_ppm.into()) / 1_000_000;
        clock.set_ms(error.ahead_ms.saturating_add(drifted_ms));
        context.sleep(DRIFT_EVERY).await;
    }
}
