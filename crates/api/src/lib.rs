//! Wire types of the HTTP API `/v1` and its error codes (DESIGN, "What a user touches").
//!
//! Bodies are JSON; keys, digests and bytes are lower-case hexadecimal; times are Unix
//! milliseconds, lengths bytes, durations as their names say. Errors are problem documents
//! (RFC 9457) with a stable `code` ([`ErrorCode`]). Node and client share these types, and
//! [`paths`] says where each is found.
//!
//! Also here, because both sides of the wire need them: [`auth`], the signed headers of
//! requests that not everybody may make; [`definition`] and [`app_file`], workflows and
//! applications as operators write them; and [`chain_file`], ledgers as files.

pub mod app_file;
pub mod artifacts;
pub mod auth;
pub mod bytes;
pub mod chain_file;
pub mod definition;
pub mod duration;
pub mod faults;
mod form;
pub mod ledger;
pub mod limits;
pub mod members;
pub mod page;
pub mod paths;
pub mod placements;
pub mod problem;
pub mod requests;
pub mod results;
pub mod units;

pub use artifacts::{AppLog, AppLogQuery, ArtifactReceipts, ArtifactStatus, PublishArtifact};
pub use bytes::HexBytes;
pub use faults::{BlockReceipts, FaultQuery, FaultView, ParametersView};
pub use form::SyntaxError;
pub use ledger::{
    BlockView, Committees, EventView, Fate, Health, LedgerStatus, RawBlock, RawBlocks, RawHeader,
    RawHeaders, Ready, SnapshotPiece, SnapshotQuery, SubmitTransactions, Submitted,
    TransactionView, TransactionsSubmitted,
};
pub use members::{
    AppView, CopyState, CopyView, DeviceView, NodeView, OperatorView, PolicyView, WorkflowView,
};
pub use page::{ListQuery, Page, RangeQuery, RequestQuery, WaitQuery};
pub use placements::{
    CandidateView, ChoiceView, DeclinedView, PlacementView, Placements, UnfitView,
};
pub use problem::{ErrorCode, Problem};
pub use requests::{Accepted, RequestSummary, RequestView, SubmitRequest, TaskView};
pub use results::{ResultBundle, SealedResult};
