//! The contracts: what the ledger holds and who may change it (PROTOCOL §3).
//!
//! A contract's function takes the draft, the transaction's signer and the payload, and
//! changes the draft or refuses with a code and a sentence. It may leave the draft half
//! changed when it refuses: the machine rolls back.

pub mod applications;
pub mod faults;
pub mod membership;
pub mod notes;
pub mod parameters;
pub mod policies;
pub mod protocol;
pub mod resources;
pub mod schedule;
pub(crate) mod storage;
pub(crate) mod values;
pub mod votes;
pub mod workflows;

#[cfg(test)]
mod tests;
