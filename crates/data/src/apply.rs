//! Applies a group of writes in one transaction.
//!
//! Invariants: a write that is refused (no room) changes nothing and disturbs no other of its
//! group; a failure of the engine fails the whole group, and after a panic or a failed commit
//! every later one; the published usage is that of the last commit.

use crate::blobs::{EXPIRE_MAX, NEVER_EXPIRES};
use crate::error::DataError;
use crate::store::guarded;
use crate::tables::{BLOB_EXPIRY, BLOB_INFO, BLOBS, DOCUMENTS};
use crate::usage::{Changed, SharedUsage, Usage};
use crate::writer::{NewBlob, Op};
use bytes::Bytes;
use redb::{Database, Durability, ReadableTable as _, WriteTransaction};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use trustmesh_types::Digest;

type Outcome = Result<Changed, DataError>;

/// The writer's view of an open store.
pub(crate) struct Open {
    path: PathBuf,
    database: Arc<Database>,
    published: Arc<SharedUsage>,
    bytes_max: u64,
    usage: Usage,
    failed: Option<DataError>,
}

impl Open {
    pub(crate) fn new(
        path: &Path,
        database: Arc<Database>,
        published: Arc<SharedUsage>,
        bytes_max: u64,
    ) -> Self {
        let usage = published.read();
        Self { path: path.to_owned(), database, published, bytes_max, usage, failed: None }
    }

    /// Applies and commits `ops`; gives one result for each, in order.
    pub(crate) fn apply(&mut self, ops: Vec<Op>) -> Vec<Outcome> {
        let count = ops.len();
        if let Some(error) = &self.failed {
            return vec![Err(error.clone()); count];
        }
        let path = self.path.clone();
        match guarded(&path, || self.transact(ops)) {
            Ok(outcomes) => {
                self.published.publish(self.usage);
                outcomes
            }
            Err(error) => {
                // What is on disk now is for the next start to find out.
                self.failed = Some(error.clone());
                vec![Err(error); count]
            }
        }
    }

    fn transact(&mut self, ops: Vec<Op>) -> Result<Vec<Outcome>, redb::Error> {
        let mut write = self.database.begin_write()?;
        let mut outcomes = Vec::with_capacity(ops.len());
        let (mut writes, mut lazy) = (0, true);
        for op in ops {
            let is_lazy = op.is_lazy();
            let outcome = self.one(&write, op)?;
            if outcome.as_ref().is_ok_and(|changed| changed.entries > 0) {
                writes += 1;
                lazy &= is_lazy;
            }
            outcomes.push(outcome);
        }
        if writes == 0 {
            write.abort()?;
            return Ok(outcomes);
        }
        if lazy {
            write.set_durability(Durability::None)?;
        } else {
            self.usage.commits += 1;
        }
        write.commit()?;
        self.usage.writes += writes;
        Ok(outcomes)
    }

    fn one(&mut self, write: &WriteTransaction, op: Op) -> Result<Outcome, redb::Error> {
        match op {
            Op::Put { blobs, documents, .. } => self.put(write, &blobs, documents),
            Op::RemoveBlobs { digests } => self.remove_blobs(write, &digests).map(Ok),
            Op::ExpireBlobs { now_unix_ms } => self.expire_blobs(write, now_unix_ms).map(Ok),
            Op::RemoveDocuments { keys } => self.remove_documents(write, &keys).map(Ok),
            Op::PruneDocuments { from, to, limit } => {
                self.prune_documents(write, &from, &to, limit).map(Ok)
            }
        }
    }

    /// Whether `added` bytes fit in place of `freed` ones. What doesn't grow always fits.
    fn check_room(&self, added: u64, freed: u64) -> Result<(), DataError> {
        let used_bytes = self.usage.bytes();
        let after = used_bytes.saturating_sub(freed).saturating_add(added);
        if added <= freed || after <= self.bytes_max {
            return Ok(());
        }
        Err(DataError::StoreFull {
            needed_bytes: added - freed,
            used_bytes,
            max_bytes: self.bytes_max,
        })
    }

    fn put(
        &mut self,
        write: &WriteTransaction,
        blobs: &[NewBlob],
        documents: Vec<(Vec<u8>, Bytes)>,
    ) -> Result<Outcome, redb::Error> {
        // The last of several documents with one key counts.
        let documents: BTreeMap<Vec<u8>, Bytes> = documents.into_iter().collect();
        let (mut added, mut freed) = (0, 0);
        if !blobs.is_empty() {
            let info = write.open_table(BLOB_INFO)?;
            for blob in blobs {
                if info.get(blob.digest.0)?.is_none() {
                    added += blob.bytes.len() as u64;
                }
            }
        }
        if !documents.is_empty() {
            let table = write.open_table(DOCUMENTS)?;
            for (key, value) in &documents {
                added += (key.len() + value.len()) as u64;
                if let Some(old) = table.get(key.as_slice())? {
                    freed += (key.len() + old.value().len()) as u64;
                }
            }
        }
        if let Err(full) = self.check_room(added, freed) {
            return Ok(Err(full));
        }
        let mut changed = Changed::default();
        for blob in blobs {
            self.put_blob(write, blob, &mut changed)?;
        }
        if !documents.is_empty() {
            self.put_documents(write, &documents, &mut changed)?;
        }
        Ok(Ok(changed))
    }

