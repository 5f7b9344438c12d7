//! Blocks and the clock. Agreement is taken for granted: one total order of blocks, each of
//! which reaches every agent before anything else happens, but one that lags.

use crate::mesh::{Mesh, content};
use std::sync::Arc;
use trustmesh_state::{Finalized, Proposal};
use trustmesh_types::{Block, Digest, Header, SignedTransaction, TxId};

/// Wake-ups within one move of the clock. Signs of life wake every second.
const WAKES_MAX: usize = 200;

impl Mesh {
    /// A block of pending transactions, one millisecond on.
    pub(crate) fn include(&mut self, ids: &[TxId]) {
        let mut transactions = Vec::new();
        for id in ids {
            let Some(pending) = self.pool.remove(id) else { continue };
            let said = content(pending.by, &pending.transaction.transaction.payload);
            let often = Arc::make_mut(&mut self.included).entry(said).or_default();
            *often = often.saturating_add(1);
            transactions.push((*pending.transaction).clone());
        }
        self.block(transactions);
    }

    /// The next block.
    pub(crate) fn block(&mut self, transactions: Vec<SignedTransaction>) {
        let timestamp_ms = self.now_ms.max(self.ledger.timestamp_ms()).saturating_add(1);
        self.now_ms = timestamp_ms;
        let ids: Vec<TxId> = transactions.iter().map(SignedTransaction::id).collect();
        let Some(proposer) = self.world.ids.first().copied() else { return };
        let proposal = Proposal { proposer, timestamp_ms, transactions: &transactions, ids: &ids };
        let Ok(executed) = self.ledger.execute(&proposal) else {
            return self.watch.report(crate::watch::Broken::BlockRefused);
        };
        let before = std::mem::replace(&mut self.ledger, executed.state.clone());
        self.look(&before, &transactions, &executed);
        let header = Header {
            version: 1,
            height: self.ledger.height(),
            parent: Digest::default(),
            timestamp_ms,
            proposer,
            transactions_root: Digest::default(),
            receipts_root: Digest::default(),
            state_root: Digest::default(),
        };
        let finalized = Arc::new(Finalized {
            block: Arc::new(Block { header, transactions }),
            receipts: executed.receipts,
            events: executed.events,
            state: executed.state,
        });
        for at in 0..self.nodes.len() {
            self.hear(at, Arc::clone(&finalized));
        }
        self.settle();
    }

    /// The clock goes on until a deadline of the ledger fires, or an agent that was woken
    /// brings a transaction or starts a run.
    pub(crate) fn tick(&mut self) {
        let (pool, runs) = (self.pool.len(), self.runs.len());
        for _ in 0..WAKES_MAX {
            let due_ms = self.ledger.next_deadline_ms();
            let Some(next_ms) = due_ms.into_iter().chain(self.next_wake_ms()).min() else { return };
            self.now_ms = self.now_ms.max(next_ms);
            if due_ms.is_some_and(|at_ms| at_ms <= self.now_ms) {
                return self.block(Vec::new());
            }
            self.wake();
            if self.pool.len() > pool || self.runs.len() > runs {
                return;
            }
        }
    }
}
