//! The wall clock, read in one place. Unix milliseconds.
//!
//! A test may shift it (`[testing] clock_offset_ms` of the configuration): no namespace of
//! Linux shifts the clock of one process alone. The shift is the whole process's, and is set
//! before anything reads the clock.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// How far the process's clock is ahead of the machine's, in milliseconds.
static AHEAD_MS: AtomicI64 = AtomicI64::new(0);

/// Shifts the clock.
pub(crate) fn shift(ahead_ms: i64) {
    AHEAD_MS.store(ahead_ms, Ordering::Relaxed);
}

/// Now. A clock before 1970 counts as standing at its start.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let machine_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    machine_ms.saturating_add_signed(AHEAD_MS.load(Ordering::Relaxed))
}
