//! What can go wrong with a store or a checked file. Sizes are in bytes.

use std::path::PathBuf;
use trustmesh_types::Digest;

/// Reading or writing the store, or a checked file, failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// Another process has the file open.
    #[error(
        "{} is in use by another process: stop it, or give this node its own data directory",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged or not one of ours.
    #[error(
        "{} is damaged or not a TrustMesh file ({reason}): put it back as it was when the \
         node last ran; it can't be made anew, the node has signed for what it holds",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
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
    /// The database engine failed; further writes fail until the node is started again.
    #[error("the store {} failed: {reason}; check the disk and start the node again", path.display())]
    Engine {
        /// The file.
        path: PathBuf,
        /// What it said.
        reason: String,
    },
    /// The store has no room.
    #[error(
        "the store is full: {needed_bytes} bytes needed, {used_bytes} of {max_bytes} in use; \
         raise its limit or shorten retention"
    )]
    StoreFull {
        /// What the write needs.
        needed_bytes: u64,
        /// What is in use.
        used_bytes: u64,
        /// The limit.
        max_bytes: u64,
    },
    /// One blob, key, value or file is larger than is allowed.
    #[error("{what} has {got_bytes} bytes, at most {max_bytes} are allowed")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        got_bytes: u64,
        /// The limit.
        max_bytes: u64,
    },
    /// Bytes given to be kept do not have the digest given with them.
    #[error("the bytes have digest {got}, expected {expected}")]
    DigestMismatch {
        /// The digest given.
        expected: Digest,
        /// The digest of the bytes.
        got: Digest,
    },
    /// A kept blob has changed on disk.
    #[error("blob {digest} is damaged on this node's disk: fetch it from another node")]
    DamagedBlob {
        /// The blob.
        digest: Digest,
    },
    /// The store is closing.
    #[error("the store is closed")]
    Closed,
}

impl DataError {
    /// An error unless `got` is at most `max`.
    pub(crate) fn check_size(what: &'static str, got: usize, max: usize) -> Result<(), Self> {
        if got <= max {
            return Ok(());
        }
        Err(Self::TooLarge { what, got_bytes: got as u64, max_bytes: max as u64 })
    }
}
