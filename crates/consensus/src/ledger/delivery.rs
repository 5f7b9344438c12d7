//! Final blocks, in order, into the state and out to the consumer.
//!
//! Invariants: each height is folded in and delivered once, in order; a block is
//! acknowledged to the engine only after the consumer's queue took it, so a slow consumer
//! slows the chain's delivery instead of losing blocks, and only once it is on disk
//! ([`Gate`]); a final block that does not execute stops this node (continuing would fork its
//! state).

use super::{Chain, Executed, Ledger, Snapshots, execute, recovery};
use crate::{
    block::LedgerBlock,
    committees::Succession,
    engine::Gate,
    limits::{SNAPSHOT_BLOCKS_MAX, SNAPSHOT_BLOCKS_MIN, SNAPSHOT_TIME_MS_MIN},
    pool::Pool,
    runtime::{self, Runtime},
};
use commonware_cryptography::{Digested, Digestible as _, sha256};
use commonware_macros::select;
use commonware_utils::{
    Acknowledgement as _,
    acknowledgement::Exact,
    channel::{mpsc, watch},
};
use std::{collections::VecDeque, sync::Arc};
use trustmesh_state::{Finalized, State};
use trustmesh_types::Payload;

/// A final block and how to acknowledge it.
pub(crate) type Incoming = (Digested<LedgerBlock>, Exact);

/// Whom blocks that become final here are told.
pub(crate) struct Observer {
    /// The final height.
    pub(crate) height: watch::Sender<u64>,
    /// The last final height at which membership changed.
    pub(crate) members: watch::Sender<u64>,
}

impl Observer {
    fn tell(&self, block: &LedgerBlock) {
        let changes = |payload: &Payload| payload.changes_nodes();
        if block.block().transactions.iter().any(|t| changes(&t.transaction.payload)) {
            self.members.send_replace(block.number());
        }
        self.height.send_replace(block.number());
    }
}

/// The task's parts.
pub(crate) struct Delivery {
    /// The states.
    pub(crate) ledger: Ledger,
    /// The mempool, which drops what became final.
    pub(crate) pool: Pool,
    /// Where snapshots go.
    pub(crate) snapshots: Snapshots,
    /// The archive.
    pub(crate) chain: Chain,
    /// Who votes from when on.
    pub(crate) succession: Succession,
    /// The consumer.
    pub(crate) finalized: mpsc::Sender<Arc<Finalized>>,
    /// Told of each block.
    pub(crate) observer: Observer,
    /// Which blocks are on disk.
    pub(crate) gate: Gate,
    /// Height and timestamp of the state that was last written as a snapshot.
    pub(crate) last_snapshot: (u64, u64),
}

impl Delivery {
    /// Delivers what the archive holds above the start state up to `archived`, then what the
    /// engine makes final, until the engine or this node's state ends.
    pub(crate) async fn run<E: Runtime>(
        mut self,
        context: E,
        mut tip: sha256::Digest,
        archived: u64,
        mut blocks: mpsc::UnboundedReceiver<Incoming>,
    ) {
        while self.ledger.height() < archived {
            let state = self.ledger.state();
            match recovery::next(&context, &self.chain, tip, state).await {
                Ok((block, executed)) => {
                    tip = block.digest();
                    if !self.apply(&context, &block, &executed).await {
                        return;
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the stored chain can't be replayed: this node stops");
                    return;
                }
            }
        }
        let gate = self.gate.clone();
        let mut held: VecDeque<(u64, Exact)> = VecDeque::new();
        loop {
            // The engine may deliver no more until it has these, so nothing else may come.
            let moved = gate.moved();
            while let Some((_, ready)) = held.pop_front_if(|(height, _)| gate.passes(*height)) {
                ready.acknowledge();
            }
            select! {
                _ = moved => {},
                incoming = blocks.recv() => {
                    let Some((block, acknowledgement)) = incoming else { return };
                    let block = block.inner().clone();
                    let height = block.number();
                    if height > self.ledger.height() && !self.take(&context, block).await {
                        // Dropping the acknowledgement stops the engine's delivery as well.
                        return;
                    }
                    held.push_back((height, acknowledgement));
                },
            }
        }
    }

    async fn take<E: Runtime>(&mut self, context: &E, block: LedgerBlock) -> bool {
        if let Some(executed) = self.ledger.executed(&block.digest(), block.number()) {
            return self.apply(context, &block, &executed).await;
        }
        match execute(context, self.ledger.state(), block.clone()).await {
            Ok(executed) => self.apply(context, &block, &executed).await,
            Err(error) => {
                let height = block.number();
                tracing::error!(height, %error, "a final block does not execute: this node stops");
                false
            }
        }
    }

    fn snapshot_due(&self, state: &State) -> bool {
        let (height, timestamp_ms) = self.last_snapshot;
        let blocks = state.height().saturating_sub(height);
        let time_ms = state.timestamp_ms().saturating_sub(timestamp_ms);
        blocks >= SNAPSHOT_BLOCKS_MAX
            || (blocks >= SNAPSHOT_BLOCKS_MIN && time_ms >= SNAPSHOT_TIME_MS_MIN)
    }

    async fn apply<E: Runtime>(
        &mut self,
        context: &E,
        block: &LedgerBlock,
        executed: &Executed,
    ) -> bool {
        let finalized = match self.ledger.fold(block, executed) {
            Ok(finalized) => Arc::new(finalized),
            Err(error) => {
                tracing::error!(%error, "the chain forks here: this node stops");
                return false;
            }
        };
        let height = block.number();
        let (receipts, state) = (&finalized.receipts, &finalized.state);
        if let Err(error) = self.succession.follow(context, block, receipts, state).await {
            tracing::error!(height, %error, "this node stops");
            return false;
        }
        self.pool.finalized(&finalized.state, &block.block().transactions, block.ids());
        self.observer.tell(block);
        let state = finalized.state.clone();
        // A consumer that is gone no longer wants blocks; the chain goes on without it.
        let _ = self.finalized.send(finalized).await;
        if self.snapshot_due(&state) {
            self.last_snapshot = (height, state.timestamp_ms());
            let (snapshots, tip) = (self.snapshots.clone(), block.digest());
            context.child("snapshot").spawn(move |context| async move {
                snapshot(&context, &snapshots, tip, state).await;
            });
        }
        true
    }
}

/// Writes a snapshot; a failure is logged, for the chain itself is safe in the archive.
pub(crate) async fn snapshot<E: Runtime>(
    context: &E,
    snapshots: &Snapshots,
    tip: sha256::Digest,
    state: State,
) {
    let height = state.height();
    let work = move || state.snapshot();
    let Some(bytes) = runtime::off_thread(context, "snapshot", work).await else { return };
    if let Err(error) = snapshots.write(context, tip, height, bytes).await {
        tracing::warn!(height, %error, "a snapshot can't be written; a restart will replay more");
    }
}
