//! What a final block adds to the history. Pure.

use super::{
    faults,
    recent::Recent,
    tables::{
        BlockRecord, EndedLine, EndedRecord, TransactionRecord, block_key, ended_key, height_bytes,
        line_key, transaction_key,
    },
};
use bytes::Bytes;
use trustmesh_data::Entry;
use trustmesh_state::Finalized;
use trustmesh_types::{RequestId, codec, events::Event, records::RequestRecord};

/// The block as it is kept.
pub(super) fn block(finalized: &Finalized) -> BlockRecord {
    let header = &finalized.block.header;
    let transactions = finalized.block.transactions.iter().zip(&finalized.receipts);
    BlockRecord {
        height: header.height,
        timestamp_ms: header.timestamp_ms,
        transactions: transactions
            .map(|(transaction, receipt)| TransactionRecord {
                id: receipt.transaction,
                signer: receipt.signer,
                kind: transaction.transaction.payload.kind().to_owned(),
                outcome: receipt.outcome.clone(),
            })
            .collect(),
        events: finalized.events.clone(),
    }
}

/// The entries of a block: itself, its transactions, its faults, and the requests that it ended.
/// `recent` has the block's events already.
pub(super) fn entries(
    block: &BlockRecord,
    finalized: &Finalized,
    recent: &Recent,
    first_kept: u64,
) -> Vec<Entry> {
    let mut entries = Vec::with_capacity(1 + block.transactions.len());
    for transaction in &block.transactions {
        entries.push((transaction_key(&transaction.id), height_bytes(block.height)));
    }
    entries.extend(faults::entries(finalized, first_kept));
    for id in block.events.iter().filter_map(ended) {
        let Some(record) = finalized.state.request(id) else { continue };
        let value = Bytes::from(codec::encode(&line(&record)));
        entries.push((line_key(block.height, id), value));
        let ended = EndedRecord { record, events: recent.events(id).to_vec() };
        entries.push((ended_key(id), Bytes::from(codec::encode(&ended))));
    }
    entries.push((block_key(block.height), Bytes::from(codec::encode(block))));
    entries
}

/// The request that an event ends.
pub(super) const fn ended(event: &Event) -> Option<&RequestId> {
    match event {
        Event::RequestFinalized { request }
        | Event::RequestFailed { request, .. }
        | Event::RequestCancelled { request } => Some(request),
        _ => None,
    }
}

fn line(record: &RequestRecord) -> EndedLine {
    EndedLine {
        status: record.status,
        workflow: record.body.workflow.clone(),
        device: record.body.device,
        accepted_ms: record.accepted_ms,
        ended_ms: record.ended_ms,
        reason: record.reason.clone(),
    }
}
