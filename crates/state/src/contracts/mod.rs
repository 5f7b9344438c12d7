//! The contracts: what the ledger holds and who may change it (PROTOCOL §3).
//!
//! A contract's function takes the draft, the transaction's signer and the payload, and
//! changes the draft or refuses with a code and a sentence. It may leave the draft half
//! changed when it refuses: the machine rolls back.

pub mod applications;
pub(crate) mod bounds;
pub mod membership;
pub mod notes;
pub mod resources;
pub(crate) mod roles;
pub mod schedule;
pub(crate) mod storage;
pub mod workflows;

#[cfg(test)]
mod tests;
