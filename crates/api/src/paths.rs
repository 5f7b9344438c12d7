//! Where things are: paths below a node's address. `{…}` stands for one segment.

use trustmesh_types::{AppId, Digest, RequestId, TxId};

/// POST [`crate::SubmitRequest`]; GET a page of [`crate::RequestSummary`].
pub const REQUESTS: &str = "/v1/requests";
/// GET [`crate::RequestView`].
pub const REQUEST: &str = "/v1/requests/{id}";
/// GET [`crate::SealedResult`] by long poll, by its device ([`crate::auth`]).
pub const REQUEST_RESULT: &str = "/v1/requests/{id}/result";
/// GET [`crate::Placements`], at the node that planned.
pub const REQUEST_PLACEMENT: &str = "/v1/requests/{id}/placement";
/// GET a page of [`crate::NodeView`].
pub const NODES: &str = "/v1/nodes";
/// GET [`crate::NodeView`], by key.
pub const NODE: &str = "/v1/nodes/{key}";
/// GET a page of [`crate::AppView`].
pub const APPS: &str = "/v1/apps";
/// GET [`crate::AppView`].
pub const APP: &str = "/v1/apps/{id}";
/// GET a page of [`crate::OperatorView`].
pub const OPERATORS: &str = "/v1/operators";
/// GET a page of [`crate::WorkflowView`].
pub const WORKFLOWS: &str = "/v1/workflows";
/// GET [`crate::WorkflowView`].
pub const WORKFLOW: &str = "/v1/workflows/{id}";
/// GET a page of [`crate::DeviceView`].
pub const DEVICES: &str = "/v1/devices";
/// GET [`crate::DeviceView`], by key.
pub const DEVICE: &str = "/v1/devices/{key}";
/// GET a page of [`crate::PolicyView`].
pub const POLICIES: &str = "/v1/policies";
/// GET [`crate::PolicyView`].
pub const POLICY: &str = "/v1/policies/{id}";
/// POST an artifact's encoded contents, by a publisher ([`crate::auth`]):
/// [`crate::ArtifactStatus`].
pub const ARTIFACTS: &str = "/v1/artifacts";
/// GET an artifact's encoded contents, by a node or operator.
pub const ARTIFACT: &str = "/v1/artifacts/{contents}";
/// POST, by a publisher, once all of it is here: [`crate::ArtifactReceipts`].
pub const ARTIFACT_RECEIPTS: &str = "/v1/artifacts/{contents}/receipts";
/// GET bytes of a blob by range, by a node or operator.
pub const ARTIFACT_BLOB: &str = "/v1/artifacts/{contents}/blobs/{blob}";
/// PUT chunks of a blob from one on, by a publisher: [`crate::ArtifactStatus`].
pub const ARTIFACT_CHUNKS: &str = "/v1/artifacts/{contents}/blobs/{blob}/{chunk}";
/// GET the end of an application's log on the node that is asked, by an operator:
/// [`crate::AppLog`].
pub const APP_LOG: &str = "/v1/apps/{id}/log";
/// POST [`crate::SubmitTransactions`]: [`crate::TransactionsSubmitted`].
pub const TRANSACTIONS: &str = "/v1/transactions";
/// GET [`crate::TransactionView`]; waits for it with `?wait=`.
pub const TRANSACTION: &str = "/v1/transactions/{id}";
/// GET a page of [`crate::BlockView`], newest first.
pub const BLOCKS: &str = "/v1/blocks";
/// GET [`crate::BlockView`].
pub const BLOCK: &str = "/v1/blocks/{height}";
/// GET [`crate::RawBlocks`]: whole blocks and their certificates, for whoever checks them.
pub const RAW_BLOCKS: &str = "/v1/raw-blocks";
/// GET [`crate::RawHeaders`]: headers and their certificates, those of pruned blocks too.
pub const RAW_HEADERS: &str = "/v1/raw-headers";
/// GET [`crate::RawHeader`], of a pruned block too.
pub const BLOCK_HEADER: &str = "/v1/blocks/{height}/header";
/// GET [`crate::BlockReceipts`].
pub const BLOCK_RECEIPTS: &str = "/v1/blocks/{height}/receipts";
/// GET a page of [`crate::FaultView`], newest first.
pub const FAULTS: &str = "/v1/faults";
/// GET [`crate::ParametersView`].
pub const PARAMETERS: &str = "/v1/parameters";
/// GET [`crate::SnapshotPiece`]: a part of a state to start from.
pub const SNAPSHOT: &str = "/v1/snapshot";
/// GET [`crate::Committees`].
pub const COMMITTEES: &str = "/v1/committees";
/// GET [`crate::LedgerStatus`].
pub const LEDGER_STATUS: &str = "/v1/ledger/status";
/// GET the genesis document.
pub const GENESIS: &str = "/v1/genesis";
/// GET server-sent [`crate::EventView`]s.
pub const EVENTS: &str = "/v1/events";
/// GET [`crate::Health`]: the process lives.
pub const HEALTHZ: &str = "/v1/healthz";
/// GET [`crate::Ready`]: it follows the chain.
pub const READYZ: &str = "/v1/readyz";
/// GET metrics as text.
pub const METRICS: &str = "/v1/metrics";

/// Path of one request.
#[must_use]
pub fn request(id: &RequestId) -> String {
    format!("{REQUESTS}/{id}")
}

/// Path of one request's result.
#[must_use]
pub fn request_result(id: &RequestId) -> String {
    format!("{REQUESTS}/{id}/result")
}

/// Path of one request's placements.
#[must_use]
pub fn request_placement(id: &RequestId) -> String {
    format!("{REQUESTS}/{id}/placement")
}

/// Path of an artifact's receipts.
#[must_use]
pub fn artifact_receipts(contents: &Digest) -> String {
    format!("{ARTIFACTS}/{contents}/receipts")
}

/// Path of a blob of an artifact.
#[must_use]
pub fn artifact_blob(contents: &Digest, blob: &Digest) -> String {
    format!("{ARTIFACTS}/{contents}/blobs/{blob}")
}

/// Path of chunks of a blob, from one on.
#[must_use]
pub fn artifact_chunks(contents: &Digest, blob: &Digest, first: u64) -> String {
    format!("{ARTIFACTS}/{contents}/blobs/{blob}/{first}")
}

/// Path of an application's log.
#[must_use]
pub fn app_log(id: &AppId) -> String {
    format!("{APPS}/{id}/log")
}

/// Path of one transaction.
#[must_use]
pub fn transaction(id: &TxId) -> String {
    format!("{TRANSACTIONS}/{id}")
}

/// Path of one block's receipts.
#[must_use]
pub fn block_receipts(height: u64) -> String {
    format!("{BLOCKS}/{height}/receipts")
}

/// Path of one entry of a list.
#[must_use]
pub fn entry(list: &str, key: impl std::fmt::Display) -> String {
    format!("{list}/{key}")
}
