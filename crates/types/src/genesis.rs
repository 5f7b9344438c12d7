//! Genesis: who takes part from the start, and the network's parameters (PROTOCOL §1–§4).
//!
//! Its digest is the network id, so two networks never share a signature, and a node can
//! tell a data directory of another network from its own.

use crate::{
    block::{BLOCK_VERSION, Block, Header},
    codec,
    crypto::PublicKey,
    digest::Digest,
    ids::NetworkId,
    merkle,
    protocol::PROTOCOL_VERSION_MAX,
    records::{NodeInfo, OperatorInfo},
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

mod validation;

pub use validation::{GenesisError, NODE_NAME_RULE, node_name_fits};

/// What an operator may change of a network; every one has a default.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// Most heights between a transaction's making and its inclusion (W).
    pub transaction_lifetime_blocks: u64,
    /// Most transactions of one signer in a block (k).
    pub signer_transactions_per_block_max: u32,
    /// w_c of eq. 2, per available cpu millis.
    pub weight_cpu: u64,
    /// w_m of eq. 2, per available MiB.
    pub weight_memory: u64,
    /// A designated node that has not planned by then is passed over.
    pub generation_timeout_ms: u64,
    /// Added to the sum of the levels' longest task timeouts: when execution is overdue.
    pub execution_grace_ms: u64,
    /// The first finalizer has this long before the next one takes over.
    pub finalization_timeout_ms: u64,
    /// Plans that may become Active for one request.
    pub execution_attempts_max: u8,
    /// Open requests of one device.
    pub open_requests_per_device_max: u32,
    /// Furthest deadline of a request, ahead of the block that accepts it.
    pub request_lifetime_ms_max: u64,
    /// How long an ended request stays in the state.
    pub request_retention_ms: u64,
    /// Interval of a node's snapshots.
    pub snapshot_interval_ms: u64,
    /// Snapshots per committed batch.
    pub snapshot_batch: u32,
    /// A snapshot lives for this many batches.
    pub snapshot_lifetime_batches: u32,
    /// Scheduler of workflows that name none.
    pub scheduler: String,
    /// How long a request may wait without a designee before it fails.
    pub queueing_timeout_ms: u64,
    /// Faults within `fault_window_ms` that quarantine a node.
    pub fault_limit: u32,
    /// How long a fault counts.
    pub fault_window_ms: u64,
    /// A leader with nothing to propose holds its block this long.
    pub idle_interval_ms: u64,
    /// A leader that has not proposed by then is passed over; more than `idle_interval_ms`.
    pub leader_timeout_ms: u64,
    /// Heights of an epoch: changes of the validators take effect when one ends.
    pub epoch_blocks: u64,
    /// Version of the contracts' rules that the network begins with.
    pub protocol_version: u32,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            transaction_lifetime_blocks: 1024,
            signer_transactions_per_block_max: 256,
            weight_cpu: 4,
            weight_memory: 1,
            generation_timeout_ms: 1_000,
            execution_grace_ms: 2_000,
            finalization_timeout_ms: 1_000,
            execution_attempts_max: 3,
            open_requests_per_device_max: 256,
            request_lifetime_ms_max: 3_600_000,
            request_retention_ms: 60_000,
            snapshot_interval_ms: 10_000,
            snapshot_batch: 6,
            snapshot_lifetime_batches: 3,
            scheduler: "lcdwrr".to_owned(),
            queueing_timeout_ms: 600_000,
            fault_limit: 3,
            fault_window_ms: 86_400_000,
            idle_interval_ms: 3_000,
            leader_timeout_ms: 3_500,
            epoch_blocks: 64,
            protocol_version: PROTOCOL_VERSION_MAX,
        }
    }
}

/// New parameters for a network.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct ParametersChange {
    /// All parameters as they shall be.
    pub parameters: Parameters,
    /// Digest of the encoded parameters that these replace, so that of two changes made at
    /// once the second is refused rather than undoing the first.
    pub replaces: Digest,
}

/// The genesis of a network.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Version of this document.
    pub version: u8,
    /// A name for people.
    pub name: String,
    /// When it was made, Unix milliseconds; the genesis block's timestamp.
    pub created_ms: u64,
    /// Parameters.
    #[serde(default)]
    pub parameters: Parameters,
    /// The first operators.
    pub operators: Vec<OperatorInfo>,
    /// The first nodes, validators among them.
    pub nodes: Vec<NodeInfo>,
}

/// Version of the genesis document.
pub const GENESIS_VERSION: u8 = 1;

impl Genesis {
    /// The network's id.
    #[must_use]
    pub fn network_id(&self) -> NetworkId {
        NetworkId(Digest::of_parts(&[b"trustmesh genesis", &codec::encode(self)]))
    }

    /// Keys of the validators, sorted.
    #[must_use]
    pub fn validators(&self) -> Vec<PublicKey> {
        let mut keys: Vec<PublicKey> =
            self.nodes.iter().filter(|n| n.roles.validator).map(|n| n.key).collect();
        keys.sort_unstable();
        keys
    }

    /// The genesis block, given the root of the state that genesis makes.
    #[must_use]
    pub fn block(&self, state_root: Digest) -> Block {
        Block {
            header: Header {
                version: BLOCK_VERSION,
                height: 0,
                parent: self.network_id().0,
                timestamp_ms: self.created_ms,
                proposer: PublicKey([0; 32]),
                transactions_root: merkle::root(&[]),
                receipts_root: merkle::root(&[]),
                state_root,
            },
            transactions: Vec::new(),
        }
    }
}

impl Parameters {
    /// Time between two resource reports of a node, in milliseconds.
    #[must_use]
    pub fn report_interval_ms(&self) -> u64 {
        self.snapshot_interval_ms.saturating_mul(self.snapshot_batch.into())
    }

    /// Time to live of a snapshot, in milliseconds.
    #[must_use]
    pub fn snapshot_lifetime_ms(&self) -> u64 {
        self.report_interval_ms().saturating_mul(self.snapshot_lifetime_batches.into())
    }
}

/// Faulty validators that `validators` of them tolerate: the largest f with n ≥ 3f+1.
#[must_use]
pub const fn faults_tolerated(validators: usize) -> usize {
    validators.saturating_sub(1) / 3
}
