//! What a ledger is started with, and the engine's times that follow from genesis.

use crate::{runtime::ClockOffset, snapshot::StateSnapshot};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use trustmesh_types::{
    SecretKey,
    genesis::{Genesis, Parameters},
    records::NodeInfo,
};

/// What a ledger is started with, on any runtime.
#[derive(Debug, Clone)]
pub struct Options {
    /// The network.
    pub genesis: Genesis,
    /// This node; it votes when genesis names it a validator.
    pub key: SecretKey,
    /// Prefix of the partitions in the runtime's storage, so that a simulation keeps its
    /// nodes apart.
    pub partition: String,
    /// The last height that the consumer has dealt with for good: [`crate::Streams`] go on
    /// after it (from an earlier height when the chain on disk ends before). `None`: go on
    /// after the newest state there is.
    pub delivered_height: Option<u64>,
    /// The node may have voted and not know of it, since its data is new: it follows until the
    /// ledger has taken its word that it is ready ([`crate::Handle::announce`]). Once said,
    /// it stays so over restarts.
    pub votes_unknown: bool,
    /// A state to go on from when it is newer than what the node has.
    pub snapshot: Option<StateSnapshot>,
    /// How far this node's clock is ahead of the runtime's: not at all, but in simulations.
    pub clock: ClockOffset,
}

/// What the daemon's ledger is started with beside.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// The ledger.
    pub ledger: Options,
    /// Where its data is kept; one process per directory.
    pub directory: PathBuf,
    /// Where to listen for other nodes.
    pub listen: SocketAddr,
    /// Nodes to connect to before the ledger says who there is, beside those of genesis.
    pub contacts: Vec<NodeInfo>,
    /// Peers that mailboxes have room for; more than are known at the start in any case.
    pub peers_max: Option<usize>,
    /// Threads that serve the network and the engine.
    pub threads: usize,
}

/// The directories of a ledger's votes in its data directory: those that begin so, for
/// [`NodeOptions`] with these values. One is made with the first vote, and from then on there
/// is one that is not empty; a validator that has lost them could contradict its votes.
#[must_use]
pub fn votes_directories(directory: &Path, partition: &str) -> PathBuf {
    directory.join(format!("{partition}-votes"))
}

/// The directories of a ledger's archive, which pruning makes smaller: those of blocks and of
/// certificates, each of values and keys. A file in them is named by the height that its section
/// begins with, in hexadecimal.
#[must_use]
pub fn archive_directories(directory: &Path, partition: &str) -> [PathBuf; 4] {
    let of = |name, part| directory.join(archive_partition(partition, name, part));
    [
        of("blocks", "values"),
        of("blocks", "keys"),
        of("finalizations", "values"),
        of("finalizations", "keys"),
    ]
}

/// A partition of the archive.
pub(crate) fn archive_partition(partition: &str, name: &str, part: &str) -> String {
    format!("{partition}-{name}-{part}")
}

/// The partition of a ledger's votes in a committee.
pub(crate) fn votes_partition(partition: &str, committee: u64) -> String {
    match committee {
        0 => format!("{partition}-votes"),
        number => format!("{partition}-votes-{number}"),
    }
}

/// The engine's times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) idle_interval: Duration,
    /// A leader that has not proposed by then is passed over.
    pub(crate) leader_timeout: Duration,
    /// A view that is not certified by then is passed over; more than `leader_timeout`.
    pub(crate) certification_timeout: Duration,
    /// Between two tries to pass over a view.
    pub(crate) timeout_retry: Duration,
    /// A leader that was silent is skipped at once for this long; more than both of the
    /// above.
    pub(crate) skip_timeout: Duration,
}

impl Times {
    pub(crate) const fn of(parameters: &Parameters) -> Self {
        let leader_ms = parameters.leader_timeout_ms;
        let certification_ms = leader_ms.saturating_add(500);
        let retry_ms = 1_000;
        let longest_ms = if certification_ms > retry_ms { certification_ms } else { retry_ms };
        Self {
            idle_interval: Duration::from_millis(parameters.idle_interval_ms),
            leader_timeout: Duration::from_millis(leader_ms),
            certification_timeout: Duration::from_millis(certification_ms),
            timeout_retry: Duration::from_millis(retry_ms),
            skip_timeout: Duration::from_millis(longest_ms.saturating_add(2_000)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_relations_that_the_engine_asserts_hold() {
        for leader_timeout_ms in [1, 999, 2_500, 60_000] {
            let parameters =
                Parameters { leader_timeout_ms, idle_interval_ms: 0, ..Parameters::default() };
            let times = Times::of(&parameters);
            assert!(times.leader_timeout > times.idle_interval);
            assert!(times.certification_timeout > times.leader_timeout);
            assert!(times.skip_timeout > times.certification_timeout);
            assert!(times.skip_timeout > times.timeout_retry);
        }
    }
}
