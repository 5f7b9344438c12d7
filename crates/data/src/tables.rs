//! The tables of the store's file and how their rows are written.
//!
//! Format 1. `blobs`: digest to bytes. `blob-info`: digest to (kind, length in bytes, expiry
//! in ms since 1970). `blob-expiry`: (expiry, digest), for sweeps in order of time.
//! `documents`: table name, a zero byte, key; to bytes. `about`: the format's number. A blob
//! is in all three blob tables or in none (`blob-expiry` lacks what never expires).

use redb::TableDefinition;

/// The format that this program writes and reads.
pub(crate) const FORMAT: u64 = 1;
/// The row of [`ABOUT`] that holds the format.
pub(crate) const FORMAT_ROW: &str = "format";

/// Bytes by digest.
pub(crate) const BLOBS: TableDefinition<'_, [u8; 32], &[u8]> = TableDefinition::new("blobs");
/// Kind, length and expiry by digest.
pub(crate) const BLOB_INFO: TableDefinition<'_, [u8; 32], (u8, u64, u64)> =
    TableDefinition::new("blob-info");
/// Digests in order of their expiry.
pub(crate) const BLOB_EXPIRY: TableDefinition<'_, (u64, [u8; 32]), ()> =
    TableDefinition::new("blob-expiry");
/// All documents.
pub(crate) const DOCUMENTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("documents");
/// Facts about the file itself.
pub(crate) const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");
