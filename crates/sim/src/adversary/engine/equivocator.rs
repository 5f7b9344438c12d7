//! A leader that sends one block to one half of the others and another block to the rest,
//! both sound, with a vote for each; a moment later everybody has both votes.

use super::Evil;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use trustmesh_consensus::{BLOCKS_CHANNEL, Conduct, LedgerBlock, Said, Tap, VOTES_CHANNEL, revote};
use trustmesh_state::{Proposal, State};
use trustmesh_types::{
    Block, Digest, TxId, block::transactions_root, receipt::receipts_root, votes::Vote,
};

/// How long each half knows one vote alone.
const APART: Duration = Duration::from_millis(1);
/// Pairs of blocks that are remembered.
const PAIRS_MAX: usize = 16;

/// See the module.
#[derive(Debug)]
pub(super) struct Equivocator {
    evil: Evil,
    /// The other block of each of its blocks, by digest.
    others: Mutex<BTreeMap<Digest, LedgerBlock>>,
}

impl Equivocator {
    pub(super) fn new(evil: Evil) -> Self {
        Self { evil, others: Mutex::default() }
    }

    fn other(&self, digest: &Digest) -> Option<LedgerBlock> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }
}

/// The same without its last transaction and a moment later, just as sound.
fn sibling(parent: &State, block: &Block) -> Option<Block> {
    let mut other = block.clone();
    other.transactions.pop();
    other.header.timestamp_ms += 1;
    let ids: Vec<TxId> = other.transaction_ids();
    let done = parent
        .execute(&Proposal {
            proposer: other.header.proposer,
            timestamp_ms: other.header.timestamp_ms,
            transactions: &other.transactions,
            ids: &ids,
        })
        .ok()?;
    other.header.transactions_root = transactions_root(&other.transactions);
    other.header.receipts_root = receipts_root(&done.receipts);
    other.header.state_root = done.state.root();
    Some(other)
}

impl Conduct for Equivocator {
    fn seal(&self, parent: &State, block: Block) -> Block {
        if let Some(other) = sibling(parent, &block) {
            let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
            if others.len() >= PAIRS_MAX {
                others.clear();
            }
            others.insert(block.digest(), LedgerBlock::new(other));
        }
        block
    }
}

impl Tap for Equivocator {
    fn send(&self, channel: usize, said: Said) -> Vec<Said> {
        match channel {
            BLOCKS_CHANNEL => self.block(said),
            VOTES_CHANNEL => self.vote(said),
            _ => vec![said],
        }
    }
}

impl Equivocator {
    fn block(&self, said: Said) -> Vec<Said> {
        let block = LedgerBlock::from_wire(said.bytes.clone()).ok();
        let Some(other) = block.and_then(|block| self.other(&block.block().digest())) else {
            return vec![said];
        };
        let (these, those) = halves(&said);
        vec![Said { to: these, ..said.clone() }, Said { to: those, bytes: other.to_wire(), ..said }]
    }

    fn vote(&self, said: Said) -> Vec<Said> {
        let evil = &self.evil;
        let change = |_, vote| match vote {
            Vote::Notarize { parent_view, payload, signature } => {
                let payload = self.other(&payload)?.block().digest();
                Some(Vote::Notarize { parent_view, payload, signature })
            }
            _ => None,
        };
        let Some(second) = revote(&evil.network, &evil.key, &said.bytes, &change) else {
            return vec![said];
        };
        evil.act();
        let (these, those) = halves(&said);
        let say =
            |to: &[_], bytes: &[u8], after| Said { to: to.to_vec(), bytes: bytes.to_vec(), after };
        vec![
            say(&these, &said.bytes, Duration::ZERO),
            say(&those, &second, Duration::ZERO),
            say(&these, &second, APART),
            say(&those, &said.bytes, APART),
        ]
    }
}

/// The recipients in two halves, the larger one first.
pub(super) fn halves(said: &Said) -> (Vec<Key>, Vec<Key>) {
    let (these, those) = said.to.split_at(said.to.len().div_ceil(2));
    (these.to_vec(), those.to_vec())
}

type Key = trustmesh_consensus::EngineKey;
