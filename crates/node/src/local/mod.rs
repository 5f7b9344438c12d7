//! A mesh of real processes on this machine, under one folder: for the command line
//! (`network`, `demo`, `bench`) and tests.
//!
//! The folder holds `genesis.json`, `operator.key`, and per node `node-<i>/` with
//! `node.toml`, `node.key`, `node.log`, `data/` and, while it runs, `process.json`.
//!
//! Invariants: a process is only ever signalled while its number *and* start time are those
//! that were written down, so a recycled number is never hit; attached nodes end with their
//! parent, however that ends; detached ones outlive it.
//!
//! The capacity that a local mesh attests is deliberately larger than the machine
//! ([`LocalOptions::capacity`]): many nodes share a small machine, and hundreds of requests
//! in flight must find room; what runs at the same time is bounded by each node's runner.

mod create;
mod error;
mod network;
mod process;

pub use create::{LocalNode, LocalOptions};
pub use error::LocalError;
pub use network::{LocalNetwork, NodeStatus, StartMode};

#[cfg(test)]
mod tests;
