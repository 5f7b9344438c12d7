//! The process's log: to stderr, filtered by `RUST_LOG` or the configuration.

use crate::config::{Log, LogFormat};
use std::backtrace::{Backtrace, BacktraceStatus};
use tracing_subscriber::{EnvFilter, fmt};

/// A log filter that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("log filter {filter:?}: {reason}; write it like `info,trustmesh_node=debug`")]
pub struct FilterError {
    /// The filter.
    pub filter: String,
    /// What is wrong.
    pub reason: String,
}

/// Starts the log. A second call in one process changes nothing.
pub(crate) fn start(log: &Log) -> Result<(), FilterError> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) if !text.is_empty() => text,
        _ => log.filter.clone(),
    };
    let parsed = EnvFilter::try_new(&filter)
        .map_err(|e| FilterError { filter: filter.clone(), reason: e.to_string() })?;
    let builder = fmt().with_env_filter(parsed).with_writer(std::io::stderr).with_ansi(false);
    // Fails only when a log was started before, in tests that run several nodes.
    let _ = match log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    Ok(())
}

/// Makes a panic a line of the log, with a backtrace only when `RUST_BACKTRACE` asks for one.
/// What it means for the node is said where it is caught.
pub(crate) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let backtrace = Backtrace::capture();
        let backtrace =
            (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        let what = panic.payload_as_str().unwrap_or("no reason given");
        tracing::error!(place, backtrace, "internal error: {what}");
    }));
}
