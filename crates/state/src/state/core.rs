//! The state itself. A clone is O(1): the store shares its nodes, and states share their
//! settings, which hardly ever change.

use crate::{
    store::{StateProof, Store},
    tables::{Committees, Deadlines, MetaRecord, Settings, SettingsRecord},
};
use std::sync::Arc;
use trustmesh_types::{
    Block, Digest, NetworkId, PublicKey, Receipt,
    committee::Committee,
    events::Event,
    genesis::{Parameters, faults_tolerated},
};

/// A finalized block, delivered in order of height.
#[derive(Debug, Clone)]
pub struct Finalized {
    /// The block.
    pub block: Arc<Block>,
    /// What became of its transactions, in their order.
    pub receipts: Vec<Receipt>,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// The state after it.
    pub state: State,
}

/// The state of the ledger after a block.
#[derive(Clone)]
pub struct State {
    meta: MetaRecord,
    settings: Arc<SettingsRecord>,
    store: Store,
}

/// Which block it is of; all that it holds would be too long to read.
impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let MetaRecord { height, timestamp_ms } = self.meta;
        f.debug_struct("State")
            .field("height", &height)
            .field("timestamp_ms", &timestamp_ms)
            .finish_non_exhaustive()
    }
}

impl State {
    /// The state whose store holds these two records already.
    pub(super) fn of(meta: MetaRecord, settings: SettingsRecord, store: Store) -> Self {
        Self { meta, settings: Arc::new(settings), store }
    }

    /// The state after the next block.
    pub(crate) fn succeed(&self, meta: MetaRecord, store: Store) -> Self {
        let now = store.get::<Settings>(&()).filter(|now| *now != *self.settings);
        let settings = now.map_or_else(|| Arc::clone(&self.settings), Arc::new);
        Self { meta, settings, store }
    }

    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    /// Commits to all of it; stands in the header of its block.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.store.root()
    }

    /// Height of its block.
    #[must_use]
    pub const fn height(&self) -> u64 {
        self.meta.height
    }

    /// Timestamp of its block, Unix milliseconds.
    #[must_use]
    pub const fn timestamp_ms(&self) -> u64 {
        self.meta.timestamp_ms
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> NetworkId {
        self.settings.network
    }

    /// The network's parameters.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.settings.parameters
    }

    /// Those who vote on the next block, sorted.
    #[must_use]
    pub fn validators(&self) -> &[PublicKey] {
        &self.settings.committee.validators
    }

    /// The committee that votes on the next block.
    #[must_use]
    pub fn committee(&self) -> &Committee {
        &self.settings.committee
    }

    /// The committee of that number, if there was one or one is decided.
    #[must_use]
    pub fn committee_numbered(&self, number: u64) -> Option<Committee> {
        self.store.get::<Committees>(&number)
    }

    /// Committees that are decided and have yet to begin, the next one first.
    #[must_use]
    pub fn committees_to_come(&self) -> &[Committee] {
        &self.settings.decided
    }

    /// Whether a change of the validators waits for its height.
    #[must_use]
    pub fn membership_pending(&self) -> bool {
        self.settings.waiting || !self.settings.decided.is_empty()
    }

    /// Whether a key votes, or will when a committee that is decided begins.
    #[must_use]
    pub fn votes_or_will(&self, key: &PublicKey) -> bool {
        self.settings.votes_or_will(key)
    }

    /// Faulty validators that the network tolerates (f).
    #[must_use]
    pub fn faults_tolerated(&self) -> usize {
        faults_tolerated(self.validators().len())
    }

    /// When the next deadline fires, if a block has a timestamp then or later: leaders make
    /// one in time for it.
    #[must_use]
    pub fn next_deadline_ms(&self) -> Option<u64> {
        self.store.first::<Deadlines>().map(|(key, _)| key.due_ms)
    }

    /// Proof of what stands under a key of the store ([`Store::key`]), or that nothing does.
    #[must_use]
    pub fn prove(&self, key: &[u8]) -> StateProof {
        self.store.prove(key)
    }
}
