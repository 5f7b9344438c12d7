//! What a node or a simulation holds of its ledger: no generics, cheap to clone.

use crate::{
    acquaintances::Acquaintances,
    application::Tip,
    certificate,
    committees::{Awaited, Committees, Handovers},
    error::{SendError, SubmitError},
    kept::Kept,
    ledger::{Chain, Ledger},
    pool::{Arrival, Incoming, Pool},
    snapshot::StateSnapshot,
    wire::Outgoing,
};
use commonware_consensus::{marshal::Identifier, types::Height};
use commonware_cryptography::sha256;
use commonware_utils::channel::{
    mpsc::{self, error::TrySendError},
    oneshot, watch,
};
use std::sync::Arc;
use trustmesh_state::{Finalized, Handover, State};
use trustmesh_types::{
    Block, PublicKey, SignedTransaction, TxId, codec,
    limits::MESSAGE_BYTES_MAX,
    message::{Envelope, MESSAGE_VERSION, Message, Recipient},
    votes::ConflictingVotes,
};

/// Where a ledger stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Height of the newest final block whose state this node has.
    pub height: u64,
    /// Its timestamp, Unix milliseconds.
    pub timestamp_ms: u64,
    /// Height of the newest block that this node knows to be final; it may lack some before.
    pub tip: u64,
    /// The newest view that this node knows to be final.
    pub view: u64,
    /// Transactions that wait for a block.
    pub pending: usize,
    /// The committee that votes on the next block.
    pub committee: u64,
    /// Whether this node is of that committee.
    pub validator: bool,
    /// Whether it votes there. A validator that does not know all its votes only follows.
    pub votes: bool,
}

/// What comes from the ledger; read `finalized` and `messages` all the time.
pub struct Streams {
    /// The state that the first finalized block stands on.
    pub state: State,
    /// Final blocks in order, each height once, from the one after `state`. A consumer that
    /// does not take them holds up this node's ledger.
    pub finalized: mpsc::Receiver<Arc<Finalized>>,
    /// Messages of other nodes with their senders, authenticated.
    pub messages: mpsc::Receiver<(PublicKey, Message)>,
    /// Proofs that a validator contradicted itself, checked. What is not taken is dropped.
    pub misbehaviour: mpsc::Receiver<ConflictingVotes>,
}

impl std::fmt::Debug for Streams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Streams(from height {})", self.state.height())
    }
}

pub(crate) struct Parts {
    pub(crate) me: PublicKey,
    pub(crate) committees: Committees,
    pub(crate) handovers: Handovers,
    pub(crate) awaited: Awaited,
    pub(crate) ledger: Ledger,
    pub(crate) pool: Pool,
    pub(crate) intake: mpsc::Sender<Arrival>,
    pub(crate) outbox: mpsc::Sender<Outgoing>,
    pub(crate) chain: Chain,
    pub(crate) kept: Kept,
    pub(crate) tip: Arc<Tip>,
    pub(crate) height: watch::Receiver<u64>,
    pub(crate) members: watch::Receiver<u64>,
    pub(crate) acquaintances: Acquaintances,
    pub(crate) metrics: Box<dyn Fn() -> String + Send + Sync>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) stopped: watch::Receiver<bool>,
}

/// A running ledger; clones are the same one. It ends when the last clone is gone.
#[derive(Clone)]
pub struct Handle(Arc<Parts>);

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handle({} of {})", self.0.me.short(), self.status().height)
    }
}

impl Handle {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Takes a transaction: checks it, keeps it for a block and sends it to the other nodes,
    /// again and again until it is final or expired (this node forgets it when it restarts).
    ///
    /// # Errors
    /// [`SubmitError`] says why it was not taken.
    pub async fn submit(&self, transaction: SignedTransaction) -> Result<TxId, SubmitError> {
        let outcomes = self.submit_many(vec![transaction]).await;
        outcomes.into_iter().next().unwrap_or(Err(SubmitError::Stopping))
    }

    /// Takes transactions like [`Handle::submit`], their signatures checked together; gives
    /// one outcome for each, in order.
    pub async fn submit_many(
        &self,
        transactions: Vec<SignedTransaction>,
    ) -> Vec<Result<TxId, SubmitError>> {
        let count = transactions.len();
        let transactions = transactions
            .into_iter()
            .map(|transaction| {
                let bytes = codec::encode(&transaction).len();
                Incoming { id: transaction.id(), bytes, transaction: Arc::new(transaction) }
            })
            .collect();
        let (reply, outcomes) = oneshot::channel();
        let refused = match self.0.intake.try_send(Arrival {
            transactions,
            reply: Some(reply),
            peer: None,
        }) {
            Ok(()) => SubmitError::Stopping,
            Err(TrySendError::Full(_)) => SubmitError::Busy,
            Err(TrySendError::Closed(_)) => SubmitError::Stopping,
        };
        outcomes.await.unwrap_or_else(|_| vec![Err(refused); count])
    }

    /// Sets how many transactions of one device or operator may become final per second before
    /// this node takes no more of it; nodes get [`crate::limits::NODE_RATE_FACTOR`] times that.
    pub fn limit_signers(&self, per_second: u32) {
        self.0.pool.limit_signers(per_second);
    }

    /// The newest final state.
    #[must_use]
    pub fn state(&self) -> State {
        self.0.ledger.state()
    }

    /// Where the ledger stands.
    #[must_use]
    pub fn status(&self) -> Status {
        let state = self.state();
        let committee = state.committee();
        let validator = committee.validators.contains(&self.0.me);
        Status {
            committee: committee.number,
            validator,
            votes: validator && committee.number >= self.0.committees.votes_from(),
            height: state.height(),
            timestamp_ms: state.timestamp_ms(),
            tip: self.0.tip.height().max(state.height()),
            view: self.0.tip.view(),
            pending: self.0.pool.len(),
        }
    }

