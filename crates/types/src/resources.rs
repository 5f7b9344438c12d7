//! Amounts of cpu, memory and disk, and what a node reports of itself (PROTOCOL §5).

use crate::digest::Digest;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// An amount of resources: what an application requires, what a node has, what is reserved.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
pub struct Resources {
    /// Thousandths of a core.
    pub cpu_millis: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Bytes of disk.
    #[serde(default)]
    pub disk_bytes: u64,
}

/// Bytes in a MiB, the unit of memory in eq. 2.
pub const MIB: u64 = 1024 * 1024;

impl Resources {
    /// Nothing.
    pub const ZERO: Self = Self { cpu_millis: 0, memory_bytes: 0, disk_bytes: 0 };

    /// Sum, saturating.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            cpu_millis: self.cpu_millis.saturating_add(other.cpu_millis),
            memory_bytes: self.memory_bytes.saturating_add(other.memory_bytes),
            disk_bytes: self.disk_bytes.saturating_add(other.disk_bytes),
        }
    }

    /// Difference, at least zero in each part.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            cpu_millis: self.cpu_millis.saturating_sub(other.cpu_millis),
            memory_bytes: self.memory_bytes.saturating_sub(other.memory_bytes),
            disk_bytes: self.disk_bytes.saturating_sub(other.disk_bytes),
        }
    }

    /// The smaller of each part.
    #[must_use]
    pub fn at_most(self, other: Self) -> Self {
        Self {
            cpu_millis: self.cpu_millis.min(other.cpu_millis),
            memory_bytes: self.memory_bytes.min(other.memory_bytes),
            disk_bytes: self.disk_bytes.min(other.disk_bytes),
        }
    }

    /// Whether each part is at most that of `capacity` (eq. 6).
    #[must_use]
    pub const fn fits(&self, capacity: &Self) -> bool {
        self.cpu_millis <= capacity.cpu_millis
            && self.memory_bytes <= capacity.memory_bytes
            && self.disk_bytes <= capacity.disk_bytes
    }
}

impl std::fmt::Display for Resources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} cpu millis, {} MiB memory, {} MiB disk",
            self.cpu_millis,
            self.memory_bytes / MIB,
            self.disk_bytes / MIB
        )
    }
}

/// A node's sample of its machine.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
pub struct Snapshot {
    /// When it was taken, in Unix milliseconds by the node's clock.
    pub taken_ms: u64,
    /// What anything but this node's own tasks uses of the capacity it attests.
    pub foreign: Resources,
}

/// A node's transaction per batch of snapshots.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct ResourceReport {
    /// The newest snapshot.
    pub newest: Snapshot,
    /// Merkle root over the digests of the batch's encoded snapshots, oldest first.
    pub batch_root: Digest,
    /// Number of snapshots in the batch.
    pub batch_len: u32,
}
