//! Committees: who votes, from which height on (docs/membership.md).
//!
//! Heights fall into epochs of [`crate::genesis::Parameters::epoch_blocks`]. What changes the
//! validators during one epoch is decided together at its end and holds when the next one
//! ends, so everybody knows who votes on a block long before it is proposed.

use crate::{crypto::PublicKey, genesis::faults_tolerated};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// The validators that vote on the blocks from a height on, until the next committee begins.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Committee {
    /// 0 is that of genesis.
    pub number: u64,
    /// The first block that it votes on.
    pub first_height: u64,
    /// Its validators, sorted.
    pub validators: Vec<PublicKey>,
}

impl Committee {
    /// Whether a key is one of its validators'.
    #[must_use]
    pub fn contains(&self, key: &PublicKey) -> bool {
        self.validators.binary_search(key).is_ok()
    }

    /// Votes that decide: all but as many as may be faulty.
    #[must_use]
    pub fn quorum(&self) -> usize {
        quorum(self.validators.len())
    }
}

/// Votes that decide among `validators`: all but as many as may be faulty.
#[must_use]
pub const fn quorum(validators: usize) -> usize {
    validators.saturating_sub(faults_tolerated(validators))
}
