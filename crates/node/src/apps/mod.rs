//! Applications on this node: their artifacts, and what runs of them (ADR 0008).
//!
//! - `copies`: what the agent asks for: obtain, start, stop, discard; and how each copy is;
//! - `modules`: WebAssembly modules, compiled and called;
//! - `containers`: images loaded, containers begun, followed and called;
//! - `order`: one deed for an application after the other;
//! - `peers`: artifacts from other nodes;
//! - `logs`: the ends of applications' logs.
//!
//! Invariants: a byte runs only after its digest was checked against what the publisher signed;
//! what is held here is bounded, and goes when the ledger no longer wants it.

mod containers;
mod copies;
mod logs;
mod modules;
mod order;
mod peers;

pub(crate) use copies::{Apps, Parts};
pub(crate) use modules::Failed;
pub use peers::Peer;
