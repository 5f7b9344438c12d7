//! Why a node did not start, or ended.

use crate::{
    config::ConfigError, guard::GuardError, history::HistoryError, join::JoinError,
    keystore::KeyError, telemetry::FilterError, tls::TlsError,
};
use trustmesh_client::ClientError;
use trustmesh_consensus::{LedgerFailed, StartError};
use trustmesh_data::{
    DataError,
    artifacts::{ArtifactError, oci::OciError},
};
use trustmesh_executor::RunError;

/// The HTTP address can't be listened on.
#[derive(Debug, thiserror::Error)]
#[error(
    "can't listen on {address} for HTTP: {reason}; free the port or set listen.http to another"
)]
pub struct BindError {
    /// The address.
    pub address: String,
    /// What the operating system said.
    pub reason: String,
}

/// A node did not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The configuration, or the genesis that it names.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The key file.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The join file.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The log filter.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The data directory.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// The store in it.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The artifacts in it.
    #[error(transparent)]
    Artifacts(#[from] ArtifactError),
    /// A registry to fetch artifacts from.
    #[error(transparent)]
    Registry(#[from] OciError),
    /// The history in it.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The TLS identity.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The HTTP address.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] StartError),
    /// The ledger, later.
    #[error(transparent)]
    LedgerFailed(#[from] LedgerFailed),
    /// The ledger, because the disk is full.
    #[error(
        "no space left on the disk of {directory}: free some and start the node again, it goes on \
         from there ({failed})"
    )]
    DiskFull {
        /// The data directory.
        directory: String,
        /// What the ledger said.
        failed: LedgerFailed,
    },
    /// The WebAssembly engine.
    #[error(transparent)]
    Runner(#[from] RunError),
    /// What speaks to other nodes.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The runtime.
    #[error("can't {action}: {reason}")]
    System {
        /// What was tried.
        action: &'static str,
        /// What the operating system said.
        reason: String,
    },
    /// The ledger ended by itself.
    #[error("the ledger ended by itself; the log says why")]
    LedgerEnded,
}
