//! The chain as the honest nodes deliver it: one block per height, each on the one before,
//! with the same receipts, events and state for every node (S2, S5).

use super::Violation;
use std::{collections::BTreeMap, sync::Arc};
use trustmesh_state::Finalized;
use trustmesh_types::{
    Block, Digest, Payload, Receipt, SignedTransaction, events::Event, receipt::Outcome,
};

/// A final block and what it did.
#[derive(Debug)]
pub(crate) struct Final {
    pub(crate) digest: Digest,
    pub(crate) block: Arc<Block>,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) events: Vec<Event>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct ChainView {
    blocks: BTreeMap<u64, Arc<Final>>,
    delivered: BTreeMap<usize, u64>,
}

/// What a delivery was.
pub(super) enum Delivered {
    /// Nobody delivered this height before.
    First(Arc<Final>),
    /// Others did, with the same block and effects.
    Again,
}

impl ChainView {
    /// An honest node delivers a block.
    pub(super) fn add(
        &mut self,
        node: usize,
        finalized: &Finalized,
    ) -> Result<Delivered, Violation> {
        let header = &finalized.block.header;
        let (height, digest) = (header.height, finalized.block.digest());
        // A node that starts again goes on somewhere below its last height.
        let delivered = self.delivered.entry(node).or_default();
        *delivered = height.max(*delivered);
        if finalized.state.root() != header.state_root {
            let what = format!("node {node} is in another state than block {height} says");
            return Err(Violation::new("S5", what));
        }
        let Some(known) = self.blocks.get(&height) else {
            let block = Arc::new(Final {
                digest,
                block: Arc::clone(&finalized.block),
                receipts: finalized.receipts.clone(),
                events: finalized.events.clone(),
            });
            self.check_link(&block)?;
            self.blocks.insert(height, Arc::clone(&block));
            return Ok(Delivered::First(block));
        };
        if known.digest != digest {
            let what = format!("node {node} has another block than others at height {height}");
            return Err(Violation::new("S2", what));
        }
        if known.receipts != finalized.receipts || known.events != finalized.events {
            let what = format!("node {node} executes block {height} to other effects than others");
            return Err(Violation::new("S5", what));
        }
        Ok(Delivered::Again)
    }

    /// The block stands on the one below, and is later.
    fn check_link(&self, block: &Final) -> Result<(), Violation> {
        let header = &block.block.header;
        let height = header.height;
        let Some((last, parent)) = self.blocks.last_key_value() else {
            let first = height == 1;
            let what = || format!("the first block that anybody delivers is {height}");
            return if first { Ok(()) } else { Err(Violation::new("S2", what())) };
        };
        if height != last + 1 || header.parent != parent.digest {
            let what = format!("block {height} does not stand on block {last}");
            return Err(Violation::new("S2", what));
        }
        if header.timestamp_ms <= parent.block.header.timestamp_ms {
            let what = format!("block {height} is not later than block {last}");
            return Err(Violation::new("S2", what));
        }
        Ok(())
    }

    /// Height of the newest final block that anybody honest delivered.
    pub(crate) fn height(&self) -> u64 {
        self.blocks.last_key_value().map_or(0, |(height, _)| *height)
    }

    /// The height that a node has delivered last.
    pub(crate) fn delivered(&self, node: usize) -> u64 {
        self.delivered.get(&node).copied().unwrap_or(0)
    }

    /// The blocks, lowest first.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &Final> {
        self.blocks.values().map(AsRef::as_ref)
    }
}

impl Final {
    /// The transactions that did what they say.
    pub(crate) fn applied(&self) -> impl Iterator<Item = &SignedTransaction> {
        let both = self.block.transactions.iter().zip(&self.receipts);
        both.filter(|(_, receipt)| receipt.outcome == Outcome::Applied).map(|(tx, _)| tx)
    }

    /// A way through them in step with the events.
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader { applied: self.applied().collect(), at: 0 }
    }
}

/// Goes through a block's applied transactions beside its events: those of a transaction come
/// after those of the transactions before it.
pub(super) struct Reader<'a> {
    applied: Vec<&'a SignedTransaction>,
    at: usize,
}

impl<'a> Reader<'a> {
    /// The next transaction that an event can be of, by its payload.
    pub(super) fn next(
        &mut self,
        is_it: impl Fn(&SignedTransaction, &Payload) -> bool,
    ) -> Option<&'a SignedTransaction> {
        let rest = self.applied.get(self.at..)?;
        let found = rest.iter().position(|tx| is_it(tx, &tx.transaction.payload))?;
        let tx = rest.get(found).copied();
        self.at += found + 1;
        tx
    }
}
