//! The history over a chain of made-up blocks: what is found, and what is pruned.

use super::{
    Filter, History, place,
    tables::{
        BlockRecord, EndedLine, HISTORY, block_key, fault_key, height_bytes, line_key,
        transaction_key,
    },
};
use crate::config::Retention;
use bytes::Bytes;
use trustmesh_data::{Store, StoreConfig};
use trustmesh_types::{
    Digest, PublicKey, RequestId, TxId, WorkflowId, codec,
    events::Event,
    faults::{FaultEvidence, FaultRecord},
    receipt::Outcome,
    records::Status,
    reject::{RejectCode, Rejection},
};

fn transaction_id(height: u8) -> TxId {
    TxId(Digest([height; 32]))
}

fn request_id(height: u8) -> RequestId {
    RequestId(Digest([height; 32]))
}

fn fault(height: u8) -> FaultRecord {
    FaultRecord {
        node: PublicKey([height % 2; 32]),
        number: height.into(),
        height: height.into(),
        at_ms: 1_000 * u64::from(height),
        until_ms: 1_000_000,
        rejection: Rejection::fault(RejectCode::NotDesignated, "why"),
        evidence: FaultEvidence::Transaction(transaction_id(height)),
        pardoned: false,
    }
}

/// Writes block `height`: one transaction, one fault, and one request that ended in it.
async fn write(store: &Store, height: u8) {
    let (id, request) = (transaction_id(height), request_id(height));
    let (signer, outcome) = (PublicKey([1; 32]), Outcome::Applied);
    let transaction =
        super::tables::TransactionRecord { id, signer, kind: "note".to_owned(), outcome };
    let block = BlockRecord {
        height: height.into(),
        timestamp_ms: 1_000 * u64::from(height),
        transactions: vec![transaction],
        events: vec![Event::RequestAccepted { request }, Event::RequestFinalized { request }],
    };
    let line = EndedLine {
        status: Status::Finalized,
        workflow: WorkflowId::new("cold-chain").unwrap(),
        device: PublicKey([height % 2; 32]),
        accepted_ms: 0,
        ended_ms: block.timestamp_ms,
        reason: None,
    };
    let fault = fault(height);
    let entries = vec![
        (fault_key(&place(&fault)), Bytes::from(codec::encode(&fault))),
        (block_key(block.height), Bytes::from(codec::encode(&block))),
        (transaction_key(&id), height_bytes(block.height)),
        (line_key(block.height, &request), Bytes::from(codec::encode(&line))),
        (super::tables::LAST.to_vec(), height_bytes(block.height)),
    ];
    store.documents().put_many(HISTORY, entries).await.unwrap();
}

async fn history(store: &Store, heights: u8, history_blocks: u64) -> History {
    for height in 1..=heights {
        write(store, height).await;
    }
    History::open(store.clone(), &Retention { history_blocks, ..Retention::default() }).unwrap()
}

fn store(folder: &tempfile::TempDir) -> Store {
    Store::open(&folder.path().join("store"), StoreConfig::default()).unwrap()
}

#[tokio::test]
async fn ended_requests_come_newest_first_page_by_page() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(&store(&folder), 9, 100).await;
    let filter = Filter { device: Some(PublicKey([1; 32])), status: Some(Status::Finalized) };
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let (page, next) = history.requests(&filter, after, 2).unwrap();
        seen.extend(page.into_iter().map(|it| it.ended_ms / 1_000));
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, [9, 7, 5, 3, 1]);
    let failed = Filter { status: Some(Status::Failed), device: None };
    assert!(history.requests(&failed, None, 2).unwrap().0.is_empty());
}

#[tokio::test]
async fn transactions_and_events_are_found_until_they_are_pruned() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(&store(&folder), 9, 4).await;
    assert_eq!(history.height(), 9);
    assert_eq!(history.transaction(&transaction_id(2)).unwrap().unwrap().height, 2);
    assert_eq!(history.events_at(2).unwrap().unwrap().len(), 2);
    history.prune().await.unwrap();
    assert_eq!(history.first_kept(), 6);
    for height in 1..=9 {
        let kept = history.transaction(&transaction_id(height)).unwrap().is_some();
        assert_eq!(kept, height >= 6, "transaction of block {height}");
        assert_eq!(history.events_at(height.into()).unwrap().is_some(), height >= 6);
    }
    assert_eq!(history.receipts_at(5).unwrap(), None);
    let receipts = history.receipts_at(6).unwrap().unwrap();
    assert_eq!(receipts.len(), 1);
    assert_eq!(receipts[0].transaction, transaction_id(6));
    let faults: Vec<u64> =
        history.faults_since(0).unwrap().iter().map(|fault| fault.height).collect();
    assert_eq!(faults, [6, 7, 8, 9]);
    let (left, _) = history.requests(&Filter::default(), None, 100).unwrap();
    assert_eq!(left.len(), 4);
}

#[tokio::test]
async fn faults_come_newest_first_page_by_page() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(&store(&folder), 9, 100).await;
    let odd = |fault: &FaultRecord| fault.node == PublicKey([1; 32]);
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let (page, next) = history.faults(odd, after, 2).unwrap();
        seen.extend(page.into_iter().map(|it| it.height));
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, [9, 7, 5, 3, 1]);
    assert_eq!(history.faults_since(8).unwrap(), [fault(8), fault(9)]);
    assert!(history.faults(|_| false, None, 2).unwrap().0.is_empty());
}
