//! Opening the file, its bounds, and guarded reading.
//!
//! Invariants: one process has the file open; its every page is checked when it is opened;
//! the engine's panics (it panics on some damaged pages) become errors here and in the writer.

use crate::apply::Open;
use crate::batch::Batch;
use crate::blobs::BlobStore;
use crate::checked_file::sync_directory_of;
use crate::documents::Documents;
use crate::error::DataError;
use crate::tables::{ABOUT, BLOB_EXPIRY, BLOB_INFO, BLOBS, DOCUMENTS, FORMAT, FORMAT_ROW};
use crate::usage::{SharedUsage, Usage, count};
use crate::writer::{Op, Writer};
use redb::{Database, ReadTransaction, ReadableDatabase as _};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MIB: usize = 1024 * 1024;

/// Bounds of a store.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Bytes of blobs and documents that are kept at most. The file itself can be about
    /// twice as large while pages wait to be used again.
    pub bytes_max: u64,
    /// Bytes of writes that may wait for a commit; more wait before they are queued.
    pub queue_bytes_max: usize,
    /// Largest blob.
    pub blob_bytes_max: usize,
    /// Largest document.
    pub document_bytes_max: usize,
    /// Memory for the engine's pages.
    pub cache_bytes: usize,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            bytes_max: 2 * 1024 * MIB as u64,
            queue_bytes_max: 64 * MIB,
            blob_bytes_max: 64 * MIB,
            document_bytes_max: 16 * MIB,
            cache_bytes: 8 * MIB,
        }
    }
}

/// An open store. Clones share it; when the last one goes, queued writes are committed and
/// the file is closed.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// What blobs, documents and the store share.
pub(crate) struct Inner {
    // First, so that it commits what is queued and ends before the rest is dropped.
    pub(crate) writer: Writer,
    pub(crate) config: StoreConfig,
    database: Arc<Database>,
    usage: Arc<SharedUsage>,
    path: PathBuf,
}

impl Store {
    /// Opens the file at `path`, or makes it. Every page of an existing file is checked
    /// first, so this takes time in proportion to its size.
    ///
    /// # Errors
    /// [`DataError::InUse`], [`DataError::Corrupt`] or [`DataError::Io`].
    pub fn open(path: &Path, config: StoreConfig) -> Result<Self, DataError> {
        let (database, usage) = guarded(path, || open_database(path, config.cache_bytes))?;
        sync_directory_of(path)?;
        let database = Arc::new(database);
        let usage = Arc::new(SharedUsage::new(usage));
        let open = Open::new(path, Arc::clone(&database), Arc::clone(&usage), config.bytes_max);
        let writer = Writer::start(open, config.queue_bytes_max)
            .map_err(|error| io_error("start the writer of", path, &error))?;
        let path = path.to_owned();
        Ok(Self { inner: Arc::new(Inner { writer, config, database, usage, path }) })
    }

    /// The blobs in this store.
    #[must_use]
    pub fn blobs(&self) -> BlobStore {
        BlobStore::new(Arc::clone(&self.inner))
    }

    /// The documents in this store.
    #[must_use]
    pub fn documents(&self) -> Documents {
        Documents::new(Arc::clone(&self.inner))
    }

    /// An empty batch for this store.
    #[must_use]
    pub fn batch(&self) -> Batch {
        Batch::new(self.clone())
    }

    pub(crate) fn config(&self) -> &StoreConfig {
        &self.inner.config
    }

    pub(crate) async fn write(&self, op: Op) -> Result<(), DataError> {
        self.inner.writer.write(op).await.map(drop)
    }

    /// What the store holds and has done.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.inner.usage.read()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.inner.path)
            .field("usage", &self.usage())
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// Reads from the last commit.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, DataError> {
        guarded(&self.path, || {
            let read = self.database.begin_read()?;
            work(&read)
        })
    }
}

/// Runs engine code; its errors and panics become ours.
pub(crate) fn guarded<T>(
    path: &Path,
    work: impl FnOnce() -> Result<T, redb::Error>,
) -> Result<T, DataError> {
    // Nothing of a call that panicked is used again: a read transaction is gone, and the
    // writer stops (`writer.rs`).
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| engine_error(path, error)),
        Err(_) => Err(corrupt(path, "a page is damaged; the database engine gave up on it")),
    }
}

fn open_database(path: &Path, cache_bytes: usize) -> Result<(Database, Usage), redb::Error> {
    let database = Database::builder()
        .set_cache_size(cache_bytes)
        .set_check_integrity_on_open(true)
        .create(path)?;
    if !is_ours(&database)? {
        let write = database.begin_write()?;
        write.open_table(BLOBS)?;
        write.open_table(BLOB_INFO)?;
        write.open_table(BLOB_EXPIRY)?;
        write.open_table(DOCUMENTS)?;
        write.open_table(ABOUT)?.insert(FORMAT_ROW, FORMAT)?;
        write.commit()?;
    }
    let usage = count(&database.begin_read()?)?;
    Ok((database, usage))
}

/// Whether the file has our tables; a new one has none at all, and others are refused.
fn is_ours(database: &Database) -> Result<bool, redb::Error> {
    let read = database.begin_read()?;
    if read.list_tables()?.next().is_none() && read.list_multimap_tables()?.next().is_none() {
        return Ok(false);
    }
    let format = match read.open_table(ABOUT) {
        Ok(about) => about.get(FORMAT_ROW)?.map(|row| row.value()),
        Err(redb::TableError::TableDoesNotExist(_)) => None,
        Err(error) => return Err(error.into()),
    };
    match format {
        Some(FORMAT) => Ok(true),
        Some(other) => Err(redb::Error::Corrupted(format!(
            "its format is {other}, this program knows {FORMAT}"
        ))),
        None => Err(redb::Error::Corrupted("its tables are not a node's".to_owned())),
    }
}

/// What the engine's error means to us.
pub(crate) fn engine_error(path: &Path, error: redb::Error) -> DataError {
    use std::io::ErrorKind::{InvalidData, UnexpectedEof};
    match error {
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => {
            DataError::InUse { path: path.to_owned() }
        }
        redb::Error::Corrupted(reason) => corrupt(path, &reason),
        redb::Error::UpgradeRequired(version) => {
            corrupt(path, &format!("the engine's format is {version}"))
        }
        redb::Error::Io(error) if matches!(error.kind(), InvalidData | UnexpectedEof) => {
            corrupt(path, &error.to_string())
        }
        redb::Error::Io(error) => io_error("read or write", path, &error),
        other => DataError::Engine { path: path.to_owned(), reason: other.to_string() },
    }
}

pub(crate) fn corrupt(path: &Path, reason: &str) -> DataError {
    DataError::Corrupt { path: path.to_owned(), reason: reason.to_owned() }
}

pub(crate) fn io_error(action: &'static str, path: &Path, error: &std::io::Error) -> DataError {
    DataError::Io { action, path: path.to_owned(), reason: error.to_string() }
}
