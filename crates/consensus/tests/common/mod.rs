//! A simulated network of ledgers: virtual time, 5 ms links, one seed.

use commonware_p2p::{
    Manager as _, TrackedPeers,
    simulated::{self, Link},
};
use commonware_runtime::{Handle as Task, Supervisor as _, deterministic};
use commonware_utils::{NZUsize, Probability, ordered::Set};
use std::{sync::Arc, time::Duration};
use trustmesh_consensus::{
    ClockOffset, EngineKey, Handle, Options, Oracle, StateSnapshot, Streams, engine_public,
    max_message_size, simulated_network, start_sim,
};
use trustmesh_state::Finalized;
use trustmesh_types::{
    Payload, PublicKey, SecretKey, SignedTransaction, Transaction,
    genesis::{GENESIS_VERSION, Genesis, Parameters},
    records::{NodeInfo, NodeRoles, OperatorInfo, Runtime},
    resources::Resources,
    transaction::TRANSACTION_VERSION,
};

pub fn validator(n: usize) -> SecretKey {
    SecretKey::from_seed([n as u8 + 1; 32])
}

pub fn operator() -> SecretKey {
    SecretKey::from_seed([200; 32])
}

/// A genesis of `validators` validators and `others` nodes that don't vote.
pub fn genesis(validators: usize, others: usize) -> Genesis {
    let node = |n: usize| NodeInfo {
        key: validator(n).public(),
        name: format!("n{n}"),
        roles: NodeRoles { validator: n < validators, ..NodeRoles::ALL },
        labels: Default::default(),
        capacity: Resources { cpu_millis: 1_000, memory_bytes: 1 << 30, disk_bytes: 1 << 30 },
        runtimes: vec![Runtime::Wasm],
        arch: "x86_64".to_owned(),
        p2p_address: format!("127.0.0.1:{}", 20_000 + n),
        http_address: format!("127.0.0.1:{}", 21_000 + n),
    };
    Genesis {
        version: GENESIS_VERSION,
        name: "test".to_owned(),
        created_ms: 0,
        parameters: Parameters::default(),
        operators: vec![OperatorInfo {
            key: operator().public(),
            name: "operator".to_owned(),
            publisher: true,
        }],
        nodes: (0..validators + others).map(node).collect(),
    }
}

pub fn sign(handle: &Handle, key: &SecretKey, nonce: u64, payload: Payload) -> SignedTransaction {
    let state = handle.state();
    Transaction {
        version: TRANSACTION_VERSION,
        network: state.network(),
        signer: key.public(),
        valid_until_height: state.height() + 500,
        nonce,
        payload,
    }
    .sign(key)
}

pub fn note(handle: &Handle, nonce: u64) -> SignedTransaction {
    sign(handle, &operator(), nonce, Payload::Note { bytes: nonce.to_be_bytes().to_vec() })
}

/// A ledger that runs.
pub struct Node {
    pub handle: Handle,
    pub streams: Streams,
    pub task: Task<()>,
}

impl Node {
    /// The next final block.
    pub async fn next(&mut self) -> Arc<Finalized> {
        self.streams.finalized.recv().await.expect("the ledger runs")
    }

    /// Takes final blocks up to `height`; gives the state root after each.
    pub async fn until(&mut self, height: u64) -> Vec<(u64, String)> {
        let mut roots = Vec::new();
        let mut at = 0;
        while at < height {
            let next = self.next().await;
            at = next.block.header.height;
            assert_eq!(next.state.height(), at);
            assert_eq!(next.state.root(), next.block.header.state_root);
            roots.push((at, next.state.root().to_string()));
        }
        roots
    }

    /// Takes final blocks until one holds that transaction.
    pub async fn until_included(&mut self, id: trustmesh_types::TxId) -> Arc<Finalized> {
        loop {
            let next = self.next().await;
            if next.receipts.iter().any(|receipt| receipt.transaction == id) {
                return next;
            }
        }
    }
}

/// The simulated world.
pub struct World {
    pub context: deterministic::Context,
    pub oracle: Oracle,
    pub genesis: Genesis,
    starts: usize,
    /// Nodes that start without knowing what they voted.
    pub wiped: std::collections::BTreeSet<usize>,
    /// What the next node that starts goes on from.
    pub snapshot: Option<StateSnapshot>,
}

impl World {
    pub async fn new(context: deterministic::Context, genesis: Genesis) -> Self {
        let of = |votes: bool| -> Vec<EngineKey> {
            let nodes = genesis.nodes.iter().filter(|n| n.roles.validator == votes);
            nodes.map(|n| engine_public(&n.key).unwrap()).collect()
        };
        let config = simulated::Config {
            max_size: max_message_size(),
            max_peers_per_set: NZUsize!(16),
            disconnect_on_block: true,
            tracked_peer_sets: NZUsize!(1),
        };
        let (network, oracle) = simulated::Network::new_with_split_peers(
            context.child("network"),
            config,
            of(true),
            of(false),
        )
        .await;
        network.start();
        let world =
            Self { context, oracle, genesis, starts: 0, wiped: Default::default(), snapshot: None };
        for n in 0..world.genesis.nodes.len() {
            world.connect(n, true).await;
        }
        world
    }

    fn key(&self, n: usize) -> EngineKey {
        engine_public(&self.genesis.nodes[n].key).unwrap()
    }

    /// Tells the network who votes by now, as a daemon does itself.
    pub fn track(&self, id: u64, votes: impl Fn(usize) -> bool) {
        let of = |primary: bool| {
            let nodes = (0..self.genesis.nodes.len()).filter(|n| votes(*n) == primary);
            Set::from_iter_dedup(nodes.map(|n| self.key(n)))
        };
        let _ = self.oracle.manager().track(id, TrackedPeers::new(of(true), of(false)));
    }

    /// Links a node with all others, or cuts it off.
    pub async fn connect(&self, n: usize, up: bool) {
        let link = Link {
            latency: Duration::from_millis(5),
            jitter: Duration::ZERO,
            success_rate: Probability::new(1, 1).unwrap(),
        };
        for other in (0..self.genesis.nodes.len()).filter(|other| *other != n) {
            for (a, b) in [(n, other), (other, n)] {
                // Linking what is linked, or cutting what is cut, changes nothing.
                let (a, b) = (self.key(a), self.key(b));
                let _ = if up {
                    self.oracle.add_link(a, b, link.clone()).await
                } else {
                    self.oracle.remove_link(a, b).await
                };
            }
        }
    }

    /// Starts a node, from what its storage holds.
    pub async fn start(&mut self, n: usize, delivered_height: Option<u64>) -> Node {
        self.starts += 1;
        let network = simulated_network(&self.oracle, &self.key(n)).await.unwrap();
        let context = self.context.child("node").with_attribute("start", self.starts);
        let options = Options {
            genesis: self.genesis.clone(),
            key: validator(n),
            partition: format!("n{n}"),
            delivered_height,
            votes_unknown: self.wiped.contains(&n),
            snapshot: self.snapshot.take(),
            clock: ClockOffset::default(),
        };
        let (handle, streams, task) = start_sim(context, options, network).await.unwrap();
        Node { handle, streams, task }
    }
}

pub fn public(n: usize) -> PublicKey {
    validator(n).public()
}
