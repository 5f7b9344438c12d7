//! Ctrl-C and SIGTERM end a job early, and what it started is still stopped.

use crate::failure::{Done, Failure};
use std::future::Future;
use tokio::signal::unix::{SignalKind, signal};

/// Runs `job` until it ends or the user interrupts it. The caller's own clean-up comes
/// after, in both cases.
pub async fn interruptible<T>(job: impl Future<Output = Done<T>>) -> Done<T> {
    let watch =
        |kind| signal(kind).map_err(|e| Failure::failed(format!("can't watch signals: {e}")));
    let (mut interrupted, mut ended) =
        (watch(SignalKind::interrupt())?, watch(SignalKind::terminate())?);
    tokio::select! {
        done = job => done,
        _ = interrupted.recv() => Err(Failure::failed("interrupted")),
        _ = ended.recv() => Err(Failure::failed("told to stop")),
    }
}
