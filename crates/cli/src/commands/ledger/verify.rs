//! `ledger verify`: streams a node's chain and audits it ([`super::audit`]).

use super::{
    audit::{Audit, Checked},
    finality, pruned,
};
use crate::{
    context::Context,
    failure::{Done, Failure},
    output::{Progress, Table},
};
use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;
use trustmesh_api::{RangeQuery, RawBlock, limits::RAW_BLOCKS_MAX};
use trustmesh_types::{Block, Digest, NetworkId};

/// Between two looks for a block that is not there yet.
const INTERVAL: Duration = Duration::from_millis(250);
/// A certificate for the newest block, or one after it, is there by then.
const CERTIFICATE_TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Serialize)]
struct Report {
    network: NetworkId,
    #[serde(flatten)]
    checked: Checked,
    state_root: Digest,
    /// What does not hold, and where; absent when everything does.
    #[serde(skip_serializing_if = "Option::is_none")]
    mismatch: Option<String>,
}

/// Audits the chain of the node that answers.
pub async fn run(context: &Context) -> Done {
    let genesis = context.genesis()?;
    let client = context.client()?;
    let status = client.status().await?;
    if status.oldest_block > 1 {
        return pruned::run(context, &client, &status).await;
    }
    let mut audit = Audit::new(&genesis, finality::entropy()?).map_err(Failure::usage)?;
    let newest = status.height;
    let progress = Progress::bar(newest, "blocks");
    let patience = Instant::now() + CERTIFICATE_TIMEOUT;
    let mut mismatch = None;
    // Beyond the newest block, if need be, until a certificate covers it.
    while audit.checked.final_height < newest && mismatch.is_none() {
        let from = audit.checked.height + 1;
        let answer = client.raw_blocks(&RangeQuery { from, limit: Some(RAW_BLOCKS_MAX) }).await?;
        if answer.blocks.is_empty() {
            if from <= newest {
                return Err(Failure::failed(format!("the node has no block {from} any more"))
                    .advise("ask another one with --endpoint: a chain is verified from genesis"));
            }
            if Instant::now() > patience {
                let last = audit.checked.final_height;
                mismatch = Some(format!("no certificate for any block after {last}"));
            }
            tokio::time::sleep(INTERVAL).await;
        }
        for raw in &answer.blocks {
            if let Err(what) = check(&mut audit, raw) {
                mismatch = Some(format!("block {}: {what}", raw.height));
                break;
            }
            progress.at(audit.checked.height.min(newest));
        }
    }
    drop(progress);
    let report = Report {
        network: genesis.network_id(),
        checked: audit.checked.clone(),
        state_root: audit.state_root(),
        mismatch,
    };
    context.printer.answer(&report, text)?;
    match report.mismatch {
        Some(what) => Err(Failure::failed(format!("the chain does not hold: {what}"))
            .advise("verify another node's with --endpoint, and compare")),
        None => Ok(()),
    }
}

fn check(audit: &mut Audit, raw: &RawBlock) -> Result<(), String> {
    let block = Block::decode(&raw.block.0).map_err(|e| e.to_string())?;
    let certificate = Some(raw.certificate.0.as_slice()).filter(|bytes| !bytes.is_empty());
    audit.block(&block, certificate).map_err(|e| e.to_string())
}

fn text(report: &Report) -> String {
    let it = &report.checked;
    let verdict = match &report.mismatch {
        Some(what) => format!("DOES NOT HOLD: {what}"),
        None => "every block, signature, certificate and root holds".to_owned(),
    };
    Table::pairs([
        ("network", report.network.to_string()),
        ("re-executed", format!("blocks 1 to {}, {} transactions", it.height, it.transactions)),
        ("certificates", format!("{}, final up to block {}", it.certificates, it.final_height)),
        ("state root", report.state_root.to_string()),
        ("verdict", verdict),
    ])
}
