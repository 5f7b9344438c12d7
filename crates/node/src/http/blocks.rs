//! Blocks: as people read them, and whole with their certificates.

use super::{
    app::Shared,
    extract::{Asked, Segment},
    refusal::Refusal,
};
use axum::{Json, extract::State};
use trustmesh_api::{
    BlockReceipts, BlockView, HexBytes, ListQuery, Page, RangeQuery, RawBlock, RawBlocks, limits,
    page,
};
use trustmesh_types::codec;

/// Bytes of blocks in one answer, before their hexadecimal form.
const RAW_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Blocks of one page: each is read whole.
const BLOCKS_PER_PAGE_MAX: usize = 100;

pub(super) async fn blocks(
    State(http): State<Shared>,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<Page<BlockView>>, Refusal> {
    let consensus = &http.app.consensus;
    let newest = consensus.status().height;
    let mut height = match &query.after {
        None => newest,
        Some(text) => {
            let after: u64 = text.parse().map_err(|e| Refusal::parameter("`after`", e))?;
            after.saturating_sub(1).min(newest)
        }
    };
    let limit = page::entries(query.limit).min(BLOCKS_PER_PAGE_MAX);
    let mut items = Vec::new();
    while items.len() < limit && height > 0 {
        let Some(block) = consensus.block(height).await else { break };
        items.push(BlockView::new(&block));
        height -= 1;
    }
    let last = items.last().map(|block| block.header.height);
    let next = last.filter(|_| items.len() == limit && height > 0).map(|last| last.to_string());
    Ok(Json(Page { items, next }))
}

pub(super) async fn block(
    State(http): State<Shared>,
    segment: Segment,
) -> Result<Json<BlockView>, Refusal> {
    let height: u64 = segment.read("the block's height")?;
    let block = http.app.consensus.block(height).await;
    let block = block.ok_or_else(|| Refusal::missing(format!("block {height}")))?;
    Ok(Json(BlockView::new(&block)))
}

pub(super) async fn receipts(
    State(http): State<Shared>,
    segment: Segment,
) -> Result<Json<BlockReceipts>, Refusal> {
    let height: u64 = segment.read("the block's height")?;
    let receipts = http.app.history.receipts_at(height)?;
    let receipts =
        receipts.ok_or_else(|| Refusal::missing(format!("a receipt of block {height}")))?;
    Ok(Json(BlockReceipts { height, receipts }))
}

pub(super) async fn raw_blocks(
    State(http): State<Shared>,
    Asked(query): Asked<RangeQuery>,
) -> Json<RawBlocks> {
    let consensus = &http.app.consensus;
    let newest = consensus.status().height;
    let limit = query.limit.unwrap_or(limits::RAW_BLOCKS_MAX).clamp(1, limits::RAW_BLOCKS_MAX);
    let (mut blocks, mut bytes) = (Vec::new(), 0);
    for height in query.from..query.from.saturating_add(limit.into()) {
        if height > newest || bytes >= RAW_BYTES_MAX {
            break;
        }
        let Some(block) = consensus.block(height).await else { break };
        let block = codec::encode(&*block);
        bytes += block.len();
        // Empty for a block that became final through a later one.
        let certificate = consensus.finalization(height).await.unwrap_or_default();
        blocks.push(RawBlock {
            height,
            block: HexBytes(block),
            certificate: HexBytes(certificate),
        });
    }
    Json(RawBlocks { height: newest, blocks })
}
