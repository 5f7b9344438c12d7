//! What the ledger says.

use super::BlocksArgs;
use crate::{
    context::Context,
    failure::{Done, Failure},
    output::{Table, units},
};
use std::time::Duration;
use trustmesh_api::{BlockView, LedgerStatus, ListQuery};
use trustmesh_types::{TxId, receipt::Outcome};

/// Where the ledger stands, as the node that answers sees it.
pub async fn status(context: &Context) -> Done {
    let status = context.client()?.status().await?;
    context.printer.answer(&status, |it| {
        Table::pairs([
            ("network", format!("{} ({})", it.name, it.network)),
            ("height", it.height.to_string()),
            ("whole blocks", format!("from {} on", it.oldest_block.max(1))),
            ("block time", format!("{} UTC", units::utc(it.timestamp_ms))),
            ("state root", it.state_root.to_string()),
            ("view", it.view.to_string()),
            ("pending", format!("{} transactions", it.pending)),
            ("validators", format!("{}, {} may fail", it.validators, it.faults_tolerated)),
            ("protocol", protocol(it)),
            ("told by", format!("{} (trustmesh {})", it.node_name, it.version)),
            ("follows the chain", if it.caught_up { "yes" } else { "no, catching up" }.to_owned()),
        ])
    })
}

/// Which version of the rules holds, and which one will.
fn protocol(it: &LedgerStatus) -> String {
    let now = format!("version {}", it.protocol_version);
    match it.protocol_next {
        Some(next) => format!("{now}, version {} from block {} on", next.version, next.height),
        None => now,
    }
}

/// Blocks, newest first.
pub async fn blocks(context: &Context, args: &BlocksArgs) -> Done {
    let client = context.client()?;
    let limit = args.limit as usize;
    let mut blocks: Vec<BlockView> = Vec::new();
    let mut after = args.to.map(|to| to.saturating_add(1).to_string());
    loop {
        let left = u32::try_from(limit - blocks.len()).ok();
        let page = client.blocks(&ListQuery { limit: left, after }).await?;
        blocks.extend(page.items.into_iter().take(limit - blocks.len()));
        after = page.next;
        if after.is_none() || blocks.len() >= limit {
            break;
        }
    }
    let lowest = blocks.last().map_or(0, |block| block.header.height);
    let full = blocks.len() >= limit;
    let oldest = if full || lowest <= 1 { 0 } else { client.status().await?.oldest_block };
    context.printer.answer(&blocks, |blocks: &Vec<BlockView>| {
        let columns = ["height", "block", "time (UTC)", "transactions", "proposer", "state root"];
        let mut table = Table::new(&columns, "no block yet but genesis");
        for block in blocks {
            let it = &block.header;
            table.row([
                it.height.to_string(),
                block.digest.short(),
                units::utc(it.timestamp_ms),
                block.transactions.len().to_string(),
                it.proposer.short(),
                it.state_root.short(),
            ]);
        }
        if oldest <= 1 {
            return table.text();
        }
        format!("{}\nolder ones are pruned: whole blocks from {oldest} on", table.text())
    })
}

/// A transaction.
pub async fn tx(context: &Context, id: &TxId) -> Done {
    let found = context.client()?.find_transaction(id, Duration::ZERO).await?;
    let view = found.ok_or_else(|| {
        Failure::failed(format!("no final transaction has the id {id}"))
            .advise("it may be on its way, too old for this node's history, or of another network")
    })?;
    context.printer.answer(&view, |it| {
        let outcome = match &it.outcome {
            Outcome::Applied => "applied".to_owned(),
            Outcome::Rejected(why) => format!("rejected ({}): {why}", why.code),
        };
        Table::pairs([
            ("transaction", it.id.to_string()),
            ("kind", it.kind.clone()),
            ("signer", it.signer.to_string()),
            ("block", format!("{} at {} UTC", it.height, units::utc(it.timestamp_ms))),
            ("outcome", outcome),
        ])
    })
}
