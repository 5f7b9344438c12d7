//! `ledger verify` of a chain whose old blocks are pruned: headers and certificates from
//! genesis on, and the blocks that are kept, all but their execution.

use super::{
    finality,
    headers::{CheckedHeaders, HeaderAudit},
};
use crate::{
    context::Context,
    failure::{Done, Failure},
    output::{Progress, Table},
};
use serde::Serialize;
use trustmesh_api::{
    LedgerStatus, RangeQuery,
    limits::{RAW_BLOCKS_MAX, RAW_HEADERS_MAX},
};
use trustmesh_client::Client;
use trustmesh_state::follow_handovers;
use trustmesh_types::{Block, NetworkId};

#[derive(Serialize)]
struct Report {
    network: NetworkId,
    /// The lowest height whose block the node has whole.
    oldest_block: u64,
    #[serde(flatten)]
    checked: CheckedHeaders,
    /// Nothing was executed: the state that the oldest block stands on is gone.
    executed: bool,
    /// What does not hold, and where; absent when everything does.
    #[serde(skip_serializing_if = "Option::is_none")]
    mismatch: Option<String>,
}

/// Checks what can be checked of the chain of the node that answers.
pub async fn run(context: &Context, client: &Client, status: &LedgerStatus) -> Done {
    let genesis = context.genesis()?;
    let committees =
        follow_handovers(&genesis, &client.handovers().await?).map_err(Failure::failed)?;
    let mut audit =
        HeaderAudit::new(&genesis, committees, finality::entropy()?).map_err(Failure::usage)?;
    let progress = Progress::bar(status.height, "blocks");
    let mismatch = match headers(client, &mut audit, status, &progress).await? {
        None => blocks(client, &mut audit, status, &progress).await?,
        found => found,
    };
    drop(progress);
    let report = Report {
        network: genesis.network_id(),
        oldest_block: status.oldest_block,
        checked: audit.checked.clone(),
        executed: false,
        mismatch,
    };
    context.printer.answer(&report, text)?;
    match report.mismatch {
        Some(what) => Err(Failure::failed(format!("the chain does not hold: {what}"))
            .advise("verify another node's with --endpoint, and compare")),
        None => Ok(()),
    }
}

/// All up to the oldest block; what does not hold, if anything.
async fn headers(
    client: &Client,
    audit: &mut HeaderAudit,
    status: &LedgerStatus,
    progress: &Progress,
) -> Done<Option<String>> {
    while audit.checked.height + 1 < status.oldest_block {
        let from = audit.checked.height + 1;
        let limit = u64::from(RAW_HEADERS_MAX).min(status.oldest_block - from);
        let limit = u32::try_from(limit).unwrap_or(RAW_HEADERS_MAX);
        let answer = client.raw_headers(&RangeQuery { from, limit: Some(limit) }).await?;
        if answer.headers.is_empty() {
            return Err(Failure::failed(format!("the node has no header {from}"))
                .advise("ask another one with --endpoint: a chain is verified from genesis"));
        }
        for raw in answer.headers {
            if let Err(what) = audit.header(&raw.header.0, &raw.certificate.0) {
                return Ok(Some(format!("header {}: {what}", raw.height)));
            }
        }
        progress.at(audit.checked.height);
    }
    Ok(None)
}

/// The blocks that are kept; what does not hold, if anything.
async fn blocks(
    client: &Client,
    audit: &mut HeaderAudit,
    status: &LedgerStatus,
    progress: &Progress,
) -> Done<Option<String>> {
    while audit.checked.height < status.height {
        let from = audit.checked.height + 1;
        let answer = client.raw_blocks(&RangeQuery { from, limit: Some(RAW_BLOCKS_MAX) }).await?;
        if answer.blocks.is_empty() {
            return Err(Failure::failed(format!("the node has no block {from} any more"))
                .advise("it pruned meanwhile: verify again"));
        }
        for raw in answer.blocks {
            let checked =
                Block::decode(&raw.block.0).map_err(|e| e.to_string()).and_then(|block| {
                    audit.block(&block, &raw.certificate.0).map_err(|e| e.to_string())
                });
            if let Err(what) = checked {
                return Ok(Some(format!("block {}: {what}", raw.height)));
            }
        }
        progress.at(audit.checked.height.min(status.height));
    }
    Ok(None)
}

fn text(report: &Report) -> String {
    let it = &report.checked;
    let verdict = match &report.mismatch {
        Some(what) => format!("DOES NOT HOLD: {what}"),
        None => format!(
            "every header and certificate holds, and what blocks hold from {} on; none was \
             executed again, as the state before them is pruned here",
            report.oldest_block
        ),
    };
    Table::pairs([
        ("network", report.network.to_string()),
        ("headers", format!("1 to {}", it.height)),
        ("certificates", format!("{}, final up to block {}", it.certificates, it.final_height)),
        (
            "whole blocks",
            format!(
                "{}, from {} on, {} transactions",
                it.blocks, report.oldest_block, it.transactions
            ),
        ),
        ("verdict", verdict),
    ])
}
