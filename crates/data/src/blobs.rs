//! Blobs by digest (PROTOCOL 7): what tasks read and write, modules, sealed results.
//!
//! Invariants: bytes are checked against their digest before they are kept and whenever they
//! are read, so that a changed byte is an error and never a wrong answer. Expiries are in
//! milliseconds since 1970.

use crate::error::DataError;
use crate::store::{Inner, StoreConfig};
use crate::tables::{BLOB_INFO, BLOBS};
use crate::usage::Changed;
use crate::writer::{NewBlob, Op};
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;
use trustmesh_types::Digest;

/// An expiry for what is kept until it is removed.
pub const NEVER_EXPIRES: u64 = u64::MAX;

/// Most blobs that one sweep removes.
pub(crate) const EXPIRE_MAX: usize = 1_024;
/// Most digests of one queued removal; longer lists go in several.
const REMOVE_MAX: usize = 1_024;

/// What a blob is, for statistics and retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlobKind {
    /// A request's input.
    Input,
    /// A task's output.
    Output,
    /// A result sealed to its device.
    Sealed,
    /// Anything else, also what a newer program wrote.
    Other,
}

impl BlobKind {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Input => 1,
            Self::Output => 2,
            Self::Sealed => 4,
            Self::Other => 0,
        }
    }

    const fn from_code(code: u8) -> Self {
        match code {
            1 => Self::Input,
            2 => Self::Output,
            4 => Self::Sealed,
            _ => Self::Other,
        }
    }
}

/// What is known of a blob without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobInfo {
    /// What it is.
    pub kind: BlobKind,
    /// Its length.
    pub length_bytes: u64,
    /// When it may be removed.
    pub expires_unix_ms: u64,
}

/// Blobs by digest. Clones share the store. Reads block for the disk, briefly.
#[derive(Clone)]
pub struct BlobStore {
    inner: Arc<Inner>,
}

impl BlobStore {
    pub(crate) const fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Keeps `bytes` at least until `expires_unix_ms`; ready when they are durable. A blob
    /// that is there already keeps its kind and the later expiry.
    ///
    /// # Errors
    /// [`DataError::DigestMismatch`], `TooLarge`, `StoreFull`, `Engine` or `Closed`.
    pub async fn put(
        &self,
        digest: Digest,
        kind: BlobKind,
        bytes: Bytes,
        expires_unix_ms: u64,
    ) -> Result<(), DataError> {
        let blob = checked(&self.inner.config, digest, kind, bytes, expires_unix_ms)?;
        let op = Op::Put { blobs: vec![blob], documents: Vec::new(), lazy: false };
        self.inner.writer.write(op).await.map(drop)
    }

    /// The blob, if it is here.
    ///
    /// # Errors
    /// [`DataError::DamagedBlob`] when its bytes have changed on disk, `Corrupt` or
    /// `Engine` when they can't be read.
    pub fn get(&self, digest: &Digest) -> Result<Option<Bytes>, DataError> {
        let bytes = self.inner.read(|read| {
            let row = read.open_table(BLOBS)?.get(digest.0)?;
            Ok(row.map(|row| Bytes::copy_from_slice(row.value())))
        })?;
        match bytes {
            Some(bytes) if Digest::of(&bytes) != *digest => {
                Err(DataError::DamagedBlob { digest: *digest })
            }
            bytes => Ok(bytes),
        }
    }

    /// What is known of a blob, if it is here.
    ///
    /// # Errors
    /// [`DataError::Corrupt`] or `Engine`.
    pub fn info(&self, digest: &Digest) -> Result<Option<BlobInfo>, DataError> {
        self.inner.read(|read| {
            let row = read.open_table(BLOB_INFO)?.get(digest.0)?;
            Ok(row.map(|row| {
                let (kind, length_bytes, expires_unix_ms) = row.value();
                BlobInfo { kind: BlobKind::from_code(kind), length_bytes, expires_unix_ms }
            }))
        })
    }

    /// Removes blobs, whatever their expiry.
    ///
    /// # Errors
    /// [`DataError::Engine`] or `Closed`.
    pub async fn remove(&self, digests: Vec<Digest>) -> Result<Changed, DataError> {
        let mut changed = Changed::default();
        for part in digests.chunks(REMOVE_MAX) {
            let op = Op::RemoveBlobs { digests: part.to_vec() };
            let removed = self.inner.writer.write(op).await?;
            changed.entries += removed.entries;
            changed.bytes += removed.bytes;
        }
        Ok(changed)
    }

    /// Removes blobs whose expiry has passed, a bounded number: call again while it
    /// removes any. Writes nothing when none has.
    ///
    /// # Errors
    /// [`DataError::Corrupt`], `Engine` or `Closed`.
    pub async fn expire(&self, now_unix_ms: u64) -> Result<Changed, DataError> {
        self.inner.writer.write(Op::ExpireBlobs { now_unix_ms }).await
    }
}

/// A blob whose size and digest are right.
pub(crate) fn checked(
    config: &StoreConfig,
    digest: Digest,
    kind: BlobKind,
    bytes: Bytes,
    expires_unix_ms: u64,
) -> Result<NewBlob, DataError> {
    DataError::check_size("the blob", bytes.len(), config.blob_bytes_max)?;
    let got = Digest::of(&bytes);
    if got != digest {
        return Err(DataError::DigestMismatch { expected: digest, got });
    }
    Ok(NewBlob { digest, kind, bytes, expires_unix_ms })
}

impl fmt::Debug for BlobStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobStore").finish_non_exhaustive()
    }
}
