//! Reading all of a store without changing it: for whoever asks whether a stopped node's file
//! is sound. Every row is read and every blob held against its digest; the pages' own checksums
//! are the engine's to check when a node opens the file.

use crate::{
    error::DataError,
    store::{corrupt, guarded},
    tables::{ABOUT, BLOBS, FORMAT, FORMAT_ROW},
    usage::{Usage, count},
};
use redb::{Database, ReadTransaction, ReadableDatabase as _, ReadableTable as _};
use std::path::Path;
use trustmesh_types::Digest;

/// Memory for the engine's pages.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// A store that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inspected {
    /// All of it reads.
    Sound(Usage),
    /// It was not closed in order, as after a crash: the next start repairs it.
    Unclosed,
}

/// Reads the whole file at `path`, which no process may have open.
///
/// # Errors
/// [`DataError::InUse`], [`DataError::Corrupt`] or [`DataError::Io`].
pub fn inspect(path: &Path) -> Result<Inspected, DataError> {
    let mut foreign = None;
    let inspected = guarded(path, || {
        let opened = Database::builder().set_cache_size(CACHE_BYTES).open_read_only(path);
        let database = match opened {
            Err(redb::DatabaseError::RepairAborted) => return Ok(Inspected::Unclosed),
            opened => opened?,
        };
        let read = database.begin_read()?;
        let format = read.open_table(ABOUT)?.get(FORMAT_ROW)?.map(|row| row.value());
        if format != Some(FORMAT) {
            return Err(redb::Error::Corrupted(format!("its format is {format:?}")));
        }
        foreign = false_blob(&read)?;
        Ok(Inspected::Sound(count(&read)?))
    })?;
    match foreign {
        Some(digest) => Err(corrupt(path, &format!("blob {digest} is not what it was"))),
        None => Ok(inspected),
    }
}

/// The first blob that does not match its digest.
fn false_blob(read: &ReadTransaction) -> Result<Option<Digest>, redb::Error> {
    for row in read.open_table(BLOBS)?.iter()? {
        let (digest, bytes) = row?;
        let digest = Digest(digest.value());
        if Digest::of(bytes.value()) != digest {
            return Ok(Some(digest));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BlobKind, NEVER_EXPIRES, Store, StoreConfig};

    #[tokio::test]
    async fn a_store_is_read_without_changing_it_and_damage_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let blob = vec![0xab; 9_000];
        let digest = Digest::of(&blob);
        let store = Store::open(&path, StoreConfig::default()).unwrap();
        let batch = store.batch().blob(digest, BlobKind::Output, blob.into(), NEVER_EXPIRES);
        batch.unwrap().write().await.unwrap();
        assert!(matches!(inspect(&path), Err(DataError::InUse { .. })));
        drop(store);

        let before = std::fs::read(&path).unwrap();
        let Inspected::Sound(usage) = inspect(&path).unwrap() else { panic!("not sound") };
        assert_eq!((usage.blobs, usage.blob_bytes), (1, 9_000));
        assert_eq!(std::fs::read(&path).unwrap(), before);

        let at = before.windows(64).position(|part| part == [0xab; 64]).unwrap();
        let mut changed = before.clone();
        changed[at] ^= 1;
        std::fs::write(&path, &changed).unwrap();
        assert!(matches!(inspect(&path), Err(DataError::Corrupt { .. })));
        // The engine takes a short file for one that was not closed.
        std::fs::write(&path, &before[..before.len() / 3]).unwrap();
        assert!(!matches!(inspect(&path), Ok(Inspected::Sound(_))));
    }
}
