//! A chain that was kept elsewhere, into an archive that holds none: the node that starts over
//! it goes through its blocks as if it had fetched them, and asks the others for the rest.
//!
//! No votes come with it. Whether the node may have voted before is for its data directory's
//! guard to know.

use super::{archive, network_marker};
use crate::{block::LedgerBlock, ledger::Snapshots, runtime::Runtime};
use bytes::Bytes;
use commonware_codec::Decode as _;
use commonware_consensus::{
    marshal::store::{Blocks as _, Certificates as _},
    simplex::{scheme::ed25519::Scheme, types::Finalization},
    types::Height,
};
use commonware_cryptography::{Digestible as _, certificate::Verifier as _, sha256};
use std::sync::Arc;
use trustmesh_state::State;

/// Blocks that are brought to disk together.
const BATCH_BLOCKS: u64 = 1_024;

/// Writes blocks, from height 1 on, with their finality certificates (empty where a later one
/// makes the block final), and the state after the last one, which tells how far they go. They
/// must have been checked.
pub(crate) async fn restore<E: Runtime>(
    context: &E,
    partition: &str,
    state: &State,
    blocks: impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), String>>,
) -> Result<(), String> {
    let network = state.network();
    let found = network_marker::claim(context, partition, network).await;
    if found.map_err(|e| e.to_string())? != network {
        return Err("it is of another network".to_owned());
    }
    let cache = archive::page_cache();
    let (mut certificates, mut stored) = archive::open(context, partition, &cache).await?;
    if stored.last_index().is_some() {
        return Err("it holds blocks already".to_owned());
    }
    let codec = Scheme::certificate_codec_config_unbounded();
    let mut last: Option<Arc<LedgerBlock>> = None;
    for entry in blocks {
        let (block, certificate) = entry?;
        let block = LedgerBlock::decode_bytes(block.into()).map_err(|e| e.to_string())?;
        let block = Arc::new(block);
        let (height, digest) = (block.number(), block.digest());
        let before = last.as_ref().map_or(0, |it| it.number());
        if height != before + 1 {
            return Err(format!("block {height} does not come after {before}"));
        }
        stored = stored.put(digest, &block).await.map_err(|e| e.to_string())?;
        if !certificate.is_empty() {
            let decoded = Finalization::<Scheme, sha256::Digest>::decode_cfg(
                Bytes::from(certificate),
                &codec,
            )
            .map_err(|e| format!("the certificate of block {height}: {e}"))?;
            certificates = certificates
                .put(Height::new(height), digest, &decoded)
                .await
                .map_err(|e| e.to_string())?;
        }
        if height % BATCH_BLOCKS == 0 {
            stored = stored.sync().await.map_err(|e| e.to_string())?;
            certificates = certificates.sync().await.map_err(|e| e.to_string())?;
        }
        last = Some(block);
    }
    stored.sync().await.map_err(|e| e.to_string())?;
    certificates.sync().await.map_err(|e| e.to_string())?;
    let last = last.ok_or("there are no blocks")?;
    if (last.number(), last.block().header.state_root) != (state.height(), state.root()) {
        return Err(format!("the state is not that after block {}", last.number()));
    }
    let snapshots = Snapshots::new(partition, network);
    snapshots
        .write(context, last.digest(), last.number(), state.snapshot())
        .await
        .map_err(|e| e.to_string())
}