    /// The final height, to be watched for changes.
    #[must_use]
    pub fn height(&self) -> watch::Receiver<u64> {
        self.0.height.clone()
    }

    /// The last final height at which nodes joined, changed or left, to be watched for changes.
    #[must_use]
    pub fn members(&self) -> watch::Receiver<u64> {
        self.0.members.clone()
    }

    /// How each committee after the first began, in order: what proves to whoever holds the
    /// genesis who votes now ([`trustmesh_state::follow_handovers`]).
    #[must_use]
    pub fn handovers(&self) -> Vec<Handover> {
        self.0.handovers.lock().values().cloned().collect()
    }

    /// Whether this node waits for the ledger to take its word before it votes
    /// ([`Options::votes_unknown`](crate::Options)).
    #[must_use]
    pub fn votes_unknown(&self) -> bool {
        self.0.committees.votes_from() == u64::MAX
    }

    /// Takes this node's transaction that it is ready to vote: once it is final, the node
    /// votes in committees that are decided from then on.
    ///
    /// # Errors
    /// [`SubmitError`] says why it was not taken.
    pub async fn announce(&self, ready: SignedTransaction) -> Result<TxId, SubmitError> {
        *self.0.awaited.lock() = Some(ready.id());
        self.submit(ready).await
    }

    /// The final block at `height`, if this node has it.
    pub async fn block(&self, height: u64) -> Option<Arc<Block>> {
        let identifier: Identifier<sha256::Digest> = Identifier::Height(Height::new(height));
        let block = self.0.chain.get_block(identifier).await?;
        Some(Arc::clone(block.inner().block()))
    }

    /// The certificate that makes the block at `height` final, for
    /// [`crate::verify_certificate`]. A block that became final through a later one has none
    /// of its own: its proof is the chain of parents from the next height that has one.
    pub async fn finalization(&self, height: u64) -> Option<Vec<u8>> {
        let finalization = self.0.chain.get_finalization(Height::new(height)).await?;
        Some(certificate::encode(&finalization))
    }

    /// The lowest height whose block this node has.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        self.0.kept.oldest()
    }

    /// The height below which [`Handle::prune`] of `height` would leave no blocks: a restart
    /// needs those since the oldest snapshot, and they go by
    /// [`crate::limits::BLOCKS_PER_SECTION`].
    #[must_use]
    pub fn prunable(&self, height: u64) -> u64 {
        self.0.kept.prunable(height)
    }

    /// Drops blocks and their certificates below `height`, as far as [`Handle::prunable`] lets
    /// it. Whoever asks later, this node's peers included, does not get them here.
    pub fn prune(&self, height: u64) {
        let below = self.prunable(height);
        if below > self.oldest() {
            self.0.kept.raise(below);
            self.0.chain.prune(Height::new(below));
        }
    }

    /// The newest final state as others may go on from it. `None` while no block at hand has a
    /// certificate of its own.
    pub async fn snapshot(&self) -> Option<StateSnapshot> {
        let state = self.state();
        let height = state.height();
        let block = self.block(height).await?;
        let certificate = self.finalization(height).await?;
        Some(StateSnapshot {
            handovers: self.handovers(),
            block: Block::clone(&block),
            certificate,
            state: state.snapshot(),
        })
    }

    /// Sends a message to other nodes. Nobody says whether it arrives.
    ///
    /// # Errors
    /// [`SendError`] when it is too large or too many wait.
    pub fn send(&self, to: Recipient, message: Message) -> Result<(), SendError> {
        let envelope = codec::encode(&Envelope { version: MESSAGE_VERSION, message });
        if envelope.len() >= MESSAGE_BYTES_MAX {
            let got_bytes = envelope.len();
            return Err(SendError::TooLarge { got_bytes, max_bytes: MESSAGE_BYTES_MAX - 1 });
        }
        let mut to = match to {
            Recipient::Node(key) => vec![key],
            Recipient::Validators => self.state().validators().to_vec(),
        };
        to.retain(|key| *key != self.0.me);
        self.meet(&to);
        self.0.outbox.try_send(Outgoing { to, envelope }).map_err(|_| SendError::Busy)
    }

    /// Connects this node to those to which it will have something to say. All are connected to
    /// those that vote; two that don't vote are when one of them says so here, or says
    /// something, the first of which may be lost.
    pub fn meet(&self, to: &[PublicKey]) {
        let state = self.state();
        if state.votes_or_will(&self.0.me) {
            return;
        }
        let strangers = to.iter().filter(|key| !state.votes_or_will(key));
        strangers.for_each(|key| self.0.acquaintances.meet(*key));
    }

    pub(crate) fn acquaintances(&self) -> Acquaintances {
        self.0.acquaintances.clone()
    }

    /// This node's key.
    #[must_use]
    pub fn me(&self) -> PublicKey {
        self.0.me
    }

    /// The engine's and the runtime's metrics in the OpenMetrics text format.
    #[must_use]
    pub fn metrics(&self) -> String {
        (self.0.metrics)()
    }

    /// Ends the ledger: no more votes, a snapshot, storage closed. Returns when it has ended,
    /// at the latest after [`crate::limits::SHUTDOWN_TIMEOUT`] by the engine's own clock.
    pub async fn shutdown(&self) {
        self.0.stop.send_replace(true);
        self.stopped().await;
    }

    /// Completes when the ledger has ended, asked to or not.
    pub async fn stopped(&self) {
        let mut stopped = self.0.stopped.clone();
        // An error means that the ledger's task is gone, which is an end as well.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }
}
