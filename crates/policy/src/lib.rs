//! Network-defined rules V (eq. 5; PROTOCOL rule C7): CEL expressions that a plan must make
//! true.
//!
//! [`Compiled::new`] reads an expression with the `cel` crate's parser, checks its types
//! against the known variables and turns it into a small tree of its own, which
//! [`Policies::check`] evaluates over [`PlanFacts`]. The validators' contract, the schedulers
//! and `trustmesh policy test` all ask the same function. Why so: ADR 0006.
//!
//! - `scan`: bounds on the text, before anything parses it;
//! - `check`: from CEL's syntax tree to ours, by types;
//! - `expr`, `fields`: that tree, and what it may read;
//! - `eval`: its evaluation, step by counted step;
//! - `facts`: what is read; `plan_file`: the same from a file; `policies`: all of a network's.
//!
//! Invariants: equal expression and facts give an equal verdict on every machine: booleans,
//! 64-bit integers, strings and lists only, no floats, time, regular expressions or maps in
//! any order; an expression has bounded size, an evaluation bounded steps; what types can't
//! rule out (overflow, division by zero, too many steps) is a verdict of its own and never a
//! panic: it fails closed.

#![deny(clippy::float_arithmetic, clippy::float_cmp)]

mod check;
mod compiled;
mod error;
mod eval;
mod expr;
mod facts;
mod fields;
mod plan_file;
mod policies;
mod scan;

#[cfg(test)]
mod tests;

pub use compiled::{Broken, Compiled, Verdict, Why};
pub use error::PolicyError;
pub use eval::Failure;
pub use facts::{NodeFacts, PlanFacts, RequestFacts, TaskFacts};
pub use plan_file::{FileAssignment, FileNode, FileWorkflow, PlanFile, PlanFileError};
pub use policies::Policies;
