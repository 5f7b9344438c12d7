//! WebAssembly applications: WASI preview 1 commands, JSON on stdin and stdout, stderr
//! kept as a log tail.
//!
//! [`WasmRunner`] compiles each module once and runs calls on a bounded number of
//! blocking threads. A call sees no files, arguments or network, and no environment but what
//! is granted; unless real ones are, its clock stands still and its randomness comes from a
//! seed, so that replicas agree.

mod cache;
mod call;
mod config;
mod error;
mod host;
mod runner;
mod sandbox;
mod spent;
mod stdio;
#[cfg(test)]
mod tests;
mod ticker;

pub use config::{Granted, Invocation, Limits, Output, RunnerConfig};
pub use error::RunError;
pub use runner::WasmRunner;
