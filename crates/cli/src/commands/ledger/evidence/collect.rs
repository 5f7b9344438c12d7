//! Puts evidence together from what a node serves. It is not checked here.

use super::{BlockProof, Bundle, Declared, VERSION};
use crate::failure::{Done, Failure};
use std::time::Duration;
use tokio::time::Instant;
use trustmesh_api::{HexBytes, RangeQuery, limits::RAW_BLOCKS_MAX};
use trustmesh_client::Client;
use trustmesh_types::{
    Block, Header, Payload, SignedTransaction,
    evidence::SignedCompletion,
    faults::{FaultEvidence, FaultRecord},
    reject::RejectCode,
};

/// Between two looks for a certificate that is not there yet.
const INTERVAL: Duration = Duration::from_millis(250);
/// A certificate for the newest block, or one after it, is there by then.
const CERTIFICATE_TIMEOUT: Duration = Duration::from_secs(15);
/// Blocks without a certificate in a row that are gone through.
const LATER_MAX: usize = 1_024;

/// Collects the evidence of a fault.
pub async fn collect(client: &Client, fault: &FaultRecord) -> Done<Bundle> {
    let block = prove_block(client, fault).await?;
    let declared = match &fault.evidence {
        FaultEvidence::Completions(all) if fault.rejection.code == RejectCode::WrongOutput => {
            declared(client, all).await?
        }
        _ => None,
    };
    let (version, network) = (VERSION, client.network());
    let mut handovers = client.handovers().await?;
    handovers.retain(|it| it.committee.first_height <= last_height(&block, fault.height));
    Ok(Bundle { version, network, fault: fault.clone(), handovers, block, declared })
}

/// Height of the block that the certificate is for.
fn last_height(block: &BlockProof, height: u64) -> u64 {
    block.later.last().map_or(height, |header| header.height)
}

/// Whether a transaction is the one that shows a fault.
fn shows(transaction: &SignedTransaction, evidence: &FaultEvidence) -> bool {
    match evidence {
        FaultEvidence::Transaction(id) => transaction.id() == *id,
        FaultEvidence::Completions(all) => match &transaction.transaction.payload {
            Payload::ReportConflict(it) => all.iter().all(|one| it.completions.contains(one)),
            _ => false,
        },
        FaultEvidence::Votes(votes) => {
            transaction.transaction.payload == Payload::ReportVotes((**votes).clone())
        }
    }
}

async fn prove_block(client: &Client, fault: &FaultRecord) -> Done<BlockProof> {
    let height = fault.height;
    let gone = |what: &str| {
        Failure::failed(format!("the node has {what} block {height} no more"))
            .advise("ask another one with --endpoint: each keeps as much history as it is told to")
    };
    let Finalized { block, later, certificate } = finalized(client, height).await?;
    let decoded = Block::decode(&block.0).map_err(|e| Failure::failed(format!("{e}")))?;
    let shown = decoded.transactions.into_iter().find(|it| shows(it, &fault.evidence));
    let transaction = shown.ok_or_else(|| gone("the transaction that shows the fault in"))?;
    let receipts = client.block_receipts(height).await?.receipts;
    Ok(BlockProof { transaction, block, receipts, later, certificate })
}

/// A block, and what makes it final.
struct Finalized {
    block: HexBytes,
    later: Vec<Header>,
    certificate: HexBytes,
}

async fn finalized(client: &Client, height: u64) -> Done<Finalized> {
    let patience = Instant::now() + CERTIFICATE_TIMEOUT;
    let (mut block, mut later, mut from) = (None, Vec::new(), height);
    loop {
        let query = RangeQuery { from, limit: Some(RAW_BLOCKS_MAX) };
        let answer = client.raw_blocks(&query).await?.blocks;
        if answer.is_empty() && (block.is_none() || Instant::now() > patience) {
            let what = format!("the node has no block {height} with a certificate for it");
            return Err(Failure::failed(what).advise("ask another one with --endpoint"));
        }
        if answer.is_empty() {
            tokio::time::sleep(INTERVAL).await;
        }
        for raw in answer {
            from = raw.height.saturating_add(1);
            if block.is_some() {
                let decoded = Block::decode(&raw.block.0);
                later.push(decoded.map_err(|e| Failure::failed(format!("{e}")))?.header);
            }
            let block = block.get_or_insert(raw.block);
            if !raw.certificate.0.is_empty() {
                let (block, certificate) = (block.clone(), raw.certificate);
                return Ok(Finalized { block, later, certificate });
            }
        }
        if later.len() > LATER_MAX {
            let what = format!("no certificate for block {height} or {LATER_MAX} after it");
            return Err(Failure::failed(what));
        }
    }
}

/// What says that the outputs must have been the same.
async fn declared(client: &Client, all: &[SignedCompletion]) -> Done<Option<Declared>> {
    let Some(completion) = all.first().map(|signed| &signed.completion) else { return Ok(None) };
    let body = client.request(&completion.request).await?.body;
    let workflow = client.workflow(&body.workflow).await?.workflow;
    let Some(task) = workflow.task(&completion.task) else { return Ok(None) };
    let app = client.app(&task.app).await?.record;
    Ok(Some(Declared { body, workflow, app }))
}
