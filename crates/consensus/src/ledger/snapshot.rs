//! Snapshots of the final state, so that a restart need not replay the whole chain.
//!
//! On disk, a blob per snapshot named by its height (8 bytes, big-endian):
//! `"TMSNAP01" ‖ network id ‖ block digest ‖ length of the state (u64, big-endian) ‖ state ‖
//! SHA-256 of all before`. A snapshot is written under its own name and synced before older
//! ones are removed; one that was cut short or damaged fails its checksum and is passed
//! over.
//!
//! The oldest of a full set of snapshots is the *floor*: a restart needs the blocks from there
//! on, and none below. Without a full set there is none yet.

use crate::limits::SNAPSHOTS_KEPT;
use commonware_cryptography::sha256;
use commonware_runtime::{
    Blob as _, Buf as _, Error as RuntimeError, ReadOptions, Storage, WriteOptions,
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use trustmesh_state::State;
use trustmesh_types::{Digest, NetworkId};

const MAGIC: &[u8; 8] = b"TMSNAP01";
const HEAD_BYTES: usize = 8 + 32 + 32 + 8;
const CHECKSUM_BYTES: usize = 32;

/// Where snapshots are kept.
#[derive(Debug, Clone)]
pub(crate) struct Snapshots {
    /// Partition of the runtime's storage.
    pub(crate) partition: String,
    /// The network that they are of.
    pub(crate) network: NetworkId,
    /// The height that a restart can do without the blocks below of; 0 for all of them.
    pub(crate) floor: Arc<AtomicU64>,
}

fn frame(network: &NetworkId, tip: &sha256::Digest, state: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD_BYTES + state.len() + CHECKSUM_BYTES);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(network.0.as_ref());
    out.extend_from_slice(&tip.0);
    out.extend_from_slice(&(state.len() as u64).to_be_bytes());
    out.extend_from_slice(state);
    let checksum = Digest::of(&out);
    out.extend_from_slice(checksum.as_ref());
    out
}

/// The block's digest and the state of a snapshot's bytes, when they are whole and of
/// `network`.
fn unframe<'a>(network: &NetworkId, bytes: &'a [u8]) -> Option<(sha256::Digest, &'a [u8])> {
    let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
    let length = u64::from_be_bytes(head.get(72..80)?.try_into().ok()?);
    let length = usize::try_from(length).ok()?;
    let (state, rest) = rest.split_at_checked(length)?;
    let checksum = Digest(rest.get(..CHECKSUM_BYTES)?.try_into().ok()?);
    let sound = Digest::of(bytes.get(..HEAD_BYTES + length)?) == checksum
        && head.get(..8)? == MAGIC
        && head.get(8..40)? == network.0.as_ref();
    sound.then_some((sha256::Digest(head.get(40..72)?.try_into().ok()?), state))
}

/// Reads a kept snapshot, and one whose checksum is made to hold.
pub(crate) fn read_frame(network: &NetworkId, bytes: &[u8]) {
    assert!(unframe(network, bytes).is_none_or(|(_, state)| state.len() < bytes.len()));
    let framed = frame(network, &sha256::Digest([0; 32]), bytes);
    assert_eq!(unframe(network, &framed).map(|(_, state)| state), Some(bytes));
}

impl Snapshots {
    /// Those of a ledger's partitions.
    pub(crate) fn new(partition: &str, network: NetworkId) -> Self {
        let floor = Arc::new(AtomicU64::new(0));
        Self { partition: format!("{partition}-snapshots"), network, floor }
    }

    /// Heights of the snapshots there are, newest first.
    async fn heights(&self, storage: &impl Storage) -> Result<Vec<u64>, RuntimeError> {
        let names = match storage.scan(&self.partition).await {
            Ok(names) => names,
            Err(RuntimeError::PartitionMissing(_)) => Vec::new(),
            Err(error) => return Err(error),
        };
        let height = |name: Vec<u8>| name.try_into().ok().map(u64::from_be_bytes);
        let mut heights: Vec<u64> = names.into_iter().filter_map(height).collect();
        heights.sort_unstable_by(|a, b| b.cmp(a));
        Ok(heights)
    }

    /// Height of the newest snapshot there is.
    pub(crate) async fn newest_height(
        &self,
        storage: &impl Storage,
    ) -> Result<Option<u64>, RuntimeError> {
        Ok(self.heights(storage).await?.first().copied())
    }

    /// The newest sound snapshot at or below `height_max`.
    pub(crate) async fn newest(
        &self,
        storage: &impl Storage,
        height_max: u64,
    ) -> Result<Option<(sha256::Digest, State)>, RuntimeError> {
        for height in self.heights(storage).await? {
            if height > height_max {
                continue;
            }
            match self.read(storage, height).await? {
                Some(found) => return Ok(Some(found)),
                None => tracing::warn!(height, "a snapshot is damaged and is passed over"),
            }
        }
        Ok(None)
    }

    async fn read(
        &self,
        storage: &impl Storage,
        height: u64,
    ) -> Result<Option<(sha256::Digest, State)>, RuntimeError> {
        let opened = storage.open(&self.partition, &height.to_be_bytes()).await;
        // The blob's own header is damaged.
        if matches!(opened, Err(RuntimeError::BlobCorrupt(..))) {
            return Ok(None);
        }
        let (blob, length) = opened?;
        let Ok(length) = usize::try_from(length) else { return Ok(None) };
        let mut read = blob.read_at(0, length, ReadOptions::default()).await?;
        let bytes = read.copy_to_bytes(read.remaining());
        let Some((tip, state)) = unframe(&self.network, &bytes) else { return Ok(None) };
        let state = State::restore(state).ok();
        Ok(state.filter(|s| s.height() == height && s.network() == self.network).map(|s| (tip, s)))
    }

    /// Writes a snapshot and removes all but the newest.
    pub(crate) async fn write(
        &self,
        storage: &impl Storage,
        tip: sha256::Digest,
        height: u64,
        state: Vec<u8>,
    ) -> Result<(), RuntimeError> {
        let bytes = frame(&self.network, &tip, &state);
        let (blob, _) = storage.open(&self.partition, &height.to_be_bytes()).await?;
        blob.resize(bytes.len() as u64).await?;
        blob.write_at(0, bytes, WriteOptions::default()).await?;
        blob.sync().await?;
        for old in self.heights(storage).await?.into_iter().skip(SNAPSHOTS_KEPT) {
            storage.remove(&self.partition, Some(&old.to_be_bytes())).await?;
        }
        self.find_floor(storage).await
    }

    /// Looks where the floor is.
    pub(crate) async fn find_floor(&self, storage: &impl Storage) -> Result<(), RuntimeError> {
        let heights = self.heights(storage).await?;
        let oldest = heights.get(SNAPSHOTS_KEPT - 1).copied().unwrap_or(0);
        self.floor.store(oldest, Ordering::Release);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_was_cut_changed_or_is_of_another_network_is_refused() {
        let (network, tip) = (NetworkId(Digest([1; 32])), sha256::Digest([2; 32]));
        let good = frame(&network, &tip, b"state");
        assert_eq!(unframe(&network, &good), Some((tip, b"state".as_slice())));
        assert_eq!(unframe(&NetworkId(Digest([3; 32])), &good), None);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(unframe(&network, &bad), None, "byte {at}");
            assert_eq!(unframe(&network, &good[..at]), None, "cut at {at}");
        }
    }
}
