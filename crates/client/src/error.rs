//! What can go wrong between a client and the network.

use crate::check::Unbelievable;
use std::time::Duration;
use trustmesh_api::{ErrorCode, Problem};
use trustmesh_types::{NetworkId, RequestId, TxId, reject::Rejection};

/// One try at one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The node's address.
    pub address: String,
    /// What came of it.
    pub reason: String,
}

impl std::fmt::Display for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.address, self.reason)
    }
}

/// A call did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is nobody to ask.
    #[error("no endpoint is known: give at least one node as KEY@HOST:PORT, or a genesis file")]
    NoEndpoint,
    /// No node answered.
    #[error(
        "no node answered ({}): check that the network is up and its addresses are right",
        list(tried)
    )]
    Unreachable {
        /// Every try.
        tried: Vec<Attempt>,
    },
    /// Every node asks to slow down, again and again.
    #[error(
        "the nodes take no more from this key or address for now ({}): send less often, or try \
         again in {} s",
        list(tried),
        retry_after.as_secs().max(1)
    )]
    Limited {
        /// What each node said last.
        tried: Vec<Attempt>,
        /// What the one that is ready first asks to wait.
        retry_after: Duration,
    },
    /// The deadline passed before a node accepted the request.
    #[error(
        "the request's deadline passed before a node could accept it ({}): check with `network status` \
         that enough validators run, or give more time",
        list(tried)
    )]
    TooLate {
        /// What each node said first.
        tried: Vec<Attempt>,
    },
    /// A node proved its key, but it works in another network.
    #[error(
        "{address} is a node of network {}, and the genesis given is that of network {}: give \
         the genesis of the network meant, or endpoints of this one",
        got.short(),
        expected.short()
    )]
    OtherNetwork {
        /// The node's address.
        address: String,
        /// The network it says it works in.
        got: NetworkId,
        /// The client's network.
        expected: NetworkId,
    },
    /// A node answered with a problem that another try does not help.
    #[error("{address} refused ({}): {problem}", problem.code)]
    Refused {
        /// The node's address.
        address: String,
        /// What it said.
        problem: Box<Problem>,
    },
    /// A node's answer makes no sense: another version, or not a node.
    #[error("{address} gave an answer that can't be read: {reason}; is it a node of this version?")]
    BadAnswer {
        /// The node's address.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The ledger includes the transaction and rejects it.
    #[error("the ledger rejected transaction {} ({}): {rejection}", id.short(), rejection.code)]
    Rejected {
        /// The transaction.
        id: TxId,
        /// Why.
        rejection: Rejection,
    },
    /// The transaction is not in a finalized block yet.
    #[error(
        "transaction {id} is not final after {} s; it may still become so: look it up before sending it anew",
        waited.as_secs()
    )]
    NotFinal {
        /// The transaction.
        id: TxId,
        /// How long was waited.
        waited: Duration,
    },
    /// The request has no result yet.
    #[error("request {} has no result after {} s; ask again", request.short(), waited.as_secs())]
    Pending {
        /// The request.
        request: RequestId,
        /// How long was waited.
        waited: Duration,
    },
    /// The request ended without a result.
    #[error("request {} ended without a result: {reason}", request.short())]
    NoResult {
        /// The request.
        request: RequestId,
        /// Why.
        reason: String,
    },
    /// A result came that must not be believed, from every holder that was asked.
    #[error("the result of request {} can't be believed: {reason}", request.short())]
    Unbelievable {
        /// The request.
        request: RequestId,
        /// What is wrong with it.
        reason: Unbelievable,
    },
    /// A result came, but too few validators show the same record of its request.
    #[error(
        "the result of request {} can't be checked: {needed} validators must show the same \
         record of it, of the {answered} that showed one at most {agreed} agree ({}); check that \
         enough validators of the genesis are reachable from here",
        request.short(),
        list(others)
    )]
    Unattested {
        /// The request.
        request: RequestId,
        /// Validators that must agree: one more than may be faulty.
        needed: usize,
        /// The most that agree.
        agreed: usize,
        /// Validators that showed an ended request.
        answered: usize,
        /// What the others said instead.
        others: Vec<Attempt>,
    },
    /// Something on this machine.
    #[error("{what}")]
    Local {
        /// What.
        what: String,
    },
}

impl ClientError {
    /// Whether a node answered that there is no such thing.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Refused { problem, .. } if problem.code == ErrorCode::NotFound)
    }

    /// How long whoever gave the error asks to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::Limited { retry_after, .. } => *retry_after,
            Self::Refused { problem, .. } => {
                Duration::from_millis(problem.retry_after_ms().unwrap_or(0))
            }
            _ => Duration::ZERO,
        }
    }
}

fn list(tried: &[Attempt]) -> String {
    let each: Vec<String> = tried.iter().map(Attempt::to_string).collect();
    each.join("; ")
}
