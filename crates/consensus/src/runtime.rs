//! What this crate asks of a runtime, so that the daemon's (tokio) and the simulator's
//! (deterministic) run the same code.

use commonware_runtime::{Clock, Metrics, Spawner, Storage};
use rand_core::CryptoRng;
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A runtime of the engine.
pub trait Runtime: Clock + CryptoRng + Spawner + Storage + Metrics {}

impl<T: Clock + CryptoRng + Spawner + Storage + Metrics> Runtime for T {}

/// How far a node's clock is ahead of the runtime's. Nothing for a daemon; a simulation, whose
/// nodes share one runtime, gives each node its own. Clones are the same one.
///
/// It counts where the ledger reads what time it is (a proposal's timestamp, the bounds of a
/// vote); how long the engine waits does not depend on it.
#[derive(Debug, Clone, Default)]
pub struct ClockOffset(Arc<AtomicI64>);

impl ClockOffset {
    /// Sets it, in milliseconds; the clock may jump.
    pub fn set_ms(&self, ahead_ms: i64) {
        self.0.store(ahead_ms, Ordering::Relaxed);
    }

    /// What the node's clock shows when the runtime's shows `runtime_ms`.
    #[must_use]
    pub fn shown_ms(&self, runtime_ms: u64) -> u64 {
        runtime_ms.saturating_add_signed(self.0.load(Ordering::Relaxed))
    }

    /// The node's clock, in Unix milliseconds.
    pub(crate) fn now_ms(&self, clock: &impl Clock) -> u64 {
        self.shown_ms(now_ms(clock))
    }

    /// The time of the runtime's clock at which the node's shows `unix_ms`.
    #[must_use]
    pub fn at_ms(&self, unix_ms: u64) -> SystemTime {
        at_ms(unix_ms.saturating_sub_signed(self.0.load(Ordering::Relaxed)))
    }
}

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
