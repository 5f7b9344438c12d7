//! Who takes part in a world: keys from the seed, and the genesis that names them. Nodes
//! are sorted by public key, so that node 0 is designated first among equals.

use super::clock::START_MS;
use crate::{derive, scenario::Scenario};
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

/// The keys of a world and its genesis.
#[derive(Debug, Clone)]
pub(crate) struct Cast {
    pub(crate) seed: u64,
    pub(crate) nodes: Vec<SecretKey>,
    pub(crate) operator: SecretKey,
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
        let infos = nodes.iter().enumerate().map(|(number, key)| NodeInfo {
            key: key.public(),
            name: format!("node-{number}"),
            roles: NodeRoles::ALL,
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
            operators: vec![OperatorInfo {
                key: operator.public(),
                name: "operator".to_owned(),
                publisher: true,
            }],
            nodes: infos.collect(),
        };
        let devices = keys("device", scenario.workload.devices).collect();
        let network = genesis.network_id();
        Self { seed, nodes, operator, devices, genesis, network }
    }
}
