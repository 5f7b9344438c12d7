//! A blob on its way: a sparse file, and which chunks of it are there.

use super::error::ArtifactError;
use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};
use trustmesh_types::{
    Digest,
    contents::{BlobEntry, CHUNK_BYTES},
    digest::Hasher,
};

/// Bytes that are hashed at once when a file is read through.
const READ_BYTES: usize = 256 * 1024;

/// Which chunks of a blob are there.
#[derive(Debug, Clone)]
pub(super) struct Partial {
    path: PathBuf,
    entry: BlobEntry,
    have: Vec<bool>,
    left: u64,
}

impl Partial {
    /// What of a blob lies at a path already: chunks that fit their digests.
    pub(super) fn resume(path: PathBuf, entry: &BlobEntry) -> Result<Self, ArtifactError> {
        let count = usize::try_from(entry.chunk_count()).unwrap_or(usize::MAX);
        let (have, left) = (vec![false; count], entry.chunk_count());
        let mut partial = Self { path, entry: entry.clone(), have, left };
        let file = match File::open(&partial.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(partial),
            Err(error) => return Err(ArtifactError::io("open", &partial.path, &error)),
        };
        let mut buffer = vec![0; usize::try_from(CHUNK_BYTES).unwrap_or(usize::MAX)];
        for index in 0..entry.chunk_count() {
            let Some((range, digest)) = entry.chunk(index) else { break };
            let bytes = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0);
            let Some(chunk) = buffer.get_mut(..bytes) else { break };
            if file.read_exact_at(chunk, range.start).is_ok() && Digest::of(chunk) == digest {
                partial.mark(index);
            }
        }
        Ok(partial)
    }

    /// A chunk is there. True when it is the last one, once.
    pub(super) fn mark(&mut self, index: u64) -> bool {
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        let Some(have) = self.have.get_mut(at).filter(|have| !**have) else { return false };
        *have = true;
        self.left = self.left.saturating_sub(1);
        self.left == 0
    }

    /// Whether it is of a blob as it is said to be.
    pub(super) fn is_of(&self, entry: &BlobEntry) -> bool {
        self.entry == *entry
    }

    /// Whether all chunks are there.
    pub(super) const fn is_whole(&self) -> bool {
        self.left == 0
    }

    /// The chunks that are not there.
    pub(super) fn missing(&self) -> impl Iterator<Item = u64> {
        (0..).zip(&self.have).filter(|(_, have)| !**have).map(|(index, _)| index)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Writes a chunk that was checked.
pub(super) fn write(path: &Path, at: u64, bytes: &[u8]) -> Result<(), ArtifactError> {
    let io = |error: std::io::Error| ArtifactError::io("write", path, &error);
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(io)?;
    file.write_all_at(bytes, at).map_err(io)
}

/// Digest of a whole file.
pub(super) fn digest(path: &Path) -> Result<Digest, ArtifactError> {
    let io = |error: std::io::Error| ArtifactError::io("read", path, &error);
    let (mut file, mut hasher) = (File::open(path).map_err(io)?, Hasher::default());
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(read) => hasher.update(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(io(error)),
        }
    }
}
