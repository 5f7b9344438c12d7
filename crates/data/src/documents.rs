//! Documents by table and key: history, signed completions, the delivery mailbox.
//!
//! Invariants: a batch of documents is written as a whole or not at all; a scan sees one
//! commit, stays within its table and is bounded by its limit. Keys are ordered as bytes.

use crate::error::DataError;
use crate::store::{Inner, StoreConfig};
use crate::tables::DOCUMENTS;
use crate::usage::Changed;
use crate::writer::Op;
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// Most documents of one write or removal.
const ENTRIES_MAX: usize = 4_096;
/// Longest key, its table's name included.
const KEY_BYTES_MAX: usize = 1_024;
/// Ends a table's name in a stored key.
const NAME_END: u8 = 0;

/// A document with its key.
pub type Entry = (Vec<u8>, Bytes);

/// A table of documents, by name. The name must not contain a zero byte, which ends it in
/// the stored key; [`Table::new`] checks that when the constant is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table(&'static str);

impl Table {
    /// Names a table; meant for constants.
    ///
    /// # Panics
    /// When the name holds a zero byte: a mistake in a constant, found when it is compiled.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        let mut rest = name.as_bytes();
        while let [first, others @ ..] = rest {
            assert!(*first != NAME_END, "a table's name has no zero byte");
            rest = others;
        }
        Self(name)
    }

    /// The stored key of `key` in this table.
    pub(crate) fn key(self, key: &[u8]) -> Vec<u8> {
        let mut stored = Vec::with_capacity(self.0.len() + 1 + key.len());
        stored.extend_from_slice(self.0.as_bytes());
        stored.push(NAME_END);
        stored.extend_from_slice(key);
        stored
    }
}

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Smallest key first.
    Ascending,
    /// Greatest key first.
    Descending,
}

/// Documents by table and key. Clones share the store. Reads block for the disk, briefly.
#[derive(Clone)]
pub struct Documents {
    inner: Arc<Inner>,
}

impl Documents {
    pub(crate) const fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Writes documents, replacing those with the same key; all of them or none. Ready
    /// when they are durable.
    ///
    /// # Errors
    /// [`DataError::TooLarge`], `StoreFull`, `Engine` or `Closed`.
    pub async fn put_many(&self, table: Table, entries: Vec<Entry>) -> Result<(), DataError> {
        self.put(table, entries, false).await
    }

    /// Like [`Self::put_many`], but ready when readers see them: they are durable with the
    /// next write that is, or lost with all lazy writes after it.
    ///
    /// # Errors
    /// As [`Self::put_many`].
    pub async fn put_lazily(&self, table: Table, entries: Vec<Entry>) -> Result<(), DataError> {
        self.put(table, entries, true).await
    }

    async fn put(&self, table: Table, entries: Vec<Entry>, lazy: bool) -> Result<(), DataError> {
        if entries.is_empty() {
            return Ok(());
        }
        let documents = checked(&self.inner.config, table, entries)?;
        self.inner.writer.write(Op::Put { blobs: Vec::new(), documents, lazy }).await.map(drop)
    }

    /// The document, if it is here.
    ///
    /// # Errors
    /// [`DataError::Corrupt`] or `Engine`.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, DataError> {
        self.inner.read(|read| {
            let row = read.open_table(DOCUMENTS)?.get(table.key(key).as_slice())?;
            Ok(row.map(|row| Bytes::copy_from_slice(row.value())))
        })
    }

    /// Documents whose key starts with `prefix`, at most `limit` of them.
    ///
    /// # Errors
    /// [`DataError::Corrupt`] or `Engine`.
    pub fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        limit: usize,
        order: Order,
    ) -> Result<Vec<Entry>, DataError> {
        let from = table.key(prefix);
        let to = after_prefix(&from);
        self.read_range(table, &from, &to, limit, order)
    }

    /// Documents with keys from `from` up to but not including `to`, at most `limit` of
    /// them. With [`Order::Descending`] the last ones.
    ///
    /// # Errors
    /// [`DataError::Corrupt`] or `Engine`.
    pub fn range(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
        order: Order,
    ) -> Result<Vec<Entry>, DataError> {
        self.read_range(table, &table.key(from), &table.key(to), limit, order)
    }

    /// Removes documents; those that aren't here don't matter. Ready when it is durable.
    ///
    /// # Errors
    /// [`DataError::TooLarge`], `Engine` or `Closed`.
    pub async fn remove(&self, table: Table, keys: Vec<Vec<u8>>) -> Result<Changed, DataError> {
        check_count(keys.len())?;
        let keys = keys.iter().map(|key| checked_key(table, key)).collect::<Result<Vec<_>, _>>()?;
        self.inner.writer.write(Op::RemoveDocuments { keys }).await
    }

    /// Removes documents with keys below `to`, smallest first, at most `limit`: how
    /// history is pruned. Writes nothing when there are none.
    ///
    /// # Errors
    /// [`DataError::Corrupt`], `Engine` or `Closed`.
    pub async fn prune(&self, table: Table, to: &[u8], limit: usize) -> Result<Changed, DataError> {
        let (from, to) = (table.key(&[]), table.key(to));
        let limit = limit.min(ENTRIES_MAX);
        self.inner.writer.write(Op::PruneDocuments { from, to, limit }).await
    }

    fn read_range(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
        order: Order,
    ) -> Result<Vec<Entry>, DataError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let name_bytes = table.0.len() + 1;
        self.inner.read(|read| {
            let documents = read.open_table(DOCUMENTS)?;
            let mut rows = documents.range(from..to)?;
            let mut found = Vec::new();
            while found.len() < limit {
                let row = match order {
                    Order::Ascending => rows.next(),
                    Order::Descending => rows.next_back(),
                };
                let Some(row) = row else { break };
                let (key, value) = row?;
                let key = key.value().get(name_bytes..).unwrap_or_default().to_vec();
                found.push((key, Bytes::copy_from_slice(value.value())));
            }
            Ok(found)
        })
    }
}

impl fmt::Debug for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Documents").finish_non_exhaustive()
    }
}

/// Documents whose count and sizes are right, under their stored keys.
pub(crate) fn checked(
    config: &StoreConfig,
    table: Table,
    entries: Vec<Entry>,
) -> Result<Vec<Entry>, DataError> {
    check_count(entries.len())?;
    let mut stored = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        DataError::check_size("the document", value.len(), config.document_bytes_max)?;
        stored.push((checked_key(table, &key)?, value));
    }
    Ok(stored)
}

fn check_count(entries: usize) -> Result<(), DataError> {
    // A list is measured by its entries, each of them at least one byte.
    DataError::check_size("the list of documents", entries, ENTRIES_MAX)
}

fn checked_key(table: Table, key: &[u8]) -> Result<Vec<u8>, DataError> {
    let stored = table.key(key);
    DataError::check_size("the document's key", stored.len(), KEY_BYTES_MAX)?;
    Ok(stored)
}

/// The least key above all that start with `prefix`, which holds a table's name and its end.
fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}
