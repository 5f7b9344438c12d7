//! A state to start from, in pieces. The one that is served is made anew now and then; the one
//! before stays for who has begun to fetch it.

use super::{app::Shared, extract::Asked, refusal::Refusal};
use axum::{Json, extract::State};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use trustmesh_api::{
    ErrorCode, HexBytes, SnapshotPiece, SnapshotQuery, limits::SNAPSHOT_PIECE_BYTES_MAX,
};
use trustmesh_types::{Digest, codec};

/// How long a snapshot counts as new.
const FRESH: Duration = Duration::from_secs(60);
/// Snapshots that are held.
const HELD_MAX: usize = 2;

/// A snapshot, encoded.
struct Served {
    height: u64,
    digest: Digest,
    bytes: Vec<u8>,
    made: Instant,
}

/// Those that are served, the newest last.
#[derive(Default)]
pub(super) struct Held(tokio::sync::Mutex<Vec<Arc<Served>>>);

pub(super) async fn snapshot(
    State(http): State<Shared>,
    Asked(query): Asked<SnapshotQuery>,
) -> Result<Json<SnapshotPiece>, Refusal> {
    let served = held(&http, query.digest).await?;
    let from = usize::try_from(query.offset).unwrap_or(usize::MAX);
    let rest = served.bytes.get(from..).filter(|rest| !rest.is_empty());
    let rest = rest.ok_or_else(|| {
        Refusal::parameter("`offset`", format!("the snapshot has {} bytes", served.bytes.len()))
    })?;
    let piece = rest.get(..SNAPSHOT_PIECE_BYTES_MAX).unwrap_or(rest);
    Ok(Json(SnapshotPiece {
        height: served.height,
        digest: served.digest,
        total: served.bytes.len() as u64,
        bytes: HexBytes(piece.to_vec()),
    }))
}

async fn held(http: &Shared, digest: Option<Digest>) -> Result<Arc<Served>, Refusal> {
    let mut all = http.snapshots.0.lock().await;
    if let Some(digest) = digest {
        let found = all.iter().find(|it| it.digest == digest).cloned();
        return found
            .ok_or_else(|| Refusal::missing("that snapshot any more: begin anew".to_owned()));
    }
    if let Some(newest) = all.last().filter(|it| it.made.elapsed() < FRESH) {
        return Ok(Arc::clone(newest));
    }
    let snapshot = http.app.consensus.snapshot().await.ok_or_else(|| {
        Refusal::new(ErrorCode::Unavailable, "the newest block has no certificate yet".to_owned())
    })?;
    let height = snapshot.block.header.height;
    let encoded = tokio::task::spawn_blocking(move || {
        let bytes = codec::encode(&snapshot);
        (Digest::of(&bytes), bytes)
    });
    let (digest, bytes) = encoded.await.map_err(|e| {
        Refusal::new(ErrorCode::Internal, format!("the snapshot can't be made: {e}"))
    })?;
    let served = Arc::new(Served { height, digest, bytes, made: Instant::now() });
    all.push(Arc::clone(&served));
    if all.len() > HELD_MAX {
        all.remove(0);
    }
    Ok(served)
}
