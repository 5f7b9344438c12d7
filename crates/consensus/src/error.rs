//! What can go wrong, for callers of this crate.

use crate::{certificate::CertificateError, keys::BadKey, pool::PoolError};
use std::any::Any;
use trustmesh_state::{Invalid, NotFollowing};
use trustmesh_types::{Digest, NetworkId, TxId, codec::DecodeError, genesis::GenesisError};

/// A transaction was not taken.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SubmitError {
    /// It is larger than transactions may be.
    #[error("the transaction has {got_bytes} bytes, at most {max_bytes} are allowed")]
    TooLarge {
        /// Its length.
        got_bytes: usize,
        /// The limit.
        max_bytes: usize,
    },
    /// No block may hold it.
    #[error("transaction {id} can't be included: {reason}")]
    Inadmissible {
        /// The transaction.
        id: TxId,
        /// Why.
        reason: Invalid,
    },
    /// Its signature is bad.
    #[error("transaction {id} has a signature that is not its signer's")]
    Signature {
        /// The transaction.
        id: TxId,
    },
    /// It came twice at once.
    #[error("transaction {id} was submitted twice at once")]
    Repeated {
        /// The transaction.
        id: TxId,
    },
    /// The mempool has no place for it.
    #[error(transparent)]
    Pool(PoolError),
    /// More come in than the node can check.
    #[error("the node is busy checking other transactions: try again in a moment")]
    Busy,
    /// The node is stopping.
    #[error("the node is stopping: submit to another one")]
    Stopping,
}

/// A message was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It is larger than messages may be.
    #[error("the message has {got_bytes} bytes, at most {max_bytes} are allowed")]
    TooLarge {
        /// Its length.
        got_bytes: usize,
        /// The limit.
        max_bytes: usize,
    },
    /// More is to be sent than the network takes.
    #[error("the node has too many messages waiting to be sent")]
    Busy,
}

/// A ledger can't go on: the engine gave up, as it does when its files are damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the ledger in {directory} can't go on: {reason}; check the disk, and if files are damaged put \
     the directory back as it was when the node last ran (a validator must not start without its votes)"
)]
pub struct LedgerFailed {
    /// Where its files are.
    pub directory: String,
    /// What the engine said, on one line.
    pub reason: String,
}

impl LedgerFailed {
    /// From what a panic carried.
    pub(crate) fn from_panic(directory: String, panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let text = text.unwrap_or("the engine did not say why");
        let words: Vec<&str> = text.split_whitespace().collect();
        Self { directory, reason: words.join(" ") }
    }
}

/// A snapshot does not follow from the genesis.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SnapshotError {
    /// The committees do not follow each other.
    #[error(transparent)]
    Handovers(#[from] NotFollowing),
    /// Nothing shows who votes on the block, or the next one.
    #[error("nothing shows who votes on block {height}")]
    Committee {
        /// The height.
        height: u64,
    },
    /// The block is not final.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The bytes are no state.
    #[error(transparent)]
    State(#[from] DecodeError),
    /// The state is another one.
    #[error("the state's root is {got}, the block names {expected}")]
    Root {
        /// The state's.
        got: Digest,
        /// The block's.
        expected: Digest,
    },
}

/// A ledger could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The genesis is not one to start from.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// A key of the genesis is none.
    #[error(transparent)]
    Key(#[from] BadKey),
    /// The data directory is of another network.
    #[error(
        "the data directory {directory} belongs to network {found}, not to {expected}: give another directory or the right genesis"
    )]
    WrongNetwork {
        /// Where.
        directory: String,
        /// The network that it is of.
        found: NetworkId,
        /// The network to start.
        expected: NetworkId,
    },
    /// The data directory can't be read or written.
    #[error("{what} in the data directory {directory} can't be used: {reason}")]
    Storage {
        /// What was read or written.
        what: &'static str,
        /// Where.
        directory: String,
        /// What the runtime says.
        reason: String,
    },
    /// The stored chain does not give the states that its headers name.
    #[error(
        "the chain in the data directory {directory} is damaged at height {height}: {reason}; put the directory back as it was when the node last ran; \
         only a node that does not vote may move it away and fetch the chain again: a validator's votes are in it"
    )]
    Damaged {
        /// Where.
        directory: String,
        /// The first height that can't be used.
        height: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The snapshot to start from can't be trusted.
    #[error("the snapshot of the ledger that another node gave is not used: {0}")]
    Snapshot(#[from] SnapshotError),
    /// A chain that was kept elsewhere can't be put there.
    #[error("the chain can't be written into {directory}: {reason}")]
    Restore {
        /// Where.
        directory: String,
        /// What is wrong with the chain, or what the runtime says.
        reason: String,
    },
    /// The address to listen on can't be used.
    #[error(
        "can't listen on {address} for other nodes: {reason}; free the port or set listen.p2p to another"
    )]
    Listen {
        /// The address.
        address: String,
        /// What the system says.
        reason: String,
    },
    /// An address of the genesis is none.
    #[error("the p2p address {address:?} of node {node} is not host:port")]
    Address {
        /// The node's name.
        node: String,
        /// The address.
        address: String,
    },
    /// The engine gave up while starting.
    #[error(transparent)]
    Failed(#[from] LedgerFailed),
    /// The engine ended while starting.
    #[error("the consensus engine ended while starting: {reason}")]
    Engine {
        /// What is known of it.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_panic_says_becomes_one_line() {
        let said = |work: fn()| {
            let panic = std::panic::catch_unwind(work).unwrap_err();
            LedgerFailed::from_panic("data/ledger".to_owned(), &*panic).reason
        };
        assert_eq!(said(|| panic!("plain")), "plain");
        assert_eq!(said(|| panic!("of {}:\n  many\n  lines", 1)), "of 1: many lines");
        assert_eq!(said(|| std::panic::panic_any(7)), "the engine did not say why");
    }
}
