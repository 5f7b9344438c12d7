//! Why a world could not be built. What goes wrong in a world that runs is a
//! [`crate::Violation`] instead.

use trustmesh_consensus::StartError;

/// A scenario can't be played.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// A scenario that makes no sense.
    #[error("scenario {scenario}: {what}")]
    Scenario {
        /// Its name.
        scenario: String,
        /// What is wrong with it.
        what: String,
    },
    /// A node's ledger does not start.
    #[error("node {node} does not start: {source}")]
    Start {
        /// The node's index.
        node: usize,
        /// Why.
        source: StartError,
    },
    /// The simulated network refuses something.
    #[error("the simulated network: {reason}")]
    Network {
        /// What it says.
        reason: String,
    },
    /// The mesh did not get ready for requests.
    #[error("the mesh is not ready after {seconds} s of virtual time: {missing}")]
    Setup {
        /// How long was waited.
        seconds: u64,
        /// What was not there.
        missing: String,
    },
}

impl From<commonware_p2p::simulated::Error> for SimError {
    fn from(error: commonware_p2p::simulated::Error) -> Self {
        Self::Network { reason: error.to_string() }
    }
}
