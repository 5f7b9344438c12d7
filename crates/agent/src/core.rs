//! What every duty works with: this node's identity, the newest ledger state, the time, the
//! effects of the running step, and the memory that no single request owns.

use crate::{
    BlobKind, Bytes, Config, Effect, RunId,
    agenda::{Agenda, BlobKey, Matter},
    blobs::Blobs,
    duties::{apps::Copy, fetch::Fetches, obtain::Obtains, receipts::Gather},
    limits,
    peers::Peers,
};
use std::collections::{BTreeMap, VecDeque};
use trustmesh_state::State;
use trustmesh_types::{
    AppId, Digest, NetworkId, Payload, PublicKey, RequestId, SecretKey, message::Message,
    request::RequestBody,
};

/// Who waits for bytes to become durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Waiter {
    /// This node's own copy of something whose receipts it gathers.
    Own(BlobKey),
    /// A node that asked for a receipt.
    Keep(BlobKey),
    /// The output of a run here.
    Output(RunId),
    /// The input of a request, taken over from validators that leave.
    Inherited(RequestId),
}

/// See the module's documentation.
#[derive(Debug, Clone)]
pub(crate) struct Core {
    pub(crate) key: SecretKey,
    pub(crate) me: PublicKey,
    pub(crate) network: NetworkId,
    pub(crate) seed: [u8; 32],
    pub(crate) state: State,
    /// Unix milliseconds; never goes back.
    pub(crate) now_ms: u64,
    pub(crate) out: Vec<Effect>,
    pub(crate) agenda: Agenda,
    pub(crate) blobs: Blobs,
    pub(crate) fetches: Fetches,
    pub(crate) gathers: BTreeMap<BlobKey, Gather>,
    pub(crate) peers: Peers,
    pub(crate) obtains: Obtains,
    /// This node's copies of applications.
    pub(crate) copies: BTreeMap<AppId, Copy>,
    storing: BTreeMap<Digest, VecDeque<Waiter>>,
}

impl Core {
    /// An empty memory.
    pub(crate) fn new(config: Config) -> Self {
        let me = config.key.public();
        Self {
            me,
            key: config.key,
            network: config.state.network(),
            seed: config.seed,
            state: config.state,
            now_ms: 0,
            out: Vec::new(),
            agenda: Agenda::default(),
            blobs: Blobs::default(),
            fetches: Fetches::default(),
            gathers: BTreeMap::new(),
            peers: Peers::default(),
            obtains: Obtains::default(),
            copies: BTreeMap::new(),
            storing: BTreeMap::new(),
        }
    }

    /// Receipts, reports or votes that outweigh every faulty validator (f+1).
    pub(crate) fn quorum(&self) -> usize {
        self.state.faults_tolerated().saturating_add(1)
    }

    /// Whether this node signs storage receipts.
    pub(crate) fn is_validator(&self) -> bool {
        self.state.validators().binary_search(&self.me).is_ok()
    }

    /// Sends to another node.
    pub(crate) fn send(&mut self, to: PublicKey, message: Message) {
        if to != self.me {
            self.out.push(Effect::Send { to, message });
        }
    }

    /// Brings a transaction to the ledger.
    pub(crate) fn transact(&mut self, payload: Payload) {
        self.out.push(Effect::Transact(payload));
    }

    /// A line for the log.
    pub(crate) fn note(&mut self, warning: bool, request: Option<RequestId>, text: String) {
        self.out.push(Effect::Note { warning, request, text });
    }

    /// Looks at a matter in this very step.
    pub(crate) fn poke(&mut self, matter: Matter) {
        self.agenda.at(matter, self.now_ms);
    }

    /// Looks at a matter later, but not again in this step.
    pub(crate) fn later(&mut self, matter: Matter, at_ms: u64) {
        self.agenda.at(matter, at_ms.max(self.now_ms.saturating_add(1)));
    }

    /// Keeps bytes durably; the answer goes to `waiter`.
    pub(crate) fn store(
        &mut self,
        digest: Digest,
        data: Bytes,
        kind: BlobKind,
        until_ms: u64,
        waiter: Waiter,
    ) {
        crate::duties::fetch::here(self, digest, Bytes::clone(&data));
        self.await_stored(digest, waiter);
        self.out.push(Effect::Store { digest, data, kind, until_ms });
    }

    /// Someone waits for the answer to an effect that stores. Answers come in the order of
    /// the effects.
    pub(crate) fn await_stored(&mut self, digest: Digest, waiter: Waiter) {
        self.storing.entry(digest).or_default().push_back(waiter);
    }

    /// Who waits for the answer that came.
    pub(crate) fn stored(&mut self, digest: &Digest) -> Option<Waiter> {
        let waiters = self.storing.get_mut(digest)?;
        let waiter = waiters.pop_front();
        if waiters.is_empty() {
            self.storing.remove(digest);
        }
        waiter
    }

    /// Until when a request's input and outputs are kept.
    pub(crate) fn kept_until_ms(&self, body: &RequestBody) -> u64 {
        let retention_ms = self.state.parameters().request_retention_ms;
        let persist_ms = if body.persist { limits::PERSIST_MS } else { 0 };
        body.deadline_ms.saturating_add(retention_ms).saturating_add(persist_ms)
    }

    /// Whether a key is a node of this network.
    pub(crate) fn is_node(&self, key: &PublicKey) -> bool {
        self.state.node(key).is_some()
    }

    /// A node's name for people.
    pub(crate) fn name(&self, key: &PublicKey) -> String {
        self.state.node(key).map_or_else(|| key.short(), |n| n.info.name)
    }

    /// Validators but this node, best to ask first: those heard from lately, from a place
    /// that the subject gives, so that load spreads; `prefer` before all.
    pub(crate) fn validators_for(
        &self,
        subject: &Digest,
        prefer: Option<PublicKey>,
    ) -> Vec<PublicKey> {
        let all = self.state.validators();
        let start = subject.0.iter().fold(0usize, |sum, b| sum.wrapping_mul(31) ^ usize::from(*b));
        let start = start.checked_rem(all.len()).unwrap_or(0);
        let mut order: Vec<PublicKey> =
            all.iter().cycle().skip(start).take(all.len()).copied().collect();
        order.retain(|v| *v != self.me);
        order.sort_by_key(|v| (self.peers.silent(v, self.now_ms), Some(*v) != prefer));
        order
    }
}

/// The start of a text within a number of bytes, cut between characters.
pub(crate) fn cut(text: &str, bytes_max: usize) -> String {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default().to_owned()
}
