//! Contents: what an application's artifact is made of, down to chunks that can be checked one
//! by one (PROTOCOL §7, ADR 0008).
//!
//! An artifact is a module, or a container image: an OCI manifest or index and all that it
//! names. Its blobs are named by their SHA-256, as the OCI specification does, so what a
//! registry serves and what a node serves are the same bytes. A blob of more than one chunk
//! also has its chunks' digests here: whoever fetches it knows after [`CHUNK_BYTES`] who lies,
//! can ask several nodes at once, and goes on where it stopped.
//!
//! Invariant of a valid one: blobs in strict order of their digests, each with exactly the
//! chunk digests that its length asks for, the root among them, all within the bounds of
//! [`crate::limits`]. So one artifact has one encoding, and its digest is signed by the
//! publisher.

use crate::{
    codec,
    digest::{Digest, Hasher},
    limits::{ARTIFACT_BLOBS_MAX, ARTIFACT_BYTES_MAX, CONTENTS_BYTES_MAX},
};
use borsh::{BorshDeserialize, BorshSerialize};
use std::ops::Range;

/// Version of the encoding.
pub const CONTENTS_VERSION: u8 = 1;
/// Bytes of a chunk; the last one of a blob may have fewer.
pub const CHUNK_BYTES: u64 = 1024 * 1024;

/// One blob of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BlobEntry {
    /// SHA-256 of the blob.
    pub digest: Digest,
    /// Its length, at least 1.
    pub bytes: u64,
    /// SHA-256 of its chunks, in order; empty when it is one chunk, whose digest is its own.
    pub chunks: Vec<Digest>,
}

/// All blobs of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Contents {
    /// [`CONTENTS_VERSION`].
    version: u8,
    /// The module, or the image's manifest or index.
    root: Digest,
    /// In strict order of their digests.
    blobs: Vec<BlobEntry>,
}

