//! The authenticated store under the ledger's state (ADR 0002): an ordered map from bytes
//! to bytes whose root commits to every entry.
//!
//! A path-compressed binary Merkle trie (crit-bit tree) over raw keys. What always holds:
//! - The root depends on the entries only, never on the order in which they came.
//! - A clone is O(1) and shares nodes, so the state of a block that is not final yet is a
//!   clone of its parent's with a few nodes of its own.
//! - Hashes are computed when a root or proof is asked for, and kept in the node.
//! - Keys are prefix-free ([`TableKey`]), so two keys always differ in a bit that both have.
//!
//! Hashes: leaf `H(0x00 ‖ key length u16 ‖ key ‖ H(value))`, inner node
//! `H(0x01 ‖ bit index u16 ‖ left ‖ right)`, integers big-endian, H = SHA-256; the root of
//! an empty store is `H()`.

mod map;
mod node;
mod proof;
mod table;
mod typed;

#[cfg(test)]
mod tests;

pub use proof::{ProofLeaf, ProofStep, StateProof};
pub use table::{Table, TableKey};
pub use typed::Store;
