//! What comes over HTTP: bodies, queries and signed headers to a node, and answers to a client,
//! which trusts a node no more than a node trusts it.

use crate::{
    Decoder, choose,
    memory::bounded,
    same::{check_json, check_json_loosely, check_query, json},
};
use trustmesh_api::{
    Accepted, AppView, ArtifactReceipts, BlockReceipts, BlockView, DeviceView, ErrorCode,
    EventView, FaultQuery, FaultView, Health, LedgerStatus, ListQuery, NodeView, Page,
    ParametersView, Placements, PolicyView, Problem, RangeQuery, RawBlocks, Ready, RequestQuery,
    RequestSummary, RequestView, ResultBundle, SealedResult, SubmitRequest, SubmitTransactions,
    TransactionView, TransactionsSubmitted, WaitQuery, WorkflowView,
    auth::{Call, Headers, KEY_HEADER, SIGNATURE_HEADER, TIME_HEADER},
    duration,
};
use trustmesh_delivery::{ResultSecret, Sealed, open};
use trustmesh_types::{
    Block, Digest, NetworkId, SignedTransaction, canonical, codec, limits::TRANSACTION_BYTES_MAX,
};

/// What the first byte chooses from.
pub const DECODERS: &[Decoder] = &[
    ("submit request", submit_request),
    ("submit transactions", submit_transactions),
    ("list query", check_query::<ListQuery>),
    ("request query", check_query::<RequestQuery>),
    ("range query", check_query::<RangeQuery>),
    ("fault query", check_query::<FaultQuery>),
    ("wait query", wait_query),
    ("headers", headers),
    ("sealed", sealed),
    ("sealed result", sealed_result),
    ("bundle", check_json_loosely::<ResultBundle>),
    ("raw blocks", raw_blocks),
    ("problem", check_json_loosely::<Problem>),
    ("error code", check_json::<ErrorCode>),
    ("status", check_json_loosely::<LedgerStatus>),
    ("blocks", check_json::<Page<BlockView>>),
    ("transaction", check_json::<TransactionView>),
    ("submitted", check_json::<TransactionsSubmitted>),
    ("artifact receipts", check_json::<ArtifactReceipts>),
    ("event", check_json::<EventView>),
    ("health", check_json::<Health>),
    ("ready", check_json::<Ready>),
    ("nodes", check_json_loosely::<Page<NodeView>>),
    ("devices", check_json::<Page<DeviceView>>),
    ("applications", check_json::<Page<AppView>>),
    ("workflows", check_json::<Page<WorkflowView>>),
    ("policies", check_json::<Page<PolicyView>>),
    ("requests", check_json::<Page<RequestSummary>>),
    ("request", check_json_loosely::<RequestView>),
    ("accepted", check_json::<Accepted>),
    ("placements", check_json_loosely::<Placements>),
    ("faults", check_json::<Page<FaultView>>),
    ("block receipts", check_json::<BlockReceipts>),
    ("parameters", check_json::<ParametersView>),
];

/// One input.
pub fn run(data: &[u8]) {
    choose(DECODERS, data);
}

/// The input's digest is taken over its canonical form, which must not depend on how often it
/// was brought into it.
fn submit_request(bytes: &[u8]) {
    let read = || serde_json::from_slice::<SubmitRequest>(bytes);
    let Ok(request) = bounded("request", bytes.len(), read) else { return };
    let _ = (request.body.id(), request.body.check_deadline(1_000_000, 3_600_000, 5_000));
    if let Ok(once) = canonical::to_canonical(&request.data) {
        let value = serde_json::from_slice(&once).expect("canonical JSON is JSON");
        let twice = canonical::to_canonical(&value).expect("canonical JSON has a canonical form");
        assert_eq!(once, twice, "the canonical form has another one");
    }
}

fn submit_transactions(bytes: &[u8]) {
    let Some(posted) = json::<SubmitTransactions>(bytes) else { return };
    for transaction in &posted.transactions {
        let decode = || codec::decode("it", &transaction.0, TRANSACTION_BYTES_MAX);
        if let Ok(signed) = bounded::<Result<SignedTransaction, _>>("it", bytes.len(), decode) {
            assert_eq!(codec::encode(&signed), transaction.0, "a second encoding");
        }
    }
}

fn wait_query(bytes: &[u8]) {
    check_query::<WaitQuery>(bytes);
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(found) = duration::parse(text)
        && let Ok(millis) = u64::try_from(found.as_millis())
    {
        assert_eq!(duration::parse(&duration::text(millis)).ok(), Some(found));
    }
}

/// Key, time and signature, a line each; then the body.
fn headers(bytes: &[u8]) {
    let mut lines = bytes.splitn(4, |byte| *byte == b'\n');
    let mut next = || lines.next().and_then(|line| std::str::from_utf8(line).ok());
    let (key, time, signature) = (next(), next(), next());
    let body = lines.next().unwrap_or_default();
    let read = Headers::read(|name| match name {
        KEY_HEADER => key,
        TIME_HEADER => time,
        SIGNATURE_HEADER => signature,
        _ => None,
    });
    let Ok(headers) = read else { return };
    let pairs = headers.pairs();
    let again = Headers::read(|name| {
        pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    });
    assert_eq!(again.as_ref(), Ok(&headers), "headers read as others");
    let call = Call { method: "GET", target: "/v1/requests", body };
    let _ = call.verify(&headers, &NetworkId(Digest([1; 32])), headers.time_ms);
}

fn sealed(bytes: &[u8]) {
    let Ok(sealed) = bounded("seal", bytes.len(), || Sealed::from_bytes(bytes)) else { return };
    assert_eq!(sealed.to_bytes(), bytes, "a seal has a second form");
    let opened = open(&ResultSecret::from_bytes([5; 32]), &[6; 32], &sealed);
    assert!(opened.is_err(), "a seal that nobody made opens");
}

fn sealed_result(bytes: &[u8]) {
    if let Some(result) = json::<SealedResult>(bytes) {
        sealed(&result.sealed.0);
    }
}

fn raw_blocks(bytes: &[u8]) {
    if let Some(answer) = json::<RawBlocks>(bytes) {
        for raw in &answer.blocks {
            let _ = bounded("block", raw.block.0.len(), || Block::decode(&raw.block.0));
        }
    }
}
