//! How committees follow each other as blocks become final.
//!
//! Invariants: a committee is durable before a block that may be of it is asked for; how it
//! begins is durable before its engine starts; a node that does not know all its votes votes
//! in no committee that was decided before the ledger took its word for that.

use super::{CommitteeStore, Committees};
use crate::{block::LedgerBlock, certificate, keys::BadKey, ledger::Chain, runtime::Runtime};
use commonware_consensus::types::Height;
use commonware_cryptography::{Digestible as _, sha256};
use commonware_runtime::Error as RuntimeError;
use commonware_utils::{channel::watch, sync::Mutex};
use std::{collections::BTreeMap, sync::Arc};
use trustmesh_state::{Handover, State};
use trustmesh_types::{Receipt, TxId, receipt::Outcome};

/// Where the committees stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Term {
    /// The committee that votes.
    pub(crate) voting: u64,
    /// The last block before its first one.
    pub(crate) floor: sha256::Digest,
    /// How many committees are decided.
    pub(crate) decided: u64,
}

/// How each committee began, by number.
pub(crate) type Handovers = Arc<Mutex<BTreeMap<u64, Handover>>>;

/// The transaction by which this node says that it is ready to vote, once it has sent one.
pub(crate) type Awaited = Arc<Mutex<Option<TxId>>>;

/// A committee can't be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("what is known of the committees can't be written: {0}")]
    Storage(#[from] RuntimeError),
    #[error(transparent)]
    Key(#[from] BadKey),
}

/// See the module.
pub(crate) struct Succession {
    pub(crate) committees: Committees,
    pub(crate) store: CommitteeStore,
    pub(crate) chain: Chain,
    pub(crate) handovers: Handovers,
    pub(crate) awaited: Awaited,
    pub(crate) term: watch::Sender<Term>,
}

impl Succession {
    /// A block has become final here, and is not acknowledged yet.
    pub(crate) async fn follow<E: Runtime>(
        &self,
        context: &E,
        block: &LedgerBlock,
        receipts: &[Receipt],
        state: &State,
    ) -> Result<(), Lost> {
        self.take_back_vote(context, receipts).await?;
        while let Some(committee) = state.committee_numbered(self.committees.count()) {
            self.store.decided(context, &committee).await?;
            self.committees.learn(committee)?;
        }
        self.committees.advance(block.number());
        let voting = state.committee().number;
        let before = *self.term.borrow();
        let mut term = Term { decided: self.committees.count(), ..before };
        if voting > before.voting {
            self.begin(context, block, state).await?;
            term = Term { voting, floor: block.digest(), ..term };
        }
        if term != before {
            self.term.send_replace(term);
        }
        Ok(())
    }

    /// The ledger has taken this node's word that it is ready: it has never voted in a
    /// committee that is decided from now on.
    async fn take_back_vote<E: Runtime>(
        &self,
        context: &E,
        receipts: &[Receipt],
    ) -> Result<(), Lost> {
        let Some(awaited) = *self.awaited.lock() else { return Ok(()) };
        let accepted = |it: &Receipt| it.transaction == awaited && it.outcome == Outcome::Applied;
        if receipts.iter().any(accepted) {
            let next = self.committees.count();
            self.store.votes_from(context, next).await?;
            self.committees.vote_from(next);
            *self.awaited.lock() = None;
            tracing::info!(committee = next, "this node votes from that committee on");
        }
        Ok(())
    }

    async fn begin<E: Runtime>(
        &self,
        context: &E,
        block: &LedgerBlock,
        state: &State,
    ) -> Result<(), Lost> {
        let committee = state.committee().clone();
        let before = committee.number.checked_sub(1).and_then(|it| self.committees.get(it));
        let certificate = self.chain.get_finalization(Height::new(block.number())).await;
        let finality = certificate.zip(before).and_then(|(certificate, before)| {
            certificate::finality(&certificate, &before.committee.validators)
        });
        let handover = Handover {
            proof: state.prove_committee(committee.number),
            committee,
            header: block.block().header.clone(),
            finality,
        };
        self.store.begins(context, &handover).await?;
        self.handovers.lock().insert(handover.committee.number, handover);
        Ok(())
    }
}
