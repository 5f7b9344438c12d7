//! What the network signs, sends and stores.
//!
//! Pure data and its encoding: identifiers, keys and signatures, units, limits,
//! transactions, blocks, receipts, ledger records, events and the messages between
//! nodes. Everything that crosses a wire or a disk is encoded with borsh (ADR 0003):
//! one value has one encoding, and decoding is bounded by [`limits`].
//!
//! Invariants: no I/O, clock, randomness, floats or hash-map order (STYLE, rule 3);
//! every signature covers a [`crypto::Domain`] and the [`ids::NetworkId`].

pub mod application;
pub mod block;
pub mod canonical;
pub mod codec;
pub mod committee;
pub mod contents;
pub mod crypto;
pub mod digest;
pub mod events;
pub mod evidence;
pub mod faults;
pub mod finality;
pub mod genesis;
pub mod ids;
pub mod limits;
pub mod memory;
pub mod merkle;
pub mod message;
pub mod mutants;
pub mod plan;
pub mod policy;
pub mod protocol;
pub mod receipt;
pub mod records;
pub mod reject;
pub mod request;
pub mod resources;
pub mod text;
pub mod transaction;
pub mod votes;
pub mod workflow;

pub use block::{Block, Header};
pub use contents::Contents;
pub use crypto::{Domain, PublicKey, SecretKey, Signature};
pub use digest::Digest;
pub use ids::{AppId, NetworkId, PolicyId, RequestId, TaskId, TxId, WorkflowId};
pub use receipt::Receipt;
pub use transaction::{Payload, SignedTransaction, Transaction};
