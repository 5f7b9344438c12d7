//! Who takes part in a world: keys from the seed, and the genesis that names them. Nodes
//! are sorted by public key, so that node 0 is designated first among equals.

use super::clock::START_MS;
use crate::{derive, deviation::Deviation, scenario::Scenario};
use std::collections::BTreeMap;
use trustmesh_types::{
    NetworkId, SecretKey,
    genesis::{GENESIS_VERSION, Genesis},
    records::{NodeInfo, NodeRoles, OperatorInfo, Runtime},
    resources::{MIB, Resources},
};

/// What each node attests.
const CAPACITY: Resources =
    Resources { cpu_millis: 4_000, memory_bytes: 4_096 * MIB, disk_bytes: 16_384 * MIB };

/// Follows the chain and runs tasks.
const WORKER: NodeRoles = NodeRoles { validator: false, scheduler: false, worker: true };

/// The keys of a world and its genesis.
#[derive(Debug, Clone)]
pub(crate) struct Cast {
    pub(crate) seed: u64,
    pub(crate) nodes: Vec<SecretKey>,
    /// Which of them are evil, and how.
    pub(crate) evil: Vec<(usize, Deviation)>,
    pub(crate) operator: SecretKey,
    /// An operator who may not publish.
    pub(crate) clerk: SecretKey,
    pub(crate) devices: Vec<SecretKey>,
    pub(crate) genesis: Genesis,
    pub(crate) network: NetworkId,
}

impl Cast {
    pub(crate) fn new(scenario: &Scenario, seed: u64) -> Self {
        let keys = |label, count| (0..u64::from(count)).map(move |n| derive::key(seed, label, n));
        let mut nodes: Vec<SecretKey> = keys("node", scenario.nodes).collect();
        nodes.sort_by_key(SecretKey::public);
        let operator = derive::key(seed, "operator", 0);
        let clerk = derive::key(seed, "clerk", 0);
        let operators = [(&operator, "operator", true), (&clerk, "clerk", false)].into_iter();
        let operators = operators.map(|(key, name, publisher)| OperatorInfo {
            key: key.public(),
            name: name.to_owned(),
            publisher,
        });
        let validators = usize::from(scenario.validators());
        let infos = nodes.iter().enumerate().map(|(number, key)| NodeInfo {
            key: key.public(),
            name: format!("node-{number}"),
            roles: if number < validators { NodeRoles::ALL } else { WORKER },
            labels: BTreeMap::new(),
            capacity: CAPACITY,
            runtimes: vec![Runtime::Wasm],
            arch: "simulated".to_owned(),
            p2p_address: format!("node-{number}.example:9000"),
            http_address: format!("node-{number}.example:8080"),
        });
        let genesis = Genesis {
            version: GENESIS_VERSION,
            name: "simulation".to_owned(),
            created_ms: START_MS,
            parameters: scenario.parameters.clone(),
            operators: operators.collect(),
            nodes: infos.collect(),
        };
        let devices = keys("device", scenario.workload.devices).collect();
        let network = genesis.network_id();
        let evil = scenario.evil.clone();
        Self { seed, nodes, evil, operator, clerk, devices, genesis, network }
    }

    /// How many nodes vote: the first ones.
    pub(crate) fn validators(&self) -> usize {
        self.genesis.validators().len()
    }

    /// Whether a node, by index, is evil in some way.
    pub(crate) fn is_evil(&self, node: usize) -> bool {
        self.evil.iter().any(|(evil, _)| *evil == node)
    }

    /// How a node, by index, is evil.
    pub(crate) fn deviations(&self, node: usize) -> Vec<Deviation> {
        self.evil.iter().filter(|(evil, _)| *evil == node).map(|(_, how)| *how).collect()
    }

    /// The keys of the evil nodes.
    pub(crate) fn evil_keys(&self) -> Vec<SecretKey> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter(|(node, _)| self.is_evil(*node)).map(|(_, key)| key.clone()).collect()
    }
}
