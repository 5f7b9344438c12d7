//! Blocks: as people read them, and whole with their certificates.

use super::{
    app::{Http, Shared},
    extract::{Asked, Segment},
    refusal::Refusal,
};
use axum::{Json, extract::State};
use trustmesh_api::{
    BlockReceipts, BlockView, ErrorCode, HexBytes, ListQuery, Page, RangeQuery, RawBlock,
    RawBlocks, RawHeader, RawHeaders, limits, page, paths,
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
    let block = block.ok_or_else(|| gone(&http, height))?;
    Ok(Json(BlockView::new(&block)))
}

/// Why a block is not here.
fn gone(http: &Http, height: u64) -> Refusal {
    let oldest = http.app.consensus.oldest();
    if height == 0 || height >= oldest {
        return Refusal::missing(format!("block {height}"));
    }
    let detail = format!(
        "block {height} is pruned: this node keeps whole blocks from height {oldest} on, and of \
         those before header and certificate, under {}/{height}/header",
        paths::BLOCKS
    );
    Refusal::new(ErrorCode::Pruned, detail)
}

pub(super) async fn header(
    State(http): State<Shared>,
    segment: Segment,
) -> Result<Json<RawHeader>, Refusal> {
    let height: u64 = segment.read("the block's height")?;
    let header = http.app.headers.from(height, 1).await?.pop();
    header.map(Json).ok_or_else(|| Refusal::missing(format!("header of block {height}")))
}

pub(super) async fn raw_headers(
    State(http): State<Shared>,
    Asked(query): Asked<RangeQuery>,
) -> Result<Json<RawHeaders>, Refusal> {
    let limit = query.limit.unwrap_or(limits::RAW_HEADERS_MAX).clamp(1, limits::RAW_HEADERS_MAX);
    let consensus = &http.app.consensus;
    Ok(Json(RawHeaders {
        height: consensus.status().height,
        oldest_block: consensus.oldest(),
        headers: http.app.headers.from(query.from, limit as usize).await?,
    }))
}

pub(super) async fn receipts(
    State(http): State<Shared>,
    segment: Segment,
) -> Result<Json<BlockReceipts>, Refusal> {
    let height: u64 = segment.read("the block's height")?;
    let receipts = http.app.history.receipts_at(height)?;
    let receipts = receipts.ok_or_else(|| {
        if height < http.app.consensus.oldest() {
            return gone(&http, height);
        }
        Refusal::missing(format!("a receipt of block {height}"))
    })?;
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
