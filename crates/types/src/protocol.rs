//! The version of the contracts' rules, which a transaction of an operator activates at a
//! height (docs/membership.md). All nodes change to it with the same block, so a chain that
//! was made under an earlier version executes as it did then.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// The newest version whose rules this program knows.
///
/// - 1: any nodes' word outvotes an output;
/// - 2: only validators' word does.
pub const PROTOCOL_VERSION_MAX: u32 = 2;

/// Epochs between the order to activate a version and the height at which it holds, at least:
/// time to see it coming.
pub const ACTIVATION_EPOCHS_MIN: u64 = 2;

/// A version that holds from a height on.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct Activation {
    /// The version.
    pub version: u32,
    /// The first block that its rules hold for.
    pub height: u64,
}

/// Which version holds when.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct ProtocolRecord {
    /// The version that holds until `next` does.
    pub version: u32,
    /// The last one ordered.
    pub next: Option<Activation>,
}

impl ProtocolRecord {
    /// The version that holds for the block of that height.
    #[must_use]
    pub fn at(&self, height: u64) -> u32 {
        self.next.filter(|next| next.height <= height).map_or(self.version, |next| next.version)
    }

    /// What is ordered, but does not hold for the block of that height.
    #[must_use]
    pub fn pending_at(&self, height: u64) -> Option<Activation> {
        self.next.filter(|next| next.height > height)
    }
}
