//! What can go wrong with an artifact. Sizes are in bytes.

use std::path::PathBuf;
use trustmesh_types::{Digest, contents::ContentsError};

/// An artifact can't be kept, fetched or understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArtifactError {
    /// The operating system refused.
    #[error("can't {action} {}: {reason}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// No room is left for it.
    #[error(
        "no room for the artifact: it needs {needed_bytes} bytes, {used_bytes} of {max_bytes} are \
         in use; remove applications or raise storage.artifacts_bytes_max"
    )]
    Full {
        /// What it needs.
        needed_bytes: u64,
        /// What is in use.
        used_bytes: u64,
        /// The limit.
        max_bytes: u64,
    },
    /// A chunk has other bytes than the contents say.
    #[error("chunk {index} of blob {blob} has digest {got}, expected {expected}")]
    WrongChunk {
        /// The blob.
        blob: Digest,
        /// The chunk's place, from 0.
        index: u64,
        /// The digest named.
        expected: Digest,
        /// The digest of the bytes.
        got: Digest,
    },
    /// All chunks are right and the blob is not: who published it named wrong chunks.
    #[error("blob {expected} has digest {got} when it is put together: its contents lie")]
    WrongBlob {
        /// The digest named.
        expected: Digest,
        /// The digest of the bytes.
        got: Digest,
    },
    /// A blob on this node's disk has changed.
    #[error("blob {digest} is damaged on this node's disk; it is set aside to be fetched again")]
    Damaged {
        /// The blob.
        digest: Digest,
    },
    /// A blob or contents are not here.
    #[error("{what} {digest} is not on this node")]
    Missing {
        /// What is missing.
        what: &'static str,
        /// Its digest.
        digest: Digest,
    },
    /// The contents are not valid.
    #[error(transparent)]
    Contents(#[from] ContentsError),
    /// What is there is no image or module that can be run.
    #[error("{what}: {why}")]
    Unusable {
        /// Which part: a manifest, an archive.
        what: String,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// No source gave it.
    #[error("no source has all of artifact {contents}: {why}")]
    NoSource {
        /// Digest of its contents.
        contents: Digest,
        /// What each source said.
        why: String,
    },
}

impl ArtifactError {
    pub(super) fn io(action: &'static str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), reason: error.to_string() }
    }

    pub(super) fn unusable(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Unusable { what: what.into(), why: why.into() }
    }
}
