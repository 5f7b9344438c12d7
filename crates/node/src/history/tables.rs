//! Keys and records of the history. One table, so that a block's entries share one write.
//!
//! | key | value |
//! |---|---|
//! | `a` | the last height recorded, 8 bytes |
//! | `b` height | [`BlockRecord`] |
//! | `t` transaction | height of its block, 8 bytes |
//! | `e` request | [`EndedRecord`] |
//! | `f` height, node, number | the record of a fault recorded there |
//! | `h` height, request | [`EndedLine`] of a request that ended there |
//!
//! Heights are big-endian, so that they sort as numbers.

use super::faults::FaultPlace;
use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use trustmesh_data::Table;
use trustmesh_types::{
    Digest, PublicKey, RequestId, TxId, WorkflowId,
    codec::{self, DecodeError},
    events::Event,
    receipt::Outcome,
    records::{RequestRecord, Status},
};

pub(super) const HISTORY: Table = Table::new("history");
/// Key of the last height.
pub(super) const LAST: &[u8] = b"a";
/// Prefix of faults.
pub(super) const FAULTS: &[u8] = b"f";
/// Prefix of the lines of ended requests.
pub(super) const LINES: &[u8] = b"h";

/// A transaction of a block.
#[derive(Debug, Clone, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct TransactionRecord {
    pub id: TxId,
    pub signer: PublicKey,
    pub kind: String,
    pub outcome: Outcome,
}

/// A block, without its transactions' content.
#[derive(Debug, Clone, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct BlockRecord {
    pub height: u64,
    pub timestamp_ms: u64,
    pub transactions: Vec<TransactionRecord>,
    pub events: Vec<Event>,
}

/// An event of a request.
#[derive(Debug, Clone, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct EventRecord {
    pub height: u64,
    pub timestamp_ms: u64,
    pub event: Event,
}

/// An ended request.
#[derive(Debug, Clone, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct EndedRecord {
    pub record: RequestRecord,
    pub events: Vec<EventRecord>,
}

/// An ended request in a list.
#[derive(Debug, Clone, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct EndedLine {
    pub status: Status,
    pub workflow: WorkflowId,
    pub device: PublicKey,
    pub accepted_ms: u64,
    pub ended_ms: u64,
    pub reason: Option<String>,
}

pub(super) fn block_key(height: u64) -> Vec<u8> {
    [b"b".as_slice(), &height.to_be_bytes()].concat()
}

pub(super) fn transaction_key(id: &TxId) -> Vec<u8> {
    [b"t".as_slice(), &id.0.0].concat()
}

pub(super) fn ended_key(id: &RequestId) -> Vec<u8> {
    [b"e".as_slice(), &id.0.0].concat()
}

/// Prefix of the lines of requests that ended at a height.
pub(super) fn lines_at(height: u64) -> Vec<u8> {
    [LINES, &height.to_be_bytes()].concat()
}

pub(super) fn line_key(height: u64, id: &RequestId) -> Vec<u8> {
    [LINES, &height.to_be_bytes(), &id.0.0].concat()
}

/// Height and request of a line's key.
pub(super) fn read_line_key(key: &[u8]) -> Option<(u64, RequestId)> {
    let (height, id) = key.strip_prefix(LINES)?.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*height), RequestId(Digest(id.try_into().ok()?))))
}

/// Prefix of the faults recorded at a height.
pub(super) fn faults_at(height: u64) -> Vec<u8> {
    [FAULTS, &height.to_be_bytes()].concat()
}

pub(super) fn fault_key((height, node, number): &FaultPlace) -> Vec<u8> {
    [FAULTS, &height.to_be_bytes(), &node.0, &number.to_be_bytes()].concat()
}

/// Height, node and number of a fault's key.
pub(super) fn read_fault_key(key: &[u8]) -> Option<FaultPlace> {
    let (height, rest) = key.strip_prefix(FAULTS)?.split_first_chunk::<8>()?;
    let (node, number) = rest.split_first_chunk::<32>()?;
    let number = u32::from_be_bytes(number.try_into().ok()?);
    Some((u64::from_be_bytes(*height), PublicKey(*node), number))
}

pub(super) fn height_bytes(height: u64) -> Bytes {
    Bytes::copy_from_slice(&height.to_be_bytes())
}

pub(super) fn read_height(bytes: &[u8]) -> Result<u64, DecodeError> {
    let bytes: Result<[u8; 8], _> = bytes.try_into();
    bytes.map(u64::from_be_bytes).map_err(|e| DecodeError::Malformed {
        what: "a height of the history",
        reason: e.to_string(),
    })
}

pub(super) fn read<T: BorshDeserialize>(bytes: &[u8]) -> Result<T, DecodeError> {
    // The store bounds what was written.
    codec::decode("document of the history", bytes, bytes.len())
}
