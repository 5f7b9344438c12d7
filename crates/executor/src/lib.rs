//! Runs applications (DESIGN, "What an application is").
//!
//! An application reads one JSON object and writes one: `{"data": …}` or `{"error":
//! "…"}`. [`wasm`] runs it as a WASI command in a sandbox, [`container`] calls it in a
//! container; the runners know nothing of requests, plans or the ledger.
//!
//! Invariants: nothing an application does ends or blocks the node; what it may use of
//! memory, time and output is bounded; equal module, input, seed and clock give equal
//! output on every machine, unless real ones are granted.

pub mod container;
mod output;
mod text;
pub mod wasm;

pub use container::{ContainerConfig, ContainerError, ContainerRunner};
pub use wasm::{Granted, Invocation, Limits, Output, RunError, RunnerConfig, WasmRunner};
