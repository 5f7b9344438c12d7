//! The ledger as the engine's application: builds blocks, judges blocks, takes final ones.

use crate::{
    block::LedgerBlock,
    conduct::Conduct,
    keys::EngineKey,
    ledger::{FinalBlock, Ledger},
    pool::Pool,
    proposer,
    runtime::{ClockOffset, Runtime},
    verifier,
};
use commonware_actor::Feedback;
use commonware_consensus::{
    Application, Epochable as _, Reporter,
    marshal::{Update, ancestry::Ancestry},
    simplex::{scheme::ed25519::Scheme, types::Context},
};
use commonware_cryptography::{Digested, sha256};
use commonware_utils::channel::mpsc;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use trustmesh_types::PublicKey;

/// What building and judging blocks needs; clones share it.
#[derive(Clone)]
pub(crate) struct LedgerApplication {
    /// The states.
    pub(crate) ledger: Ledger,
    /// The mempool.
    pub(crate) pool: Pool,
    /// This node.
    pub(crate) me: PublicKey,
    /// A leader with nothing to propose holds its block this long.
    pub(crate) idle_interval: Duration,
    /// What time this node has it.
    pub(crate) clock: ClockOffset,
    /// Secret randomness for batches of signatures.
    pub(crate) entropy: [u8; 32],
    /// Takes final blocks.
    pub(crate) finalized: mpsc::UnboundedSender<FinalBlock>,
    /// How far the chain is known to be final.
    pub(crate) tip: Arc<Tip>,
    /// What an evil node does otherwise; honest ones have none.
    pub(crate) conduct: Option<Arc<dyn Conduct>>,
}

/// The newest block that this node knows to be final, whether or not it has those before.
#[derive(Debug, Default)]
pub(crate) struct Tip {
    view: AtomicU64,
    height: AtomicU64,
}

impl Tip {
    fn tell(&self, view: u64, height: u64) {
        self.view.store(view, Ordering::Relaxed);
        self.height.fetch_max(height, Ordering::Relaxed);
    }

    /// Its view, which begins anew with each committee.
    pub(crate) fn view(&self) -> u64 {
        self.view.load(Ordering::Relaxed)
    }

    /// Its height.
    pub(crate) fn height(&self) -> u64 {
        self.height.load(Ordering::Relaxed)
    }
}

impl<E: Runtime> Application<E> for LedgerApplication {
    type SigningScheme = Scheme;
    type Context = Context<sha256::Digest, EngineKey>;
    type Block = LedgerBlock;
    type Input = ();

    async fn propose(
        &mut self,
        (context, consensus): (E, Self::Context),
        ancestry: impl Ancestry<LedgerBlock>,
        (): (),
    ) -> Option<Digested<LedgerBlock>> {
        proposer::propose(&context, self, consensus.epoch().get(), ancestry).await
    }

    async fn verify(
        &mut self,
        (context, consensus): (E, Self::Context),
        ancestry: impl Ancestry<LedgerBlock>,
    ) -> bool {
        let proposed = (&consensus.leader, consensus.epoch().get());
        verifier::verify(&context, self, proposed, ancestry).await
    }
}

impl Reporter for LedgerApplication {
    type Activity = Update<LedgerBlock>;

    fn report(&mut self, activity: Self::Activity) -> Feedback {
        match activity {
            Update::Block(block, acknowledgement) => {
                // The engine hands out a bounded number before it waits for acknowledgements.
                if self.finalized.send((block, acknowledgement)).is_err() {
                    return Feedback::Closed;
                }
            }
            Update::Tip(round, height, _) => self.tip.tell(round.view().get(), height.get()),
        }
        Feedback::Ok
    }
}
