//! The process's log: to stderr, filtered by `RUST_LOG` or the configuration.

use crate::config::{Log, LogFormat};
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