/// Why contents are not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentsError {
    /// They can't be decoded.
    #[error(transparent)]
    Codec(#[from] codec::DecodeError),
    /// Written by another version of the program.
    #[error("the artifact's contents have version {got}, this program reads {CONTENTS_VERSION}")]
    Version {
        /// The version named.
        got: u8,
    },
    /// Too many blobs.
    #[error("the artifact has {got} blobs, at most {ARTIFACT_BLOBS_MAX} are allowed")]
    Blobs {
        /// How many there are.
        got: usize,
    },
    /// Too many bytes.
    #[error("the artifact has {got} bytes, at most {ARTIFACT_BYTES_MAX} are allowed")]
    Bytes {
        /// How many there are.
        got: u64,
    },
    /// A blob is out of order, empty, or has other chunks than its length asks for.
    #[error("blob {digest} of the artifact's contents {why}")]
    Blob {
        /// The blob.
        digest: Digest,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The root is no blob of it.
    #[error("the artifact's root {root} is not among its blobs")]
    Root {
        /// The root.
        root: Digest,
    },
}

impl BlobEntry {
    /// The entry of a blob that is in memory.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = BlobHasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    /// Number of its chunks.
    #[must_use]
    pub const fn chunk_count(&self) -> u64 {
        self.bytes.div_ceil(CHUNK_BYTES)
    }

    /// Where a chunk lies in the blob, and its digest; `None` past the end.
    #[must_use]
    pub fn chunk(&self, index: u64) -> Option<(Range<u64>, Digest)> {
        let start = index.checked_mul(CHUNK_BYTES).filter(|start| *start < self.bytes)?;
        let end = start.saturating_add(CHUNK_BYTES).min(self.bytes);
        if self.chunk_count() == 1 {
            return Some((start..end, self.digest));
        }
        let digest = self.chunks.get(usize::try_from(index).ok()?)?;
        Some((start..end, *digest))
    }

    fn check(&self) -> Result<(), ContentsError> {
        let wrong = |why| Err(ContentsError::Blob { digest: self.digest, why });
        if self.bytes == 0 {
            return wrong("is empty");
        }
        let expected = match self.chunk_count() {
            1 => 0,
            count => count,
        };
        if self.chunks.len() as u64 != expected {
            return wrong("has other chunks than its length asks for");
        }
        Ok(())
    }
}

impl Contents {
    /// Contents of blobs in any order; equal ones count once.
    ///
    /// # Errors
    /// [`ContentsError`] when they are not valid.
    pub fn new(root: Digest, mut blobs: Vec<BlobEntry>) -> Result<Self, ContentsError> {
        blobs.sort_by_key(|blob| blob.digest);
        blobs.dedup();
        let contents = Self { version: CONTENTS_VERSION, root, blobs };
        contents.validate()?;
        Ok(contents)
    }

    /// Contents of a single blob: a module.
    ///
    /// # Errors
    /// [`ContentsError`] when it is empty or too large.
    pub fn of_module(module: &[u8]) -> Result<Self, ContentsError> {
        let blob = BlobEntry::of(module);
        Self::new(blob.digest, vec![blob])
    }

    /// Reads contents that came from outside.
    ///
    /// # Errors
    /// [`ContentsError`] when they are malformed or not valid.
    pub fn decode(bytes: &[u8]) -> Result<Self, ContentsError> {
        let contents: Self = codec::decode("an artifact's contents", bytes, CONTENTS_BYTES_MAX)?;
        contents.validate()?;
        Ok(contents)
    }

    fn validate(&self) -> Result<(), ContentsError> {
        if self.version != CONTENTS_VERSION {
            return Err(ContentsError::Version { got: self.version });
        }
        if self.blobs.len() > ARTIFACT_BLOBS_MAX {
            return Err(ContentsError::Blobs { got: self.blobs.len() });
        }
        let mut before: Option<Digest> = None;
        for blob in &self.blobs {
            blob.check()?;
            if before.is_some_and(|before| before >= blob.digest) {
                let why = "is not in the order of digests";
                return Err(ContentsError::Blob { digest: blob.digest, why });
            }
            before = Some(blob.digest);
        }
        if self.bytes() > ARTIFACT_BYTES_MAX {
            return Err(ContentsError::Bytes { got: self.bytes() });
        }
        if self.blob(&self.root).is_none() {
            return Err(ContentsError::Root { root: self.root });
        }
        Ok(())
    }

    /// The encoding, what the digest is of.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Digest of the encoding: names the artifact with all that belongs to it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.encode())
    }

    /// The module, or the image's manifest or index.
    #[must_use]
    pub const fn root(&self) -> Digest {
        self.root
    }

    /// The blobs, in order of their digests.
    #[must_use]
    pub fn blobs(&self) -> &[BlobEntry] {
        &self.blobs
    }

    /// A blob by its digest.
    #[must_use]
    pub fn blob(&self, digest: &Digest) -> Option<&BlobEntry> {
        let at = self.blobs.binary_search_by_key(digest, |blob| blob.digest).ok()?;
        self.blobs.get(at)
    }

    /// Bytes of all blobs.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.blobs.iter().fold(0, |sum, blob| sum.saturating_add(blob.bytes))
    }
}

/// Makes the entry of a blob that goes by piece by piece.
#[derive(Clone, Default)]
pub struct BlobHasher {
    whole: Hasher,
    chunk: Hasher,
    in_chunk: u64,
    bytes: u64,
    chunks: Vec<Digest>,
}

impl BlobHasher {
    /// The blob goes on with `bytes`.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.whole.update(bytes);
        while !bytes.is_empty() {
            let room = usize::try_from(CHUNK_BYTES.saturating_sub(self.in_chunk));
            let (now, rest) = bytes.split_at(room.unwrap_or(usize::MAX).min(bytes.len()));
            self.chunk.update(now);
            self.in_chunk = self.in_chunk.saturating_add(now.len() as u64);
            self.bytes = self.bytes.saturating_add(now.len() as u64);
            if self.in_chunk == CHUNK_BYTES {
                self.close_chunk();
            }
            bytes = rest;
        }
    }

    fn close_chunk(&mut self) {
        self.chunks.push(std::mem::take(&mut self.chunk).finish());
        self.in_chunk = 0;
    }

    /// The entry of what went by.
    #[must_use]
    pub fn finish(mut self) -> BlobEntry {
        if self.in_chunk > 0 {
            self.close_chunk();
        }
        if self.chunks.len() == 1 {
            self.chunks.clear();
        }
        BlobEntry { digest: self.whole.finish(), bytes: self.bytes, chunks: self.chunks }
    }
}

