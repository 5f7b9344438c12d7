//! Whether a network can start from a genesis (PROTOCOL §1).

use super::{GENESIS_VERSION, Genesis, Parameters};
use crate::{
    crypto::{BadKey, PublicKey},
    limits,
    protocol::PROTOCOL_VERSION_MAX,
    workflow::SCHEDULERS,
};
use std::collections::BTreeSet;

/// What [`node_name_fits`] asks for, as a sentence.
pub const NODE_NAME_RULE: &str = "a node's name has 1 to 64 letters, digits, '-', '_' and '.', and \
                                  does not start with '.': it may name a folder";

/// Whether a node's name is safe as a folder's.
#[must_use]
pub fn node_name_fits(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=limits::NAME_BYTES_MAX).contains(&name.len())
        && !name.starts_with('.')
        && name.chars().all(fits)
}

/// A genesis that no network can start from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// A version that this program does not know.
    #[error("genesis has version {got}, this program knows version {GENESIS_VERSION}")]
    Version {
        /// The version given.
        got: u8,
    },
    /// Too few or too many validators.
    #[error(
        "genesis has {got} validators; a network needs {} to {}",
        limits::VALIDATORS_MIN,
        limits::VALIDATORS_MAX
    )]
    Validators {
        /// How many there are.
        got: usize,
    },
    /// No operator.
    #[error("genesis has no operator: nobody could deploy applications or register devices")]
    NoOperator,
    /// A key twice.
    #[error("key {key} stands twice in genesis; one key is one member")]
    DuplicateKey {
        /// The key.
        key: PublicKey,
    },
    /// A name twice.
    #[error("two nodes of genesis are called {name:?}; give each a name of its own")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// An address twice.
    #[error(
        "address {address} stands twice in genesis, now of node {name:?}; every node needs one \
         address for p2p and another one for HTTP"
    )]
    DuplicateAddress {
        /// The address.
        address: String,
        /// The node at which it was found again.
        name: String,
    },
    /// A name that can't name a folder.
    #[error("node {name:?} of genesis: {NODE_NAME_RULE}")]
    NodeName {
        /// The name, cut to 80 characters.
        name: String,
    },
    /// A scheduler that does not exist.
    #[error(
        "genesis parameter scheduler is {got:?}; use one of {}",
        SCHEDULERS.join(", ")
    )]
    Scheduler {
        /// The name, cut to 80 characters.
        got: String,
    },
    /// A key that nobody may be a member by.
    #[error("genesis member {key}: {reason}")]
    Key {
        /// The key.
        key: PublicKey,
        /// What is wrong, and what to do.
        reason: BadKey,
    },
    /// A member whose description no network would admit.
    #[error("genesis member {key}: {reason}")]
    Member {
        /// The member.
        key: PublicKey,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A parameter out of its range.
    #[error("genesis parameter {name} is {got}: {why}")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// Its value.
        got: u64,
        /// What it must be.
        why: &'static str,
    },
}

impl Genesis {
    /// Checks that a network can start from it.
    ///
    /// # Errors
    /// The first [`GenesisError`] found.
    pub fn validate(&self) -> Result<(), GenesisError> {
        if self.version != GENESIS_VERSION {
            return Err(GenesisError::Version { got: self.version });
        }
        let validators = self.validators().len();
        if !(limits::VALIDATORS_MIN..=limits::VALIDATORS_MAX).contains(&validators) {
            return Err(GenesisError::Validators { got: validators });
        }
        if self.operators.is_empty() {
            return Err(GenesisError::NoOperator);
        }
        let mut keys = BTreeSet::new();
        let all = self.nodes.iter().map(|n| n.key).chain(self.operators.iter().map(|o| o.key));
        for key in all {
            if !keys.insert(key) {
                return Err(GenesisError::DuplicateKey { key });
            }
            key.check().map_err(|reason| GenesisError::Key { key, reason })?;
        }
        self.check_names()?;
        self.parameters.validate()
    }

    /// Nodes are told apart by name and address, and a name is a folder's in a local network.
    fn check_names(&self) -> Result<(), GenesisError> {
        let (mut names, mut addresses) = (BTreeSet::new(), BTreeSet::new());
        for node in &self.nodes {
            let name = || node.name.chars().take(80).collect::<String>();
            if !node_name_fits(&node.name) {
                return Err(GenesisError::NodeName { name: name() });
            }
            if !names.insert(&node.name) {
                return Err(GenesisError::DuplicateName { name: name() });
            }
            for address in [&node.p2p_address, &node.http_address] {
                if !addresses.insert(address) {
                    let address = address.chars().take(120).collect();
                    return Err(GenesisError::DuplicateAddress { address, name: name() });
                }
            }
        }
        Ok(())
    }
}

impl Parameters {
    /// Checks that a network can run by them.
    ///
    /// # Errors
    /// The first [`GenesisError`] found.
    pub fn validate(&self) -> Result<(), GenesisError> {
        let positive: [(&'static str, u64); 13] = [
            ("transaction_lifetime_blocks", self.transaction_lifetime_blocks),
            ("signer_transactions_per_block_max", self.signer_transactions_per_block_max.into()),
            ("generation_timeout_ms", self.generation_timeout_ms),
            ("finalization_timeout_ms", self.finalization_timeout_ms),
            ("queueing_timeout_ms", self.queueing_timeout_ms),
            ("fault_limit", self.fault_limit.into()),
            ("fault_window_ms", self.fault_window_ms),
            ("execution_attempts_max", self.execution_attempts_max.into()),
            ("open_requests_per_device_max", self.open_requests_per_device_max.into()),
            ("request_lifetime_ms_max", self.request_lifetime_ms_max),
            ("snapshot_interval_ms", self.snapshot_interval_ms),
            ("snapshot_batch", self.snapshot_batch.into()),
            ("snapshot_lifetime_batches", self.snapshot_lifetime_batches.into()),
        ];
        for (name, got) in positive {
            if got == 0 {
                return Err(GenesisError::Parameter { name, got, why: "it must be at least 1" });
            }
        }
        if self.leader_timeout_ms <= self.idle_interval_ms {
            return Err(GenesisError::Parameter {
                name: "leader_timeout_ms",
                got: self.leader_timeout_ms,
                why: "it must be more than idle_interval_ms, or idle leaders are passed over",
            });
        }
        if !limits::EPOCH_BLOCKS.contains(&self.epoch_blocks) {
            return Err(GenesisError::Parameter {
                name: "epoch_blocks",
                got: self.epoch_blocks,
                why: "it must be from 16 to 65536",
            });
        }
        if !(1..=PROTOCOL_VERSION_MAX).contains(&self.protocol_version) {
            return Err(GenesisError::Parameter {
                name: "protocol_version",
                got: self.protocol_version.into(),
                why: "this program does not know it: run a newer one",
            });
        }
        if !SCHEDULERS.contains(&self.scheduler.as_str()) {
            return Err(GenesisError::Scheduler { got: self.scheduler.chars().take(80).collect() });
        }
        Ok(())
    }
}
