//! Fetching a state to start from, in pieces, from one node; from another one when it fails.

use crate::{client::Client, error::ClientError, reads::with_query};
use trustmesh_api::{SnapshotPiece, SnapshotQuery, limits::SNAPSHOT_BYTES_MAX, paths};
use trustmesh_types::Digest;

/// Whole fetches that are begun.
const TRIES_MAX: usize = 3;

impl Client {
    /// A node's newest snapshot, encoded; it is whole, and still to be verified. `progress` is
    /// told how many bytes of how many there are.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn snapshot(&self, progress: impl Fn(u64, u64)) -> Result<Vec<u8>, ClientError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.whole_snapshot(&progress).await {
                Err(_) if tries < TRIES_MAX => {}
                outcome => return outcome,
            }
        }
    }

    async fn whole_snapshot(&self, progress: impl Fn(u64, u64)) -> Result<Vec<u8>, ClientError> {
        let first = self.piece(&SnapshotQuery::default()).await?;
        let bad = |reason: &str| ClientError::BadAnswer {
            address: paths::SNAPSHOT.to_owned(),
            reason: reason.to_owned(),
        };
        if first.total > SNAPSHOT_BYTES_MAX {
            return Err(bad("the snapshot is larger than any that is taken"));
        }
        let (digest, total) = (first.digest, first.total);
        let mut whole = first.bytes.0;
        while (whole.len() as u64) < total {
            progress(whole.len() as u64, total);
            let query = SnapshotQuery { digest: Some(digest), offset: whole.len() as u64 };
            let piece = self.piece(&query).await?;
            if piece.bytes.0.is_empty() {
                return Err(bad("a piece of the snapshot is empty"));
            }
            whole.extend_from_slice(&piece.bytes.0);
        }
        progress(whole.len() as u64, total);
        if Digest::of(&whole) == digest { Ok(whole) } else { Err(bad("the snapshot is damaged")) }
    }

    async fn piece(&self, query: &SnapshotQuery) -> Result<SnapshotPiece, ClientError> {
        self.get(with_query(paths::SNAPSHOT, query)).await
    }
}
