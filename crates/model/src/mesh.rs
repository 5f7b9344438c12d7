//! One situation of the network: ledger, agents, disks, what is on its way, and what the
//! checker may still do to it.
//!
//! Invariant: between two actions all inboxes are empty: messages and disks are as fast as
//! they can be, and what may be late is blocks, runs and the evil node (docs/model.md).

use crate::{
    evil::Evil,
    setup::{Start, World, found},
    watch::Watch,
};
use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write,
    hash::{Hash, Hasher},
    sync::Arc,
};
use trustmesh_agent::{Agent, Bytes, Config, Effect, Input, RunSpec};
use trustmesh_state::{Finalized, State};
use trustmesh_types::{
    Digest, Payload, RequestId, SignedTransaction, TxId, evidence::SignedCompletion,
    records::RequestRecord,
};

/// How much the checker may still do beyond what always may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Bounds {
    /// Times that the clock goes on to the next event while honest nodes' transactions lie
    /// in the pool: slow leaders, partitions.
    pub delays: u8,
    /// Runs that fail, or that never end.
    pub troubles: u8,
    /// Times that an honest node begins to hear of blocks late, until it catches up,
    /// before the clock goes on.
    pub lags: u8,
    /// Restarts of honest nodes, on their disks.
    pub restarts: u8,
    /// Acts of the evil node. To say nothing is free.
    pub evil_acts: u8,
}

/// What a node takes in next.
#[expect(clippy::large_enum_variant, reason = "nearly all of them are plain")]
#[derive(Debug, Clone)]
pub(crate) enum Mail {
    /// An input as it is.
    Plain(Input),
    /// Bytes on their way to the disk, and the completion that goes with them.
    Write { digest: Digest, data: Bytes, completion: Option<Box<SignedCompletion>> },
}

/// A node: the real agent, and a disk that outlives it.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// None for the evil one.
    pub(crate) agent: Option<Arc<Agent>>,
    pub(crate) disk: BTreeMap<Digest, Bytes>,
    pub(crate) kept: Vec<SignedCompletion>,
    pub(crate) inbox: VecDeque<Mail>,
    /// Blocks that it has yet to hear of, if it lags.
    pub(crate) held: Option<VecDeque<Arc<Finalized>>>,
    /// Root of the state that its agent stands at.
    pub(crate) stands_at: Digest,
    pub(crate) wake_ms: Option<u64>,
    pub(crate) restarts: u8,
}

/// A transaction of an honest node that no block holds yet.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) by: usize,
    pub(crate) transaction: Arc<SignedTransaction>,
}

/// See the module's documentation.
#[derive(Debug, Clone)]
pub struct Mesh {
    pub(crate) world: Arc<World>,
    pub(crate) ledger: State,
    pub(crate) now_ms: u64,
    pub(crate) nodes: Vec<Node>,
    pub(crate) pool: BTreeMap<TxId, Pending>,
    /// What blocks held, by signer and payload: how often.
    pub(crate) included: Arc<BTreeMap<Digest, u64>>,
    /// Runs whose end the checker has yet to choose.
    pub(crate) runs: VecDeque<(usize, RunSpec)>,
    pub(crate) evil: Evil,
    pub(crate) watch: Watch,
    pub(crate) left: Bounds,
    pub(crate) calm: bool,
    print: u128,
}

impl Mesh {
    /// The network of a start with its requests on their way: each entry node has brought
    /// its submission to the pool.
    pub(crate) fn begin(start: &Start, bounds: Bounds) -> Self {
        let (world, ledger) = found(start);
        let now_ms = ledger.timestamp_ms();
        let nodes = (0..world.keys.len()).map(|at| Node {
            agent: (start.evil != Some(at)).then(|| Arc::new(agent(&world, at, &ledger, &[]))),
            disk: BTreeMap::new(),
            kept: Vec::new(),
            inbox: VecDeque::new(),
            held: None,
            stands_at: ledger.root(),
            wake_ms: Some(0),
            restarts: 0,
        });
        let mut mesh = Self {
            nodes: nodes.collect(),
            ledger,
            now_ms,
            pool: BTreeMap::new(),
            included: Arc::default(),
            runs: VecDeque::new(),
            evil: Evil::default(),
            watch: Watch::default(),
            left: bounds,
            calm: true,
            print: 0,
            world,
        };
        mesh.wake();
        mesh.submit();
        mesh.seal();
        mesh
    }

    fn submit(&mut self) {
        let world = Arc::clone(&self.world);
        for ((ticket, (body, signature)), asked) in
            (0_u64..).zip(&world.requests).zip(&world.start.asked)
        {
            let input = Input::Submit {
                ticket,
                body: body.clone(),
                signature: *signature,
                data: Bytes::from(crate::setup::INPUT),
            };
            if let Some(node) = self.nodes.get_mut(asked.entry) {
                node.inbox.push_back(Mail::Plain(input));
            }
        }
        self.settle();
        // Receipts may have to be asked of a second validator when the first one is silent.
        for _ in 0..32 {
            if self.pool.len() == world.requests.len() {
                break;
            }
            self.now_ms = self.next_wake_ms().map_or(self.now_ms, |at_ms| at_ms.max(self.now_ms));
            self.wake();
        }
    }

    /// When the next agent wants to be woken.
    pub(crate) fn next_wake_ms(&self) -> Option<u64> {
        self.nodes.iter().filter(|n| n.agent.is_some()).filter_map(|n| n.wake_ms).min()
    }

