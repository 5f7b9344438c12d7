//! This node's signed completions, durable before they are sent, so that a restart never
//! makes it sign another output for the same task (PROTOCOL §4, Execution).
//!
//! Key: request id ‖ designation (big-endian) ‖ task. Value: borsh of (until in Unix
//! milliseconds, completion).

use bytes::Bytes;
use trustmesh_data::{BlobKind, DataError, Order, Store, Table};
use trustmesh_types::{codec, evidence::SignedCompletion};

const TABLE: Table = Table::new("completions");
/// Completions that are given back after a restart, at most.
const RECOVERED_MAX: usize = 65_536;
/// Completions that one sweep removes, at most.
const EXPIRED_MAX: usize = 4_096;
/// Largest encoded completion.
const BYTES_MAX: usize = 64 * 1024;

fn key(signed: &SignedCompletion) -> Vec<u8> {
    let completion = &signed.completion;
    let mut key = completion.request.0.0.to_vec();
    key.extend_from_slice(&completion.designation.to_be_bytes());
    key.extend_from_slice(completion.task.as_str().as_bytes());
    key
}

/// Keeps a completion and the output that it signs, together.
pub(super) async fn keep(
    store: &Store,
    signed: &SignedCompletion,
    output: Bytes,
    until_ms: u64,
) -> Result<(), DataError> {
    let value = codec::encode(&(until_ms, signed)).into();
    store
        .batch()
        .blob(signed.completion.output, BlobKind::Output, output, until_ms)?
        .documents(TABLE, vec![(key(signed), value)])?
        .write()
        .await
}

fn all(store: &Store, limit: usize) -> Result<Vec<(Vec<u8>, u64, SignedCompletion)>, DataError> {
    let entries = store.documents().scan(TABLE, &[], limit, Order::Ascending)?;
    let decoded = entries.into_iter().filter_map(|(key, value)| {
        let (until_ms, signed): (u64, SignedCompletion) =
            codec::decode("completion", &value, BYTES_MAX).ok()?;
        Some((key, until_ms, signed))
    });
    Ok(decoded.collect())
}

/// What was kept before a restart.
pub(crate) fn recover(store: &Store, now_ms: u64) -> Result<Vec<SignedCompletion>, DataError> {
    let kept = all(store, RECOVERED_MAX)?;
    Ok(kept.into_iter().filter(|(_, until_ms, _)| *until_ms > now_ms).map(|(.., c)| c).collect())
}

/// Removes what is no longer needed.
pub(crate) async fn expire(store: &Store, now_ms: u64) -> Result<(), DataError> {
    let kept = all(store, RECOVERED_MAX)?;
    let expired = kept.into_iter().filter(|(_, until_ms, _)| *until_ms <= now_ms);
    let keys: Vec<Vec<u8>> = expired.map(|(key, ..)| key).take(EXPIRED_MAX).collect();
    if !keys.is_empty() {
        store.documents().remove(TABLE, keys).await?;
    }
    Ok(())
}
