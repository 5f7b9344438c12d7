//! Applies a group of writes in one transaction.
//!
//! Invariants: a write that is refused (no room) changes nothing and disturbs no other of its
//! group; a failure of the engine fails the whole group, and after a panic or a failed commit
//! every later one; the published usage is that of the last commit.

use crate::blobs::{BlobKind, EXPIRE_MAX, NEVER_EXPIRES};
use crate::error::DataError;
use crate::store::guarded;
use crate::tables::{BLOB_EXPIRY, BLOB_INFO, BLOBS, DOCUMENTS};
use crate::usage::{Changed, SharedUsage, Usage};
use crate::writer::Op;
use bytes::Bytes;
use redb::{Database, ReadableTable as _, WriteTransaction};
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
        let write = self.database.begin_write()?;
        let mut outcomes = Vec::with_capacity(ops.len());
        let mut writes = 0;
        for op in ops {
            let outcome = self.one(&write, op)?;
            writes += u64::from(outcome.as_ref().is_ok_and(|changed| changed.entries > 0));
            outcomes.push(outcome);
        }
        if writes == 0 {
            write.abort()?;
        } else {
            write.commit()?;
            self.usage.commits += 1;
            self.usage.writes += writes;
        }
        Ok(outcomes)
    }

    fn one(&mut self, write: &WriteTransaction, op: Op) -> Result<Outcome, redb::Error> {
        match op {
            Op::PutBlob { digest, kind, bytes, expires_unix_ms } => {
                self.put_blob(write, digest, kind, &bytes, expires_unix_ms)
            }
            Op::RemoveBlobs { digests } => self.remove_blobs(write, &digests).map(Ok),
            Op::ExpireBlobs { now_unix_ms } => self.expire_blobs(write, now_unix_ms).map(Ok),
            Op::PutDocuments { entries } => self.put_documents(write, entries),
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

    fn put_blob(
        &mut self,
        write: &WriteTransaction,
        digest: Digest,
        kind: BlobKind,
        bytes: &[u8],
        expires_unix_ms: u64,
    ) -> Result<Outcome, redb::Error> {
        let mut info = write.open_table(BLOB_INFO)?;
        let mut expiry = write.open_table(BLOB_EXPIRY)?;
        let known = info.get(digest.0)?.map(|row| row.value());
        let mut changed = Changed::default();
        if let Some((kind, length_bytes, old_expiry)) = known {
            if expires_unix_ms > old_expiry {
                expiry.remove((old_expiry, digest.0))?;
                info.insert(digest.0, (kind, length_bytes, expires_unix_ms))?;
                changed.entries = 1;
            }
        } else {
            let length_bytes = bytes.len() as u64;
            if let Err(full) = self.check_room(length_bytes, 0) {
                return Ok(Err(full));
            }
            write.open_table(BLOBS)?.insert(digest.0, bytes)?;
            info.insert(digest.0, (kind.code(), length_bytes, expires_unix_ms))?;
            self.usage.blobs += 1;
            self.usage.blob_bytes += length_bytes;
            changed.add(length_bytes);
        }
        if changed.entries > 0 && expires_unix_ms != NEVER_EXPIRES {
            expiry.insert((expires_unix_ms, digest.0), ())?;
        }
        Ok(Ok(changed))
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

    fn put_documents(
        &mut self,
        write: &WriteTransaction,
        entries: Vec<(Vec<u8>, Bytes)>,
    ) -> Result<Outcome, redb::Error> {
        // The last of several entries with one key counts.
        let entries: BTreeMap<Vec<u8>, Bytes> = entries.into_iter().collect();
        let mut documents = write.open_table(DOCUMENTS)?;
        let (mut changed, mut freed, mut replaced) = (Changed::default(), 0, 0);
        for (key, value) in &entries {
            changed.add((key.len() + value.len()) as u64);
            if let Some(old) = documents.get(key.as_slice())? {
                replaced += 1;
                freed += (key.len() + old.value().len()) as u64;
            }
        }
        if let Err(full) = self.check_room(changed.bytes, freed) {
            return Ok(Err(full));
        }
        for (key, value) in &entries {
            documents.insert(key.as_slice(), value.as_ref())?;
        }
        self.usage.documents += changed.entries - replaced;
        self.usage.document_bytes =
            self.usage.document_bytes.saturating_sub(freed).saturating_add(changed.bytes);
        Ok(Ok(changed))
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
