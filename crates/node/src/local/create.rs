//! Makes a local mesh's folder: keys, genesis, configurations with ports that are free.

use super::error::{LocalError, io};
use crate::{
    clock::now_ms,
    config::{Containers, Listen, NodeConfig, Retention},
    guard, keystore,
};
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
};
use trustmesh_data::artifacts::oci::RegistryConfig;
use trustmesh_types::{
    SecretKey,
    genesis::{GENESIS_VERSION, Genesis, Parameters},
    limits::{VALIDATORS_MAX, VALIDATORS_MIN},
    records::{NodeInfo, NodeRoles, OperatorInfo, Runtime},
    resources::{MIB, Resources},
};

/// What a local mesh is made like.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// Its name.
    pub name: String,
    /// Number of nodes, all validators, schedulers and workers.
    pub nodes: usize,
    /// The network's parameters.
    pub parameters: Parameters,
    /// What is attested of each node.
    pub capacity: Resources,
    /// How long the nodes keep what is old.
    pub retention: Retention,
    /// What the nodes can run.
    pub runtimes: Vec<Runtime>,
    /// Their container engine.
    pub containers: Containers,
    /// Registries that they may fetch artifacts from.
    pub registries: Vec<RegistryConfig>,
    /// Labels, each with the values that the nodes get in turn.
    pub labels: BTreeMap<String, Vec<String>>,
}

impl Default for LocalOptions {
    fn default() -> Self {
        Self {
            name: "local".to_owned(),
            nodes: 4,
            parameters: Parameters::default(),
            capacity: Resources {
                cpu_millis: 64_000,
                memory_bytes: 64 * 1024 * MIB,
                disk_bytes: 64 * 1024 * MIB,
            },
            retention: Retention::default(),
            runtimes: vec![Runtime::Wasm],
            containers: Containers::default(),
            registries: Vec::new(),
            labels: BTreeMap::from([("zone".to_owned(), vec!["local".to_owned()])]),
        }
    }
}

/// Where a node of a local mesh has its things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalNode {
    /// Its name: `node-1`, …
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// What genesis says of it.
    pub info: NodeInfo,
}

impl LocalNode {
    /// Its own key.
    #[must_use]
    pub fn key_path(&self) -> PathBuf {
        self.folder.join("node.key")
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.join("node.toml")
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("node.log")
    }

    pub(super) fn process(&self) -> PathBuf {
        self.folder.join("process.json")
    }
}

/// Makes the folder.
pub(super) fn create(folder: &Path, options: &LocalOptions) -> Result<Genesis, LocalError> {
    let (nodes, min, max) = (options.nodes, VALIDATORS_MIN, VALIDATORS_MAX);
    if !(min..=max).contains(&nodes) {
        return Err(LocalError::Nodes { nodes, min, max });
    }
    std::fs::create_dir_all(folder).map_err(|e| io("make folder", folder, &e))?;
    let mut found = std::fs::read_dir(folder).map_err(|e| io("read folder", folder, &e))?;
    if found.next().is_some() {
        return Err(LocalError::NotEmpty { path: folder.to_owned() });
    }
    let operator = keystore::generate(&folder.join("operator.key"))?;
    let addresses = free_addresses(folder, nodes * 2)?;
    let mut infos = Vec::with_capacity(nodes);
    for (index, pair) in addresses.chunks_exact(2).enumerate() {
        let &[p2p, http] = pair else { continue };
        let name = format!("node-{}", index + 1);
        let listen = Listen { p2p, http };
        let mut info = make_node(&folder.join(&name), name, listen, options)?;
        info.labels = labels(options, index);
        infos.push(info);
    }
    let genesis = genesis(options, &operator, infos);
    let path = folder.join("genesis.json");
    let text = serde_json::to_string_pretty(&genesis)
        .map_err(|e| io("write", &path, &std::io::Error::other(e)))?;
    for info in &genesis.nodes {
        let data = folder.join(&info.name).join("data");
        guard::prepare(&data, &genesis.network_id(), &info.key)?;
    }
    // Last: a folder with a genesis is whole.
    std::fs::write(&path, text + "\n").map_err(|e| io("write", &path, &e))?;
    Ok(genesis)
}

/// The labels of a node.
fn labels(options: &LocalOptions, index: usize) -> BTreeMap<String, String> {
    let value = |values: &Vec<String>| values.get(index % values.len().max(1)).cloned();
    let all = options.labels.iter();
    all.filter_map(|(name, values)| Some((name.clone(), value(values)?))).collect()
}

fn genesis(options: &LocalOptions, operator: &SecretKey, nodes: Vec<NodeInfo>) -> Genesis {
    Genesis {
        version: GENESIS_VERSION,
        name: options.name.clone(),
        created_ms: now_ms(),
        parameters: options.parameters.clone(),
        operators: vec![OperatorInfo {
            key: operator.public(),
            name: "operator".to_owned(),
            publisher: true,
        }],
        nodes,
    }
}

fn make_node(
    folder: &Path,
    name: String,
    listen: Listen,
    options: &LocalOptions,
) -> Result<NodeInfo, LocalError> {
    let key = keystore::generate(&folder.join("node.key"))?;
    let info = NodeInfo {
        key: key.public(),
        name,
        roles: NodeRoles::ALL,
        labels: BTreeMap::new(),
        capacity: options.capacity,
        runtimes: options.runtimes.clone(),
        arch: std::env::consts::ARCH.to_owned(),
        p2p_address: listen.p2p.to_string(),
        http_address: listen.http.to_string(),
    };
    let config = NodeConfig {
        containers: options.containers.clone(),
        registries: options.registries.clone(),
        retention: options.retention,
        ..NodeConfig::new("../genesis.json", "node.key", listen)
    };
    let path = folder.join("node.toml");
    let text =
        toml::to_string(&config).map_err(|e| io("write", &path, &std::io::Error::other(e)))?;
    std::fs::write(&path, text).map_err(|e| io("write", &path, &e))?;
    Ok(info)
}

/// Addresses of loopback that nobody listens on, found by listening on all of them at once.
fn free_addresses(folder: &Path, count: usize) -> Result<Vec<SocketAddr>, LocalError> {
    let failed = |e: std::io::Error| io("find free ports for", folder, &e);
    let listeners: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    listeners.iter().map(|listener| listener.local_addr().map_err(failed)).collect()
}
