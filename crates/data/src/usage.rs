//! What a store holds and has done: counts and bytes, exact as of the last commit.

use crate::tables::{BLOB_INFO, DOCUMENTS};
use redb::{ReadTransaction, ReadableTable as _, ReadableTableMetadata as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts of what the store holds and has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Blobs kept.
    pub blobs: u64,
    /// Their bytes.
    pub blob_bytes: u64,
    /// Documents kept.
    pub documents: u64,
    /// Bytes of their keys and values.
    pub document_bytes: u64,
    /// Durable commits made, each one `fsync`.
    pub commits: u64,
    /// Writes that those commits carried.
    pub writes: u64,
}

impl Usage {
    /// What counts against the store's limit.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.blob_bytes.saturating_add(self.document_bytes)
    }
}

/// What a change did: entries and bytes added or removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Entries that were written or removed.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Changed {
    /// Counts one more entry.
    pub(crate) const fn add(&mut self, bytes: u64) {
        self.entries += 1;
        self.bytes += bytes;
    }
}

/// The usage that the writer publishes after each commit.
#[derive(Debug)]
pub(crate) struct SharedUsage(Mutex<Usage>);

impl SharedUsage {
    pub(crate) const fn new(usage: Usage) -> Self {
        Self(Mutex::new(usage))
    }

    pub(crate) fn read(&self) -> Usage {
        *self.locked()
    }

    pub(crate) fn publish(&self, usage: Usage) {
        *self.locked() = usage;
    }

    fn locked(&self) -> MutexGuard<'_, Usage> {
        // A copy of plain numbers is whole whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts what a file holds, once, when it is opened.
pub(crate) fn count(read: &ReadTransaction) -> Result<Usage, redb::Error> {
    let mut usage = Usage::default();
    let blobs = read.open_table(BLOB_INFO)?;
    usage.blobs = blobs.len()?;
    for row in blobs.iter()? {
        let (_, length_bytes, _) = row?.1.value();
        usage.blob_bytes = usage.blob_bytes.saturating_add(length_bytes);
    }
    let documents = read.open_table(DOCUMENTS)?;
    usage.documents = documents.len()?;
    for row in documents.iter()? {
        let (key, value) = row?;
        usage.document_bytes += (key.value().len() + value.value().len()) as u64;
    }
    Ok(usage)
}
