//! A local mesh that a command makes for itself: the demo's and the benchmarks'.
//!
//! Invariant: it lives in a temporary folder, and its processes end and the folder goes
//! when the mesh is stopped or dropped, unless it is kept.

use crate::{
    context::{self, ContextFile, FILE_NAME},
    failure::{Done, Failure},
    output::Progress,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::sleep;
use trustmesh_client::{Client, Endpoint, Operator, Options};
use trustmesh_data::artifacts::oci::RegistryConfig;
use trustmesh_node::{
    config::Containers,
    local::{LocalError, LocalNetwork, LocalOptions, StartMode},
};
use trustmesh_types::{
    NetworkId, PublicKey, SecretKey,
    records::{NodeInfo, Runtime},
};

/// Tries to start with new ports, when others took some between finding and using them.
const PORT_TRIES_MAX: usize = 3;
/// Before the next try of a node whose port another program holds: outgoing connections get
/// theirs from the same range.
const PORT_PAUSE: Duration = Duration::from_secs(1);

/// The least that a configuration may say of blocks that stay.
const BLOCKS_MIN: u64 = 1_024;

/// What a mesh is for, and how big.
#[derive(Clone)]
pub struct MeshOptions {
    /// Goes into the name of folder and network.
    pub purpose: &'static str,
    /// Number of nodes.
    pub nodes: usize,
    /// Whether it may outlive this process.
    pub detached: bool,
    /// What is not as usual.
    pub unusual: Unusual,
}

/// What of a mesh may be other than usual; nothing by default.
#[derive(Clone, Default)]
pub struct Unusual {
    /// How long a leader without anything to do holds its turn.
    pub idle_interval_ms: Option<u64>,
    /// When a silent leader is passed over.
    pub leader_timeout_ms: Option<u64>,
    /// Whole blocks, and blocks with their history, that are kept.
    pub blocks_kept: Option<u64>,
    /// Its nodes run containers, too, on this engine.
    pub containers: Option<Containers>,
    /// Registries that its nodes fetch from.
    pub registries: Vec<RegistryConfig>,
}

/// A mesh in a temporary folder.
pub struct Mesh {
    network: LocalNetwork,
    // Declared after the network, so that it is removed after the processes have ended.
    folder: TempDir,
    options: MeshOptions,
}

impl From<LocalError> for Failure {
    fn from(error: LocalError) -> Self {
        match error {
            LocalError::NotEmpty { .. } | LocalError::NoNetwork { .. } | LocalError::Config(_) => {
                Self::usage(error)
            }
            _ => Self::failed(error),
        }
    }
}

impl Mesh {
    /// Makes keys, genesis and configurations; starts nothing yet.
    pub fn new(options: MeshOptions) -> Done<Self> {
        let prefix = format!("trustmesh-{}-", options.purpose);
        let folder = tempfile::Builder::new()
            .prefix(&prefix)
            .tempdir()
            .map_err(|e| Failure::failed(format!("can't make a temporary folder: {e}")))?;
        let mut local = LocalOptions {
            name: options.purpose.to_owned(),
            nodes: options.nodes,
            ..LocalOptions::default()
        };
        let (unusual, parameters) = (&options.unusual, &mut local.parameters);
        let times = [
            (unusual.idle_interval_ms, &mut parameters.idle_interval_ms),
            (unusual.leader_timeout_ms, &mut parameters.leader_timeout_ms),
            (unusual.blocks_kept, &mut local.retention.blocks_max),
            (unusual.blocks_kept, &mut local.retention.history_blocks),
        ];
        for (wanted, value) in times {
            *value = wanted.unwrap_or(*value);
        }
        let retention = &mut local.retention;
        retention.blocks_min = retention.blocks_min.min(retention.blocks_max).max(BLOCKS_MIN);
        if let Some(containers) = &unusual.containers {
            local.runtimes.push(Runtime::Container);
            local.containers = containers.clone();
        }
        local.registries.clone_from(&unusual.registries);
        let network = LocalNetwork::create(folder.path(), &local)?;
        write_context(folder.path(), local.registries)?;
        Ok(Self { network, folder, options })
    }

    const fn mode(&self) -> StartMode {
        if self.options.detached { StartMode::Detached } else { StartMode::Attached }
    }

    /// Where everything is; a start may move it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the nodes and waits until all serve. Ports that others have taken meanwhile
    /// make it a new mesh, in another folder.
    pub async fn start(&mut self) -> Done {
        let mode = self.mode();
        for _ in 1..PORT_TRIES_MAX {
            match try_start(&mut self.network, mode).await? {
                Err(error) if error.port_taken() => *self = Self::new(self.options.clone())?,
                outcome => return Ok(outcome?),
            }
        }
        start(&mut self.network, mode).await
    }

    /// Stops the nodes and removes the folder.
    pub async fn stop(mut self) -> Done {
        self.network.stop().await?;
        let path = self.folder.path().to_owned();
        self.folder.close().map_err(|e| Failure::failed(e).at(path.display()))
    }

    /// Stops the nodes; the folder stays.
    pub async fn halt(&mut self) -> Done {
        Ok(self.network.stop().await?)
    }

    /// Kills nodes at the same time, as `kill -9` does.
    pub async fn kill(&mut self, indices: &[usize]) -> Done {
        Ok(self.network.kill_nodes(indices).await?)
    }

    /// Starts a node without waiting for it.
    pub fn begin_start(&mut self, index: usize) -> Done {
        Ok(self.network.start_node(&own_file()?, index, self.mode())?)
    }

    /// Starts a node and waits until it is ready. A port that another program holds for a
    /// moment is waited for; whatever else is wrong is the node's.
    pub async fn restart(&mut self, index: usize) -> Done<Result<(), LocalError>> {
        let (exe, mode) = (own_file()?, self.mode());
        for _ in 1..PORT_TRIES_MAX {
            match self.network.restart_node(&exe, index, mode).await {
                Err(error) if error.port_taken() => sleep(PORT_PAUSE).await,
                outcome => return Ok(outcome),
            }
        }
        Ok(self.network.restart_node(&exe, index, mode).await)
    }

    /// The same for all nodes that don't run.
    pub async fn restart_all(&mut self) -> Done<Result<(), LocalError>> {
        let (exe, mode) = (own_file()?, self.mode());
        for _ in 1..PORT_TRIES_MAX {
            match self.network.start(&exe, mode, |_| {}).await {
                Err(error) if error.port_taken() => sleep(PORT_PAUSE).await,
                outcome => return Ok(outcome),
            }
        }
        Ok(self.network.start(&exe, mode, |_| {}).await)
    }

    /// A node's name.
    pub fn name(&self, index: usize) -> &str {
        self.network.nodes().get(index).map_or("no node", |node| &node.name)
    }

    /// Leaves the nodes running, and the folder where it is.
    pub fn keep(self) {
        drop(self.folder.keep());
    }

    /// A client that asks the first node first.
    pub fn client(&self) -> Done<Client> {
        self.client_from(0)
    }

    /// A client, with connections of its own, that asks node `first` (modulo their number)
    /// first.
    pub fn client_from(&self, first: usize) -> Done<Client> {
        let genesis = self.network.genesis();
        let mut endpoints = Endpoint::of_genesis(genesis);
        let by = first.checked_rem(endpoints.len()).unwrap_or(0);
        endpoints.rotate_left(by);
        Ok(Client::new(genesis, endpoints)?)
    }

    /// A client of one node alone, with its own patience.
    pub fn client_of(&self, node: usize, options: Options) -> Done<Client> {
        let genesis = self.network.genesis();
        let endpoint = Endpoint::of_genesis(genesis).into_iter().nth(node);
        Ok(Client::with_options(genesis, endpoint.into_iter().collect(), options)?)
    }

    /// The operator that genesis names.
    pub fn operator(&self) -> Done<Operator> {
        let key = context::load_key(&self.network.operator_key_path())?;
        Ok(Operator::new(self.client()?, key))
    }

    /// The nodes' own keys, in the nodes' order.
    pub fn node_keys(&self) -> Done<Vec<SecretKey>> {
        let nodes = self.network.nodes().iter();
        nodes.map(|node| context::load_key(&node.key_path())).collect()
    }

    /// What genesis says of the nodes.
    pub fn infos(&self) -> Vec<NodeInfo> {
        self.network.nodes().iter().map(|node| node.info.clone()).collect()
    }

    /// Names of the nodes by key.
    pub fn names(&self) -> BTreeMap<PublicKey, String> {
        let nodes = self.network.nodes().iter();
        nodes.map(|node| (node.info.key, node.name.clone())).collect()
    }

    /// Processes of the nodes that run.
    pub fn pids(&self) -> Vec<u32> {
        self.network.status().into_iter().filter_map(|node| node.pid).collect()
    }

    /// Folders of what each node holds.
    pub fn data(&self) -> Vec<PathBuf> {
        self.network.nodes().iter().map(|node| node.folder.join("data")).collect()
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.network.nodes().len()
    }

    /// The network's id.
    pub fn network(&self) -> NetworkId {
        self.network.genesis().network_id()
    }
}

/// Starts a network's nodes, as processes of this very program, and waits until all serve.
pub async fn start(network: &mut LocalNetwork, mode: StartMode) -> Done {
    Ok(try_start(network, mode).await??)
}

async fn try_start(network: &mut LocalNetwork, mode: StartMode) -> Done<Result<(), LocalError>> {
    let exe = own_file()?;
    let progress = Progress::bar(network.nodes().len() as u64, "starting nodes");
    Ok(network.start(&exe, mode, |ready| progress.at(ready as u64)).await)
}

fn own_file() -> Done<PathBuf> {
    std::env::current_exe()
        .map_err(|e| Failure::failed(format!("this program's own file can't be found: {e}")))
}

/// Writes the file that tells commands run inside a network's folder where to go.
pub fn write_context(folder: &Path, registries: Vec<RegistryConfig>) -> Done {
    let file = ContextFile {
        genesis: Some("genesis.json".into()),
        key: Some("operator.key".into()),
        endpoints: Vec::new(),
        registries,
    };
    file.store(&folder.join(FILE_NAME))
}