    fn put_blob(
        &mut self,
        write: &WriteTransaction,
        blob: &NewBlob,
        changed: &mut Changed,
    ) -> Result<(), redb::Error> {
        let (digest, expires_unix_ms) = (blob.digest.0, blob.expires_unix_ms);
        let mut info = write.open_table(BLOB_INFO)?;
        let mut expiry = write.open_table(BLOB_EXPIRY)?;
        let known = info.get(digest)?.map(|row| row.value());
        if let Some((kind, length_bytes, old_expiry)) = known {
            if expires_unix_ms <= old_expiry {
                return Ok(());
            }
            expiry.remove((old_expiry, digest))?;
            info.insert(digest, (kind, length_bytes, expires_unix_ms))?;
            changed.add(0);
        } else {
            let length_bytes = blob.bytes.len() as u64;
            write.open_table(BLOBS)?.insert(digest, blob.bytes.as_ref())?;
            info.insert(digest, (blob.kind.code(), length_bytes, expires_unix_ms))?;
            self.usage.blobs += 1;
            self.usage.blob_bytes += length_bytes;
            changed.add(length_bytes);
        }
        if expires_unix_ms != NEVER_EXPIRES {
            expiry.insert((expires_unix_ms, digest), ())?;
        }
        Ok(())
    }

    fn put_documents(
        &mut self,
        write: &WriteTransaction,
        documents: &BTreeMap<Vec<u8>, Bytes>,
        changed: &mut Changed,
    ) -> Result<(), redb::Error> {
        let mut table = write.open_table(DOCUMENTS)?;
        for (key, value) in documents {
            let bytes = (key.len() + value.len()) as u64;
            let old = table.insert(key.as_slice(), value.as_ref())?;
            let old_bytes = old.map(|old| (key.len() + old.value().len()) as u64);
            self.usage.documents += u64::from(old_bytes.is_none());
            self.usage.document_bytes =
                self.usage.document_bytes.saturating_sub(old_bytes.unwrap_or(0)) + bytes;
            changed.add(bytes);
        }
        Ok(())
    }

    fn expire_blobs(
        &mut self,
        write: &WriteTransaction,
        now_unix_ms: u64,
    ) -> Result<Changed, redb::Error> {
        let mut due = Vec::new();
        for row in
            write.open_table(BLOB_EXPIRY)?.range(..=(now_unix_ms, [u8::MAX; 32]))?.take(EXPIRE_MAX)
        {
            due.push(Digest(row?.0.value().1));
        }
        self.remove_blobs(write, &due)
    }

    fn remove_blobs(
        &mut self,
        write: &WriteTransaction,
        digests: &[Digest],
    ) -> Result<Changed, redb::Error> {
        let mut changed = Changed::default();
        if digests.is_empty() {
            return Ok(changed);
        }
        let mut blobs = write.open_table(BLOBS)?;
        let mut info = write.open_table(BLOB_INFO)?;
        let mut expiry = write.open_table(BLOB_EXPIRY)?;
        for digest in digests {
            let known = info.remove(digest.0)?.map(|row| row.value());
            let Some((_, length_bytes, expires_unix_ms)) = known else { continue };
            expiry.remove((expires_unix_ms, digest.0))?;
            blobs.remove(digest.0)?;
            self.usage.blobs = self.usage.blobs.saturating_sub(1);
            self.usage.blob_bytes = self.usage.blob_bytes.saturating_sub(length_bytes);
            changed.add(length_bytes);
        }
        Ok(changed)
    }

    fn prune_documents(
        &mut self,
        write: &WriteTransaction,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Changed, redb::Error> {
        let mut keys = Vec::new();
        if from < to {
            for row in write.open_table(DOCUMENTS)?.range(from..to)?.take(limit) {
                keys.push(row?.0.value().to_vec());
            }
        }
        self.remove_documents(write, &keys)
    }

    fn remove_documents(
        &mut self,
        write: &WriteTransaction,
        keys: &[Vec<u8>],
    ) -> Result<Changed, redb::Error> {
        let mut changed = Changed::default();
        let mut documents = write.open_table(DOCUMENTS)?;
        for key in keys {
            if let Some(old) = documents.remove(key.as_slice())? {
                changed.add((key.len() + old.value().len()) as u64);
            }
        }
        self.usage.documents = self.usage.documents.saturating_sub(changed.entries);
        self.usage.document_bytes = self.usage.document_bytes.saturating_sub(changed.bytes);
        Ok(changed)
    }
}
