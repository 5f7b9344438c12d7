//! What a deviation knows and what it can do. Everything random comes from the seed.

use crate::{derive, deviation::Deviation, world::Recorder};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use trustmesh_agent::{Effect, Input};
use trustmesh_state::State;
use trustmesh_types::{
    NetworkId, Payload, PublicKey, SecretKey, SignedTransaction, Transaction, message::Message,
    transaction::TRANSACTION_VERSION,
};

/// Blocks for which an adversary's transaction stays valid.
const LIFETIME_BLOCKS: u64 = 32;
/// Far above the nonces that a node's own transactions get.
const NONCES_FROM: u64 = 1 << 63;

/// The evil nodes of a world, who work together: each has the keys of all.
#[derive(Debug)]
pub(crate) struct Ring {
    seed: u64,
    members: Vec<SecretKey>,
    loose: AtomicBool,
}

impl Ring {
    pub(crate) fn new(seed: u64, members: Vec<SecretKey>) -> Self {
        Self { seed, members, loose: AtomicBool::new(false) }
    }

    /// The mesh is ready: from now on its members are evil.
    pub(crate) fn let_loose(&self) {
        self.loose.store(true, Ordering::Relaxed);
    }
}

/// Something that an adversary does of its own.
#[derive(Debug)]
pub(crate) enum Deed {
    /// An effect, after a while.
    Do(Duration, Box<Effect>),
    /// Transactions, signed as they are, brought to every node.
    Bring(Vec<SignedTransaction>),
    /// Something that its own agent hears.
    Hear(Box<Input>),
    /// Its process ends for good.
    Die,
}

/// See the module.
pub(super) struct Scene {
    pub(super) key: SecretKey,
    pub(super) me: PublicKey,
    pub(super) network: NetworkId,
    /// The newest final state.
    pub(super) state: State,
    /// Unix milliseconds.
    pub(super) now_ms: u64,
    pub(super) deeds: Vec<Deed>,
    ring: Arc<Ring>,
    recorder: Recorder,
    acting: Deviation,
    nonce: u64,
}

impl Scene {
    pub(super) fn new(key: SecretKey, ring: Arc<Ring>, recorder: Recorder, state: State) -> Self {
        Self {
            me: key.public(),
            key,
            network: state.network(),
            state,
            now_ms: 0,
            deeds: Vec::new(),
            ring,
            recorder,
            acting: Deviation::SilentPlanner,
            nonce: NONCES_FROM,
        }
    }

    /// Whether a deviation's time has come, and it is its turn. Artifacts are served while the
    /// mesh gets ready, so who swaps them must not wait.
    pub(super) fn may_act(&mut self, deviation: Deviation) -> bool {
        self.acting = deviation;
        deviation == Deviation::ArtifactSwapper || self.ring.loose.load(Ordering::Relaxed)
    }

    /// Counts an evil act.
    pub(super) fn did(&self, what: &str) {
        self.recorder.evil_act(format!("{}: {what}", self.acting));
    }

    /// A number below `bound` for one purpose, another one for each node.
    pub(super) fn draw(&self, label: &str, number: u64, bound: u64) -> u64 {
        let own = self.me.0.iter().fold(0u64, |sum, b| sum.rotate_left(5) ^ u64::from(*b));
        derive::below(self.ring.seed, label, number ^ own, bound.max(1))
    }

    /// The keys of the evil nodes, its own among them.
    pub(super) fn colluders(&self) -> &[SecretKey] {
        &self.ring.members
    }

    /// Every other node.
    pub(super) fn others(&self) -> Vec<PublicKey> {
        let nodes = self.state.nodes().into_iter().map(|node| node.info.key);
        nodes.filter(|key| *key != self.me).collect()
    }

    /// Nodes that are not evil.
    pub(super) fn victims(&self) -> Vec<PublicKey> {
        let evil: BTreeSet<PublicKey> = self.ring.members.iter().map(SecretKey::public).collect();
        self.others().into_iter().filter(|key| !evil.contains(key)).collect()
    }

    /// A transaction in the name of `signer`, signed by this node's own key.
    pub(super) fn sign_as(&mut self, signer: PublicKey, payload: Payload) -> SignedTransaction {
        self.nonce = self.nonce.wrapping_add(1);
        let valid_until_height = self.state.height().saturating_add(LIFETIME_BLOCKS);
        Transaction {
            version: TRANSACTION_VERSION,
            network: self.network,
            signer,
            valid_until_height,
            nonce: self.nonce,
            payload,
        }
        .sign(&self.key)
    }

    /// Brings a transaction of its own to its ledger.
    pub(super) fn transact(&mut self, payload: Payload) {
        self.after(Duration::ZERO, Effect::Transact(payload));
    }

    /// Sends a message.
    pub(super) fn send(&mut self, to: PublicKey, message: Message) {
        self.after(Duration::ZERO, Effect::Send { to, message });
    }

    /// Does something after a while.
    pub(super) fn after(&mut self, wait: Duration, effect: Effect) {
        self.deeds.push(Deed::Do(wait, Box::new(effect)));
    }

    /// Brings transactions to every node as they are.
    pub(super) fn bring(&mut self, transactions: Vec<SignedTransaction>) {
        if !transactions.is_empty() {
            self.deeds.push(Deed::Bring(transactions));
        }
    }
}
