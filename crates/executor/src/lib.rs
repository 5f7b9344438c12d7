//! Runs applications (DESIGN, "What an application is").
//!
//! An application reads one JSON object and writes one: `{"data": …}` or `{"error":
//! "…"}`. [`wasm`] runs it as a WASI command in a sandbox; the runner knows
//! nothing of requests, plans or the ledger.
//!
//! Invariants: nothing an application does ends or blocks the node; what it may use of
//! memory, time and output is bounded; equal module, input, seed and clock give equal
//! output on every machine.

pub mod wasm;

pub use wasm::{Invocation, Limits, Output, RunError, RunnerConfig, WasmRunner};
