//! The chain as the nodes deliver it: one block per height, each on the one before, with
//! the same receipts and events for every node.

use super::Violation;
use std::{collections::BTreeMap, sync::Arc};
use trustmesh_state::Finalized;
use trustmesh_types::{
    Block, Digest, Receipt, SignedTransaction, codec, events::Event, receipt::Outcome,
};

/// A final block and what it did.
#[derive(Debug)]
pub(crate) struct Final {
    pub(crate) digest: Digest,
    pub(crate) effects: Digest,
    pub(crate) block: Arc<Block>,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) events: Vec<Event>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct ChainView {
    blocks: BTreeMap<u64, Final>,
    delivered: BTreeMap<usize, u64>,
}

fn effects(finalized: &Finalized) -> Digest {
    Digest::of(&codec::encode(&(&finalized.receipts, &finalized.events)))
}

impl ChainView {
    /// A node delivers a block.
    pub(crate) fn add(&mut self, node: usize, finalized: &Finalized) -> Option<Violation> {
        let height = finalized.block.header.height;
        let (digest, effects) = (finalized.block.digest(), effects(finalized));
        let before = self.delivered.insert(node, height);
        if before.is_some_and(|before| height != before + 1) {
            // A node that starts again goes on somewhere below its last height.
            tracing::debug!(node, ?before, height, "delivery goes on elsewhere");
        }
        let known = self.blocks.entry(height).or_insert_with(|| Final {
            digest,
            effects,
            block: Arc::clone(&finalized.block),
            receipts: finalized.receipts.clone(),
            events: finalized.events.clone(),
        });
        if known.digest != digest {
            let what = format!("node {node} has another block than others at height {height}");
            return Some(Violation::new("S2", what));
        }
        (known.effects != effects).then(|| {
            let what = format!("node {node} executes block {height} to other effects than others");
            Violation::new("S5", what)
        })
    }

    /// Height of the newest final block that anybody delivered.
    pub(crate) fn height(&self) -> u64 {
        self.blocks.last_key_value().map_or(0, |(height, _)| *height)
    }

    /// The height that a node has delivered last.
    pub(crate) fn delivered(&self, node: usize) -> u64 {
        self.delivered.get(&node).copied().unwrap_or(0)
    }

    /// The blocks, lowest first.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &Final> {
        self.blocks.values()
    }

    /// Every height is there, and each block stands on the one before.
    pub(super) fn check_links(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        let mut before: Option<(u64, &Final)> = None;
        for (height, block) in &self.blocks {
            if let Some((last, parent)) = before {
                let follows = *height == last + 1 && block.block.header.parent == parent.digest;
                if !follows {
                    let what = format!("block {height} does not stand on block {last}");
                    violations.push(Violation::new("S2", what));
                }
                if block.block.header.timestamp_ms <= parent.block.header.timestamp_ms {
                    let what = format!("block {height} is not later than block {last}");
                    violations.push(Violation::new("S2", what));
                }
            }
            before = Some((*height, block));
        }
        violations
    }
}

impl Final {
    /// The transactions that did what they say.
    pub(crate) fn applied(&self) -> impl Iterator<Item = &SignedTransaction> {
        let both = self.block.transactions.iter().zip(&self.receipts);
        both.filter(|(_, receipt)| receipt.outcome == Outcome::Applied).map(|(tx, _)| tx)
    }
}
