//! The ledger through the API: its status, blocks, transactions, receipts and events.

use crate::{bytes::HexBytes, problem::ErrorCode};
use serde::{Deserialize, Serialize};
use trustmesh_state::Handover;
use trustmesh_types::{
    Block, Digest, Header, NetworkId, PublicKey, SignedTransaction, TxId, committee::Committee,
    events::Event, protocol::Activation, receipt::Outcome,
};

/// Where a node and its ledger stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerStatus {
    /// The network.
    pub network: NetworkId,
    /// Its name for people.
    pub name: String,
    /// The node that answers.
    pub node: PublicKey,
    /// Its name.
    pub node_name: String,
    /// Height of the newest finalized block that it executed.
    pub height: u64,
    /// The lowest height whose block this node has whole: older ones are pruned, all but
    /// header and certificate. 0 from a node that does not say.
    #[serde(default)]
    pub oldest_block: u64,
    /// Timestamp of the newest block.
    pub timestamp_ms: u64,
    /// Root of the state after it.
    pub state_root: Digest,
    /// The engine's view.
    pub view: u64,
    /// Transactions that wait here.
    pub pending: u64,
    /// Number of validators.
    pub validators: u32,
    /// How many of them may fail.
    pub faults_tolerated: u32,
    /// The number of their committee.
    pub committee: u64,
    /// Whether a change of the validators waits for its height.
    pub membership_pending: bool,
    /// Whether this node votes by now: a validator that comes back without its votes follows
    /// until the next committee.
    pub votes: bool,
    /// Whether it follows the chain, as far as it can tell.
    pub caught_up: bool,
    /// The node's program version.
    pub version: String,
    /// The version of the contracts' rules that holds for the next block.
    #[serde(default)]
    pub protocol_version: u32,
    /// The newest version that the node's program knows.
    #[serde(default)]
    pub protocol_known: u32,
    /// The version that is ordered, but does not hold yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol_next: Option<Activation>,
}

/// Who votes, and what proves it to whoever holds the genesis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committees {
    /// How each committee after that of genesis began, in order
    /// ([`trustmesh_state::follow_handovers`]).
    pub handovers: Vec<Handover>,
    /// Committees that are decided and have yet to begin.
    pub to_come: Vec<Committee>,
}

/// Which part of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SnapshotQuery {
    /// The snapshot's digest; the newest one when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// From this byte on.
    pub offset: u64,
}

/// A part of a snapshot: the ledger's state after a block, with what proves it by the genesis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotPiece {
    /// The block's height.
    pub height: u64,
    /// Digest of the whole.
    pub digest: Digest,
    /// Length of the whole.
    pub total: u64,
    /// At least one byte; at most [`crate::limits::SNAPSHOT_PIECE_BYTES_MAX`].
    pub bytes: HexBytes,
}

/// A block, without its transactions' content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockView {
    /// Its digest.
    pub digest: Digest,
    /// Its header.
    #[serde(flatten)]
    pub header: Header,
    /// Its transactions, in order.
    pub transactions: Vec<TxId>,
}

impl BlockView {
    /// Shows a block.
    #[must_use]
    pub fn new(block: &Block) -> Self {
        Self {
            digest: block.digest(),
            header: block.header.clone(),
            transactions: block.transaction_ids(),
        }
    }
}

/// A whole block with its finality certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawBlock {
    /// Its height.
    pub height: u64,
    /// The encoded block.
    pub block: HexBytes,
    /// The encoded certificate of 2f+1 signatures; for its form see `trustmesh-consensus`.
    pub certificate: HexBytes,
}

/// Whole blocks, by height.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawBlocks {
    /// Height of the newest finalized block.
    pub height: u64,
    /// The blocks; fewer than asked for where the answer would be too large.
    pub blocks: Vec<RawBlock>,
}

/// A block's header with its finality certificate: what stays of a pruned block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawHeader {
    /// Its height.
    pub height: u64,
    /// The encoded header.
    pub header: HexBytes,
    /// The encoded certificate; empty for a block that became final through a later one.
    pub certificate: HexBytes,
}

/// Headers, by height.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawHeaders {
    /// Height of the newest finalized block.
    pub height: u64,
    /// The lowest height whose block this node has whole.
    pub oldest_block: u64,
    /// The headers, from the height asked for on without a gap; fewer than asked for at the end
    /// of the chain, none where this node never had them.
    pub headers: Vec<RawHeader>,
}

/// A transaction and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionView {
    /// Its id.
    pub id: TxId,
    /// Its signer.
    pub signer: PublicKey,
    /// What it does: the payload's kind.
    pub kind: String,
    /// Height of its block.
    pub height: u64,
    /// Timestamp of its block.
    pub timestamp_ms: u64,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The transaction, where the node still has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<SignedTransaction>,
}

/// Transactions to bring to the ledger: each the encoding (borsh) of a signed transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmitTransactions {
    /// 1 to [`crate::limits::TRANSACTIONS_PER_POST_MAX`] of them.
    pub transactions: Vec<HexBytes>,
}

/// What became of the transactions of a post, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionsSubmitted {
    /// One per transaction.
    pub transactions: Vec<Submitted>,
}

/// What became of one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// Its id; absent when its bytes don't decode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<TxId>,
    /// Where it stands.
    #[serde(flatten)]
    pub fate: Fate,
}

/// Where a submitted transaction stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fate", rename_all = "snake_case")]
pub enum Fate {
    /// Taken in; not in a finalized block when the wait ended.
    Pending,
    /// In a finalized block.
    Included {
        /// Height of the block.
        height: u64,
        /// What it did.
        result: Outcome,
    },
    /// Not taken in.
    Refused {
        /// Why.
        code: ErrorCode,
        /// What was wrong, where, and what to do.
        detail: String,
    },
}

/// An event and its block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventView {
    /// Height of the block.
    pub height: u64,
    /// Timestamp of the block.
    pub timestamp_ms: u64,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
}

/// The process lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// The program's version.
    pub version: String,
}

/// Whether the node follows the chain; 200 when it does, 503 when not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Whether it does.
    pub ready: bool,
    /// Height of the newest finalized block that it executed.
    pub height: u64,
    /// Why it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
