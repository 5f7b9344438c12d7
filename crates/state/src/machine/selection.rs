//! Selection: what a leader puts into a block.
//!
//! Beside what makes a block valid (at most k transactions of one signer), an honest leader
//! gives each signer no more than a share of the block, so that a member that floods slows
//! nobody's block down (PROTOCOL §9). What is over the share waits for the next block.

use crate::state::State;
use std::collections::{BTreeMap, BTreeSet};
use trustmesh_types::{PublicKey, SignedTransaction, TxId, limits, records::Member};

/// Transactions of one device or operator in a block.
pub const SHARE_TRANSACTIONS_MAX: u32 = 32;
/// Transactions of one node: nodes bring other members' requests, plans and results.
pub const NODE_SHARE_TRANSACTIONS_MAX: u32 = 128;
/// Bytes of one device or operator in a block. A lone transaction may be larger.
const SHARE_BYTES_MAX: usize = limits::BLOCK_BYTES_MAX / 8;
/// Bytes of one node.
const NODE_SHARE_BYTES_MAX: usize = limits::BLOCK_BYTES_MAX / 4;

/// What a signer may still put into a block.
#[derive(Debug, Clone, Copy)]
struct Share {
    transactions: u32,
    bytes: usize,
    untouched: bool,
}

impl Share {
    /// The whole share of a signer; nothing for who is no member.
    fn of(state: &State, signer: &PublicKey) -> Self {
        let member = state.member(signer).filter(|member| !member.revoked());
        let (transactions, bytes) = match member {
            None => (0, 0),
            Some(Member::Node { .. }) => (NODE_SHARE_TRANSACTIONS_MAX, NODE_SHARE_BYTES_MAX),
            Some(_) => (SHARE_TRANSACTIONS_MAX, SHARE_BYTES_MAX),
        };
        let k = state.parameters().signer_transactions_per_block_max;
        Self { transactions: transactions.min(k), bytes, untouched: true }
    }

    const fn fits(&self, bytes: usize) -> bool {
        self.transactions > 0 && (self.untouched || bytes <= self.bytes)
    }

    const fn take(&mut self, bytes: usize) {
        self.transactions = self.transactions.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.untouched = false;
    }
}

impl State {
    /// Places of the candidates (id, encoded length in bytes, transaction) that the next
    /// block may hold together, in their order. One that does not fit is passed over; who
    /// wants to be fair offers the signers' candidates in turns.
    pub fn select<'a>(
        &self,
        candidates: impl Iterator<Item = (TxId, usize, &'a SignedTransaction)>,
    ) -> Vec<usize> {
        let mut selected = Vec::new();
        let mut shares: BTreeMap<PublicKey, Share> = BTreeMap::new();
        let mut ids = BTreeSet::new();
        let mut bytes = 0_usize;
        for (place, (id, length, tx)) in candidates.enumerate() {
            if selected.len() >= limits::BLOCK_TRANSACTIONS_MAX {
                break;
            }
            let with_it = bytes.saturating_add(length);
            let signer = tx.transaction.signer;
            let share = shares.entry(signer).or_insert_with(|| Share::of(self, &signer));
            // The share first: most of a flood is passed over without a look at the ledger.
            let fits = with_it <= limits::BLOCK_BYTES_MAX
                && share.fits(length)
                && !ids.contains(&id)
                && self.check_form(tx, &id).is_ok();
            if fits {
                bytes = with_it;
                share.take(length);
                ids.insert(id);
                selected.push(place);
            }
        }
        selected
    }
}
