//! Leaders that propose what they should not, or not in time.

use super::Evil;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use trustmesh_consensus::{Chosen, Conduct};
use trustmesh_state::State;
use trustmesh_types::{
    Block, Digest, NetworkId, Payload, SignedTransaction, Transaction, block::transactions_root,
    limits::CLOCK_AHEAD_MS_MAX, transaction::TRANSACTION_VERSION,
};

/// Blocks for which an attacker's transactions are valid.
const LIFETIME_BLOCKS: u64 = 64;
/// Nonces of attackers begin here, away from those of the node itself.
const NONCES_FROM: u64 = 1 << 60;
/// Bytes of a flood's notes.
const NOTE_BYTES: usize = 64;
/// How far ahead a lying clock is: more than anybody waits for.
const FAR_AHEAD_MS: u64 = 10_000;

/// Leaves others' transactions out.
#[derive(Debug)]
pub(super) struct Censor(pub(super) Evil);

impl Conduct for Censor {
    fn choose(&self, _: &State, mut chosen: Chosen) -> Chosen {
        let (before, me) = (chosen.len(), self.0.key.public());
        chosen.retain(|(_, tx)| tx.transaction.signer == me);
        if chosen.len() < before {
            self.0.act();
        }
        chosen
    }
}

/// Takes its own transactions first, then the others from the last to the first.
#[derive(Debug)]
pub(super) struct Reorderer(pub(super) Evil);

impl Conduct for Reorderer {
    fn choose(&self, _: &State, mut chosen: Chosen) -> Chosen {
        if chosen.len() > 1 {
            let me = self.0.key.public();
            chosen.reverse();
            chosen.sort_by_key(|(_, tx)| tx.transaction.signer != me);
            self.0.act();
        }
        chosen
    }
}

/// Proposes nothing, or just before it is passed over.
#[derive(Debug)]
pub(super) struct Staller {
    pub(super) evil: Evil,
    pub(super) leader_timeout: Duration,
}

impl Conduct for Staller {
    fn delay(&self) -> Duration {
        self.evil.act();
        match self.evil.draw(2) {
            0 => self.leader_timeout * 9 / 10,
            _ => Duration::from_secs(3_600),
        }
    }
}

/// Proposes blocks with a transaction that no block may hold.
#[derive(Debug)]
pub(super) struct Forger(pub(super) Evil);

impl Forger {
    /// A member's note that is wrong in one way.
    fn wrong(&self, parent: &State, first: Option<&SignedTransaction>) -> SignedTransaction {
        let evil = &self.0;
        let (me, height) = (evil.key.public(), parent.height());
        let mut tx = note(evil, height, evil.draw(u64::MAX / 2));
        match (evil.draw(5), first) {
            (0, Some(again)) => return again.clone(),
            (1, _) => tx.network = NetworkId(Digest([7; 32])),
            (2, _) => tx.valid_until_height = height,
            (3, _) => {
                let others = parent.validators().iter().find(|key| **key != me);
                tx.signer = others.copied().unwrap_or(me);
            }
            _ => {
                let mut signed = tx.sign(&evil.key);
                signed.signature.0[1] ^= 1;
                return signed;
            }
        }
        tx.sign(&evil.key)
    }
}

impl Conduct for Forger {
    fn seal(&self, parent: &State, mut block: Block) -> Block {
        self.0.act();
        let wrong = self.wrong(parent, block.transactions.first());
        block.transactions.push(wrong);
        block.header.transactions_root = transactions_root(&block.transactions);
        block
    }
}

/// Proposes blocks with a wrong root.
#[derive(Debug)]
pub(super) struct RootLiar(pub(super) Evil);

impl Conduct for RootLiar {
    fn seal(&self, _: &State, mut block: Block) -> Block {
        self.0.act();
        let header = &mut block.header;
        let root = match self.0.draw(3) {
            0 => &mut header.receipts_root,
            1 => &mut header.transactions_root,
            _ => &mut header.state_root,
        };
        root.0[5] ^= 1;
        block
    }
}

/// Proposes blocks with a timestamp out of bounds, or at its very end.
#[derive(Debug)]
pub(super) struct ClockLiar {
    evil: Evil,
    how: AtomicU64,
}

impl ClockLiar {
    pub(super) fn new(evil: Evil) -> Self {
        Self { evil, how: AtomicU64::new(0) }
    }
}

impl Conduct for ClockLiar {
    fn timestamp_ms(&self, right_ms: u64) -> u64 {
        let how = self.evil.draw(4);
        self.how.store(how, Ordering::Relaxed);
        self.evil.act();
        match how {
            0 => right_ms + FAR_AHEAD_MS,
            // Allowed, the former after a wait: the ledger's clock runs ahead, no more.
            1 => right_ms + 3 * CLOCK_AHEAD_MS_MAX,
            2 => right_ms + CLOCK_AHEAD_MS_MAX,
            _ => right_ms,
        }
    }

    fn seal(&self, parent: &State, mut block: Block) -> Block {
        if self.how.load(Ordering::Relaxed) == 3 {
            block.header.timestamp_ms = parent.timestamp_ms();
        }
        block
    }
}

/// Fills its blocks with notes of its own.
#[derive(Debug)]
pub(super) struct Flooder {
    evil: Evil,
    nonce: AtomicU64,
}

impl Flooder {
    pub(super) fn new(evil: Evil) -> Self {
        Self { evil, nonce: AtomicU64::new(0) }
    }
}

impl Conduct for Flooder {
    fn choose(&self, parent: &State, _: Chosen) -> Chosen {
        self.evil.act();
        let count = parent.parameters().signer_transactions_per_block_max;
        let notes = (0..count).map(|_| {
            let nonce = self.nonce.fetch_add(1, Ordering::Relaxed);
            let signed = note(&self.evil, parent.height(), nonce).sign(&self.evil.key);
            (signed.id(), Arc::new(signed))
        });
        notes.collect()
    }
}

/// A note of the evil node's.
fn note(evil: &Evil, height: u64, nonce: u64) -> Transaction {
    Transaction {
        version: TRANSACTION_VERSION,
        network: evil.network,
        signer: evil.key.public(),
        valid_until_height: height + LIFETIME_BLOCKS,
        nonce: NONCES_FROM + nonce,
        payload: Payload::Note { bytes: vec![9; NOTE_BYTES] },
    }
}
