//! A node's durable store: one file that holds blobs by digest and documents by key, and
//! small checked files beside it (PROTOCOL 7, Data: the embedded store per node); and
//! [`artifacts`] of applications, which are files by digest.
//!
//! [`Store`] opens the file. [`BlobStore`] keeps task inputs, outputs, artifacts and
//! sealed results; [`Documents`] keeps history, signed completions and the delivery
//! mailbox. Writes from all sides share commits, so that hundreds of durable writes a
//! second cost a few `fsync`s (`writer.rs` says how).
//!
//! Invariants: a write is durable when its future is ready, unless it asks for less; a blob that doesn't match its
//! digest is never given out; space, queue and every sweep are bounded; nothing is
//! written while nothing changes. The ledger's contracts never read from here.

mod apply;
pub mod artifacts;
mod batch;
mod blobs;
mod checked_file;
mod documents;
mod error;
mod inspect;
mod store;
mod tables;
#[cfg(test)]
mod tests;
mod usage;
mod writer;

pub use batch::Batch;
pub use blobs::{BlobInfo, BlobKind, BlobStore, NEVER_EXPIRES};
pub use checked_file::{read_checked, write_atomic};
pub use documents::{Documents, Entry, Order, Table};
pub use error::DataError;
pub use inspect::{Inspected, inspect};
pub use store::{Store, StoreConfig};
pub use usage::{Changed, Usage};