    /// Wakes whoever wants to be woken by now, and lets the mesh come to rest.
    pub(crate) fn wake(&mut self) {
        for node in &mut self.nodes {
            if node.agent.is_some() && node.wake_ms.is_some_and(|at_ms| at_ms <= self.now_ms) {
                node.wake_ms = None;
                node.inbox.push_back(Mail::Plain(Input::Woken));
            }
        }
        self.settle();
    }

    /// Whether a node has yet to hear of blocks, or of those to come.
    pub(crate) fn lags(&self) -> bool {
        self.nodes.iter().any(|n| n.held.is_some())
    }

    /// Whoever lags hears of all blocks.
    pub(crate) fn catch_up(&mut self) {
        for at in 0..self.nodes.len() {
            let held = self.nodes.get_mut(at).and_then(|n| n.held.take());
            for block in held.unwrap_or_default() {
                self.hear(at, block);
            }
        }
        self.settle();
    }

    /// A block reaches a node, now or when it catches up.
    pub(crate) fn hear(&mut self, at: usize, block: Arc<Finalized>) {
        let Some(node) = self.nodes.get_mut(at).filter(|n| n.agent.is_some()) else { return };
        match &mut node.held {
            Some(held) => held.push_back(block),
            None => {
                node.stands_at = block.state.root();
                node.inbox.push_back(Mail::Plain(Input::Block(block)));
            }
        }
    }

    /// Starts a node anew on its disk, which holds every block.
    pub(crate) fn restart(&mut self, at: usize) {
        self.runs.retain(|(node, _)| *node != at);
        let Some(node) = self.nodes.get_mut(at) else { return };
        node.agent = Some(Arc::new(agent(&self.world, at, &self.ledger, &node.kept)));
        node.restarts = node.restarts.saturating_add(1);
        node.held = None;
        node.stands_at = self.ledger.root();
        node.wake_ms = Some(0);
        self.wake();
    }

    /// The ledger's record of the start's requests; `None` before it has one.
    pub(crate) fn records(&self) -> impl Iterator<Item = (RequestId, Option<RequestRecord>)> {
        self.world.requests.iter().map(|(body, _)| {
            let id = body.id();
            (id, self.ledger.request(&id))
        })
    }

    /// Whether all requests have ended, or were refused.
    pub(crate) fn over(&self) -> bool {
        self.records().all(|(id, record)| match record {
            Some(record) => record.status.ended(),
            None => self.watch.refused.contains(&id),
        })
    }

    /// An honest node's transaction comes to the pool, unless it is there or on the ledger.
    pub(crate) fn bring(&mut self, by: usize, payload: Payload) {
        let Some(key) = self.world.keys.get(by) else { return };
        let nonce = self.included.get(&content(by, &payload)).copied().unwrap_or(0);
        let transaction = self.world.sign(key, payload, nonce);
        let id = transaction.id();
        self.pool.entry(id).or_insert_with(|| Pending { by, transaction: Arc::new(transaction) });
    }

    /// Takes the situation's fingerprint, after an action.
    pub(crate) fn seal(&mut self) {
        let mut text = Text(Fnv(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d));
        // Writing to a hasher can't fail.
        let _ = self.write_print(&mut text);
        self.print = text.0.0;
    }

    /// All that the mesh's future depends on; what follows from the rest is left out.
    fn write_print(&self, out: &mut impl Write) -> std::fmt::Result {
        write!(out, "{:?} {} {:?}", self.ledger.root(), self.now_ms, self.world.start)?;
        for node in &self.nodes {
            write!(out, "{:?} {:?} {:?}", node.agent, node.wake_ms, node.stands_at)?;
            let held = node.held.iter().flatten().map(|b| b.state.root());
            write!(out, "{} {:?}", node.held.is_some(), held.collect::<Vec<_>>())?;
            write!(out, "{:?} {}", node.disk.keys(), node.restarts)?;
            write!(out, "{:?}", node.kept)?;
        }
        write!(out, "{:?} {:?}", self.pool.keys(), self.runs)?;
        write!(out, "{:?} {:?} {:?} {}", self.evil, self.watch, self.left, self.calm)
    }
}

/// Names what a node says in a transaction, however often it says it.
pub(crate) fn content(by: usize, payload: &Payload) -> Digest {
    let by = [u8::try_from(by).unwrap_or(u8::MAX)];
    Digest::of_parts(&[&by, &trustmesh_types::codec::encode(payload)])
}

fn agent(world: &World, at: usize, ledger: &State, kept: &[SignedCompletion]) -> Agent {
    let place = u8::try_from(at).unwrap_or(0);
    #[expect(clippy::indexing_slicing, reason = "nodes are named by their places")]
    let config = Config {
        key: world.keys[at].clone(),
        seed: [world.start.seed.wrapping_mul(16).wrapping_add(place); 32],
        state: ledger.clone(),
        recovered: kept.to_vec(),
    };
    let (agent, effects) = Agent::new(config);
    debug_assert!(matches!(effects.as_slice(), [Effect::Wake { at_ms: 0 }]));
    agent
}

impl Hash for Mesh {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.print.hash(state);
    }
}

impl PartialEq for Mesh {
    fn eq(&self, other: &Self) -> bool {
        self.print == other.print
    }
}

/// FNV-1a, 128 bits.
struct Fnv(u128);

impl Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b);
        }
    }
}

/// A text that is hashed rather than kept.
struct Text(Fnv);

impl Write for Text {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}
