//! Blobs and documents that are written together or not at all, in one commit.

use crate::blobs::{self, BlobKind};
use crate::documents::{self, Entry, Table};
use crate::error::DataError;
use crate::store::{Store, StoreConfig};
use crate::writer::{NewBlob, Op};
use bytes::Bytes;
use trustmesh_types::Digest;

/// A batch for one [`Store`]; nothing is written before [`Batch::write`].
#[derive(Debug)]
pub struct Batch {
    store: Store,
    blobs: Vec<NewBlob>,
    documents: Vec<Entry>,
}

impl Batch {
    pub(crate) const fn new(store: Store) -> Self {
        Self { store, blobs: Vec::new(), documents: Vec::new() }
    }

    /// Adds a blob, as [`BlobStore::put`](crate::BlobStore::put) keeps one.
    ///
    /// # Errors
    /// [`DataError::DigestMismatch`] or `TooLarge`.
    pub fn blob(
        mut self,
        digest: Digest,
        kind: BlobKind,
        bytes: Bytes,
        expires_unix_ms: u64,
    ) -> Result<Self, DataError> {
        let config: &StoreConfig = self.store.config();
        self.blobs.push(blobs::checked(config, digest, kind, bytes, expires_unix_ms)?);
        Ok(self)
    }

    /// Adds documents; the last of several with one key counts.
    ///
    /// # Errors
    /// [`DataError::TooLarge`].
    pub fn documents(mut self, table: Table, entries: Vec<Entry>) -> Result<Self, DataError> {
        self.documents.extend(documents::checked(self.store.config(), table, entries)?);
        Ok(self)
    }

    /// Writes all of it; ready when it is durable.
    ///
    /// # Errors
    /// [`DataError::StoreFull`], `Engine` or `Closed`; nothing is written then.
    pub async fn write(self) -> Result<(), DataError> {
        let op = Op::Put { blobs: self.blobs, documents: self.documents, lazy: false };
        self.store.write(op).await
    }
}
