//! What this crate asks of a runtime, so that the daemon's (tokio) and the simulator's
//! (deterministic) run the same code.

use commonware_runtime::{Clock, Metrics, Spawner, Storage};
use rand_core::CryptoRng;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A runtime of the engine.
pub trait Runtime: Clock + CryptoRng + Spawner + Storage + Metrics {}

impl<T: Clock + CryptoRng + Spawner + Storage + Metrics> Runtime for T {}

/// The clock, in Unix milliseconds.
pub(crate) fn now_ms(clock: &impl Clock) -> u64 {
    let since = clock.current().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The time of the clock that [`now_ms`] would give as `unix_ms`.
pub(crate) fn at_ms(unix_ms: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(unix_ms)).unwrap_or(UNIX_EPOCH)
}

/// Runs work that keeps a processor busy away from the threads that serve the network.
/// `None` when the runtime is stopping.
pub(crate) async fn off_thread<E, T>(
    context: &E,
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T>
where
    E: Spawner,
    T: Send + 'static,
{
    context.child(name).shared(true).spawn(move |_| async move { work() }).await.ok()
}