impl std::fmt::Debug for BlobHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlobHasher").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: usize = CHUNK_BYTES as usize;

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i.wrapping_mul(31) >> 3) as u8).collect()
    }

    #[test]
    fn chunks_are_those_of_the_bytes_however_they_come() {
        for len in [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7] {
            let data = bytes(len);
            let entry = BlobEntry::of(&data);
            let mut hasher = BlobHasher::default();
            data.chunks(77_777).for_each(|piece| hasher.update(piece));
            assert_eq!(hasher.finish(), entry, "{len}");
            assert_eq!((entry.digest, entry.bytes), (Digest::of(&data), len as u64));
            let parts: Vec<&[u8]> = data.chunks(CHUNK).collect();
            assert_eq!(entry.chunk_count(), parts.len() as u64);
            for (index, part) in parts.iter().enumerate() {
                let (range, digest) = entry.chunk(index as u64).unwrap();
                assert_eq!(&&data[range.start as usize..range.end as usize], part);
                assert_eq!(digest, Digest::of(part));
            }
            assert_eq!(entry.chunk(parts.len() as u64), None);
            assert_eq!(entry.chunk(u64::MAX), None);
        }
    }

    #[test]
    fn one_artifact_has_one_encoding() {
        let entries = [bytes(5), bytes(CHUNK + 2), bytes(9)].map(|b| BlobEntry::of(&b));
        let root = entries[1].digest;
        let contents = Contents::new(root, entries.to_vec()).unwrap();
        let again = Contents::new(root, entries.iter().rev().cloned().collect()).unwrap();
        assert_eq!(contents, again);
        assert_eq!(Contents::decode(&contents.encode()), Ok(contents.clone()));
        assert_eq!(contents.bytes(), (5 + CHUNK + 2 + 9) as u64);
        assert_eq!(contents.blob(&root), Some(&entries[1]));
        assert_eq!(contents.blob(&Digest::of(b"no")), None);
    }

    #[test]
    fn what_is_not_valid_is_named() {
        let (one, two) = (BlobEntry::of(b"one"), BlobEntry::of(&bytes(CHUNK + 1)));
        let root = one.digest;
        let mut sorted = vec![one.clone(), two.clone()];
        sorted.sort_by_key(|blob| blob.digest);
        let contents = |version, root, blobs: &[BlobEntry]| {
            let raw = Contents { version, root, blobs: blobs.to_vec() };
            Contents::decode(&raw.encode()).map_err(|error| error.to_string())
        };
        assert!(contents(1, root, &sorted).is_ok());
        let swapped = [sorted[1].clone(), sorted[0].clone()];
        let short = BlobEntry { chunks: two.chunks[..1].to_vec(), ..two.clone() };
        let needless = BlobEntry { chunks: vec![one.digest], ..one.clone() };
        let many: Vec<BlobEntry> =
            (0..=ARTIFACT_BLOBS_MAX as u32).map(|i| BlobEntry::of(&i.to_le_bytes())).collect();
        for (version, root, blobs, part) in [
            (2, root, sorted.as_slice(), "version 2"),
            (1, Digest::of(b"else"), &sorted, "not among its blobs"),
            (1, root, &swapped, "order"),
            (1, root, &[one.clone(), one.clone()], "order"),
            (1, root, &[], "not among its blobs"),
            (1, short.digest, std::slice::from_ref(&short), "other chunks"),
            (1, root, std::slice::from_ref(&needless), "other chunks"),
            (1, root, &[BlobEntry { bytes: 0, ..one.clone() }], "empty"),
            (1, root, &[BlobEntry { bytes: u64::MAX, ..one.clone() }], "other chunks"),
            (1, root, &many, "at most"),
        ] {
            let error = contents(version, root, blobs).unwrap_err();
            assert!(error.contains(part), "{error}, expected {part}");
        }
        assert!(Contents::decode(&[0; CONTENTS_BYTES_MAX + 1]).is_err());
        assert!(Contents::of_module(b"").is_err());
    }
}
