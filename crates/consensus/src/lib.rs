//! The ledger's agreement: an adapter over a BFT engine of the PBFT family (simplex and
//! marshal; PROTOCOL §2 and §10, ADR 0001).
//!
//! - [`start_node`] and [`start_sim`] start a ledger, on real or simulated ground;
//! - a [`Handle`] takes transactions and messages and answers questions;
//! - [`Streams`] bring final blocks, each once and in order, messages, and proofs that a
//!   validator contradicted itself;
//! - [`verify_certificate`] checks finality offline;
//! - [`Rates`] are allowances by key, here and at the HTTP edge.
//!
//! Inside: `pool` (the mempool), `ledger` (states of the chain), `committees` (who votes when), `proposer` and `verifier`
//! (building and judging blocks), `engine` (assembly), `wire` (gossip and messages), `votes`
//! (the engine's votes in the ledger's form). For simulated attackers: `conduct`, `tap`.
//!
//! Invariants: a block is executed before it is voted for; what is delivered is final and
//! durable; no type of the runtime shows in [`Handle`] or [`Streams`]; every queue is bounded
//! ([`limits`]).

#![cfg_attr(
    test,
    expect(dead_code, unused_imports, reason = "nothing starts the engine in unit tests")
)]

mod acquaintances;
mod application;
mod block;
#[cfg(test)]
mod block_tests;
mod certificate;
mod committees;
mod conduct;
// Compiling the engine for a runtime takes minutes: the library does it, its unit tests need not.
#[cfg(not(test))]
mod daemon;
mod engine;
mod error;
mod handle;
#[doc(hidden)]
pub mod hostile;
mod kept;
mod keys;
mod ledger;
pub mod limits;
mod options;
mod pool;
mod proposer;
mod rates;
mod runtime;
mod signatures;
#[cfg(not(test))]
mod simulated;
mod snapshot;
#[cfg(not(test))]
mod tap;
#[cfg(test)]
mod testing;
mod verifier;
mod votes;
#[cfg(test)]
mod votes_tests;
mod wire;

pub use block::{LedgerBlock, SharedBlocks};
pub use certificate::{CertificateError, verify_certificate};
pub use conduct::{Chosen, Conduct};
#[cfg(not(test))]
pub use daemon::{Ending, restore_chain, start_node};
pub use engine::{
    BLOCKS_CHANNEL, CHANNEL_NAMES, CHANNELS, Network, Transport, VOTES_CHANNEL, channel_quota,
    max_message_size,
};
pub use error::{LedgerFailed, SendError, SnapshotError, StartError, SubmitError};
pub use handle::{Handle, Status, Streams};
pub use keys::{BadKey, EngineKey, engine_public, engine_secret, ledger_public};
pub use options::{NodeOptions, Options, archive_directories, votes_directories};
pub use pool::PoolError;
pub use rates::Rates;
pub use runtime::ClockOffset;
#[cfg(not(test))]
pub use simulated::{
    Oracle, Simulated, Started, metered_network, simulated_network, start_evil, start_sim,
    tapped_network,
};
pub use snapshot::StateSnapshot;
#[cfg(not(test))]
pub use tap::{Meter, Said, Sender, Tap, Voice};
pub use votes::revote;
