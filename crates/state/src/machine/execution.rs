//! Execution of a block: validity, its transactions in order, then the block's end
//! (PROTOCOL §2). A refused transaction is rolled back by going on with the store from
//! before it, which costs nothing: a store's clone shares its nodes.

use super::{apply::apply, draft::Draft, proven::Proven, validity::Invalid, validity::Signers};
use crate::{
    contracts::{membership, protocol, schedule},
    state::State,
    tables::{Meta, MetaRecord, Seen},
};
use trustmesh_types::{
    PublicKey, Receipt, SignedTransaction, TxId,
    events::Event,
    limits,
    mutants::{Mutant, mutated},
    receipt::Outcome,
};

/// Ids of expired transactions that one block forgets. Twice what a block may add, so that
/// they never pile up.
const FORGOTTEN_PER_BLOCK_MAX: usize = 2 * limits::BLOCK_TRANSACTIONS_MAX;

/// A block to execute. The caller has checked the transactions' signatures.
#[derive(Debug, Clone, Copy)]
pub struct Proposal<'a> {
    /// The validator that proposes it.
    pub proposer: PublicKey,
    /// Unix milliseconds, after the parent's.
    pub timestamp_ms: u64,
    /// In order of execution.
    pub transactions: &'a [SignedTransaction],
    /// Their ids, in the same order.
    pub ids: &'a [TxId],
}

/// What executing a block gives.
#[derive(Debug, Clone)]
pub struct Executed {
    /// The state after it.
    pub state: State,
    /// What became of its transactions, in their order.
    pub receipts: Vec<Receipt>,
    /// What happened, in order.
    pub events: Vec<Event>,
}

/// Why a proposed block can't be executed on its parent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBlock {
    /// Its time does not go on from the parent's.
    #[error("timestamp {got_ms} ms is not after the parent's {parent_ms} ms")]
    Timestamp {
        /// Its timestamp.
        got_ms: u64,
        /// The parent's.
        parent_ms: u64,
    },
    /// Not proposed by a validator.
    #[error("proposer {proposer} is no validator")]
    Proposer {
        /// The proposer.
        proposer: PublicKey,
    },
    /// More transactions than a block may have.
    #[error("{got} transactions, at most {max} are allowed")]
    TooMany {
        /// How many it has.
        got: usize,
        /// The most allowed.
        max: usize,
    },
    /// The caller gave another number of ids than of transactions.
    #[error("{ids} ids for {transactions} transactions")]
    Ids {
        /// How many ids came.
        ids: usize,
        /// How many transactions came.
        transactions: usize,
    },
    /// Its height is of a version of the protocol that this program does not know.
    #[error(
        "from height {height} on protocol version {version} holds, this program knows versions \
         up to {known}: run a newer one, on the same data"
    )]
    UnknownProtocol {
        /// The version that holds.
        version: u32,
        /// Height of the block.
        height: u64,
        /// The newest version that this program knows.
        known: u32,
    },
    /// A transaction that no block may hold.
    #[error("transaction {index}: {reason}")]
    Transaction {
        /// Its place.
        index: usize,
        /// What is wrong with it.
        reason: Invalid,
    },
}

impl State {
    /// Executes a block on this state, its parent's.
    ///
    /// # Errors
    /// [`InvalidBlock`] when no honest validator may vote for it.
    pub fn execute(&self, proposal: &Proposal<'_>) -> Result<Executed, InvalidBlock> {
        let rules = self.rules()?;
        self.check_proposal(proposal)?;
        let mut store = self.store().clone();
        let mut events = Vec::new();
        let meta = MetaRecord {
            height: self.height().saturating_add(1),
            timestamp_ms: proposal.timestamp_ms,
        };
        let proven = Proven::of(&self.network(), proposal.transactions);
        let mut draft = Draft {
            store: &mut store,
            height: meta.height,
            timestamp_ms: meta.timestamp_ms,
            network: self.network(),
            parameters: self.parameters(),
            rules,
            validators: self.validators(),
            proven: &proven,
            events: &mut events,
            touched: false,
            policies: None,
        };
        remember(self, &mut draft, proposal)?;
        protocol::begin_block(&mut draft);
        let receipts = proposal
            .transactions
            .iter()
            .zip(proposal.ids)
            .map(|(tx, id)| run(&mut draft, tx, id))
            .collect();
        schedule::end_block(&mut draft);
        membership::end_block(&mut draft);
        forget(&mut draft);
        draft.store.put::<Meta>(&(), &meta);
        Ok(Executed { state: self.succeed(meta, store), receipts, events })
    }

    fn check_proposal(&self, proposal: &Proposal<'_>) -> Result<(), InvalidBlock> {
        let (got_ms, parent_ms) = (proposal.timestamp_ms, self.timestamp_ms());
        if got_ms <= parent_ms {
            return Err(InvalidBlock::Timestamp { got_ms, parent_ms });
        }
        if self.validators().binary_search(&proposal.proposer).is_err() {
            return Err(InvalidBlock::Proposer { proposer: proposal.proposer });
        }
        let (got, max) = (proposal.transactions.len(), limits::BLOCK_TRANSACTIONS_MAX);
        if got > max {
            return Err(InvalidBlock::TooMany { got, max });
        }
        if proposal.ids.len() != got {
            return Err(InvalidBlock::Ids { ids: proposal.ids.len(), transactions: got });
        }
        Ok(())
    }
}

/// Checks each transaction against the parent's state and the block so far, and remembers
/// it against replay.
fn remember(
    parent: &State,
    draft: &mut Draft<'_>,
    proposal: &Proposal<'_>,
) -> Result<(), InvalidBlock> {
    let mut signers = Signers::default();
    for (index, (tx, id)) in proposal.transactions.iter().zip(proposal.ids).enumerate() {
        let valid_until = tx.transaction.valid_until_height;
        parent
            .check_header(tx)
            .and_then(|()| signers.count(parent, &tx.transaction.signer))
            .and_then(|()| match draft.store.put::<Seen>(&(valid_until, *id), &()) {
                true => Ok(()),
                false if mutated(Mutant::ReplayAccepted) => Ok(()),
                false => Err(Invalid::Replayed { id: *id }),
            })
            .map_err(|reason| InvalidBlock::Transaction { index, reason })?;
    }
    Ok(())
}

/// Runs one transaction, to its receipt.
fn run(draft: &mut Draft<'_>, tx: &SignedTransaction, id: &TxId) -> Receipt {
    let transaction = &tx.transaction;
    let signer = transaction.signer;
    let before = draft.store.clone();
    let (events_before, touched_before) = (draft.events.len(), draft.touched);
    let outcome = match apply(draft, &signer, &transaction.payload) {
        Ok(()) => Outcome::Applied,
        Err(rejection) => {
            *draft.store = before;
            draft.events.truncate(events_before);
            draft.touched = touched_before;
            schedule::rejected(draft, (&signer, id), &rejection, &transaction.payload);
            Outcome::Rejected(rejection)
        }
    };
    Receipt { transaction: *id, signer, outcome }
}

/// Forgets transactions that expired with this block: no later one may hold them.
fn forget(draft: &mut Draft<'_>) {
    let expired: Vec<(u64, TxId)> = draft
        .store
        .iter::<Seen>()
        .map(|(key, ())| key)
        .take_while(|(valid_until, _)| *valid_until <= draft.height)
        .take(FORGOTTEN_PER_BLOCK_MAX)
        .collect();
    for key in &expired {
        draft.store.remove::<Seen>(key);
    }
}
