//! Judges a world by its final blocks, with small rules of its own: none of this reads what
//! the contracts keep, only transactions, receipts and events (PROTOCOL §8). It knows who is
//! evil, and judges block by block, while the world runs: the first violation ends it.
//!
//! - `court`: takes deliveries and hands each new block to the rest;
//! - `chain`: one chain, the same for everybody honest (S2, S5);
//! - `transactions`: what a block may hold at all, and who may do what operators do (S4);
//! - `lives`: transitions, plans and who signed them (S2, S3, S4);
//! - `roster`: who has to be designated (S1), by its own account of what nodes have free;
//! - `books`: what plans are made of (C3, C4) and hold on each node (S6);
//! - `charges`: nobody honest is charged (S9);
//! - `results`: what devices got against what the ledger finalized and what one computes by
//!   hand (S7, S8);
//! - `deadlines`: what is due happens (L1);
//! - `endings`: every request ends, in time (L1).

mod books;
mod chain;
mod charges;
mod court;
mod deadlines;
mod endings;
mod lives;
mod results;
mod roster;
#[cfg(test)]
mod tests;
mod transactions;

pub use charges::Charge;
pub(crate) use court::{Close, Court};
use serde::Serialize;

/// Something that must never happen did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The property of PROTOCOL §8 that is broken, as in `S3`, or the rule of §4, as in `C4`.
    pub property: &'static str,
    /// What was seen.
    pub what: String,
}

impl Violation {
    pub(crate) fn new(property: &'static str, what: impl Into<String>) -> Self {
        Self { property, what: what.into() }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.property, self.what)
    }
}
