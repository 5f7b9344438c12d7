//! When each node was last heard from, by this node's clock in milliseconds.

use crate::limits;
use std::collections::BTreeMap;
use trustmesh_types::PublicKey;

/// Last signs of life. Only members are entered, so the ledger bounds it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peers {
    heard_ms: BTreeMap<PublicKey, u64>,
    since_ms: u64,
}

impl Peers {
    /// Listening begins.
    pub(crate) const fn listen(&mut self, now_ms: u64) {
        self.since_ms = now_ms;
    }

    /// A member sent something.
    pub(crate) fn heard(&mut self, node: PublicKey, now_ms: u64) {
        self.heard_ms.insert(node, now_ms);
    }

    /// Whether a node has been silent for long, and this node has listened for as long.
    pub(crate) fn silent(&self, node: &PublicKey, now_ms: u64) -> bool {
        let last_ms = self.heard_ms.get(node).copied().unwrap_or(0).max(self.since_ms);
        now_ms.saturating_sub(last_ms) > limits::SILENT_MS
    }
}
