//! What an artifact may be fetched from: another node, a registry. Nothing that it gives is
//! believed.

use bytes::Bytes;
use futures::{future::BoxFuture, stream::BoxStream};
use std::{ops::Range, time::Duration};
use trustmesh_types::{Digest, contents::BlobEntry};

/// Some bytes of a blob, or why there are no more.
pub type Piece = Result<Bytes, String>;
/// Bytes of a blob in order, in pieces of any size.
pub type Pieces = BoxStream<'static, Piece>;

/// What an artifact may be fetched from.
pub trait Source: Send + Sync {
    /// Its name for people.
    fn name(&self) -> &str;

    /// How long it may send nothing, where it says so itself: a registry waits and asks again.
    fn silence_max(&self) -> Option<Duration> {
        None
    }

    /// The encoded contents of a digest; `None` when it does not serve contents, as registries
    /// don't.
    fn contents(&self, digest: Digest) -> BoxFuture<'_, Result<Option<Bytes>, String>>;

    /// A range of bytes of a blob that belongs to contents.
    fn blob<'a>(
        &'a self,
        contents: Digest,
        blob: &'a BlobEntry,
        range: Range<u64>,
    ) -> BoxFuture<'a, Result<Pieces, String>>;
}
