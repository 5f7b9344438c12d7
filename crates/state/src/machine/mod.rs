//! The machine: executes blocks on a state (PROTOCOL §2).
//!
//! - `validity`: which transactions a block may hold at all;
//! - `selection`: what a leader puts into one;
//! - `execution`: a block's transactions one by one, then what its end brings;
//! - `apply`: one `match` from payload to contract;
//! - `proven`: signatures inside payloads, checked ahead in one batch;
//! - `draft`: what contracts work on.
//!
//! Invariant: an invalid block changes nothing; a valid one gives a receipt per
//! transaction, and a refused transaction leaves only what its fault records.

pub(crate) mod apply;
mod draft;
mod execution;
mod proven;
mod selection;
mod validity;

#[cfg(test)]
mod tests;

pub use draft::Draft;
pub use execution::{Executed, InvalidBlock, Proposal};
pub use proven::Proven;
pub use selection::{NODE_SHARE_TRANSACTIONS_MAX, SHARE_TRANSACTIONS_MAX};
pub use validity::Invalid;
