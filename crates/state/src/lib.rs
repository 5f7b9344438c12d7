//! The ledger's contracts: a pure function of state and block (PROTOCOL §2–§4).
//!
//! - [`store`]: the authenticated map that everything stands in;
//! - [`tables`]: what stands in it;
//! - [`State`]: the ledger after a block, and what can be read of it;
//! - [`machine`]: block validity, and one `match` that applies a transaction;
//! - [`contracts`]: the rules, a module per contract;
//! - [`Handover`]: how one committee follows another, provable by the genesis;
//! - [`facts`]: what policies are told of records.
//!
//! Invariants: no clock, randomness, I/O, floats or hash-map order; equal block streams
//! give equal roots (S5); a refused transaction changes nothing but what a fault records.

#![deny(clippy::float_arithmetic, clippy::float_cmp)]

pub mod contracts;
pub mod facts;
#[cfg(test)]
mod fixture;
mod handover;
pub mod machine;
mod rules;
mod state;
pub mod store;
pub mod tables;

pub use handover::{Flaw, Handover, NotFollowing, first_committee, follow_handovers};
pub use machine::{
    Draft, Executed, Invalid, InvalidBlock, NODE_SHARE_TRANSACTIONS_MAX, Proposal,
    SHARE_TRANSACTIONS_MAX,
};
pub use rules::Rules;
pub use state::{DeviceView, Finalized, NodeView, State};
pub use store::{StateProof, Store};
