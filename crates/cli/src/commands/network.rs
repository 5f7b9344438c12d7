//! `trustmesh network`: a local mesh of real processes under one folder.
//!
//! The folder holds `genesis.json`, `operator.key`, a folder per node and a
//! `trustmesh.toml`, so that commands run inside it know where to go.

mod parameters;
mod upgrade;

use self::{parameters::ParametersCommand, upgrade::UpgradeArgs};
use super::{interrupt::interruptible, mesh, parse::RuntimeArg};
use crate::{
    context::Context,
    failure::{Done, Failure},
    output::Table,
};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::{
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use trustmesh_api::LedgerStatus;
use trustmesh_client::{Client, Endpoint, Options};
use trustmesh_data::artifacts::oci::{Registry, RegistryConfig};
use trustmesh_node::{
    config::Containers,
    local::{LocalNetwork, LocalOptions, StartMode},
};
use trustmesh_types::{NetworkId, genesis::Genesis};

/// For a node of this machine to say how it is.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// A local mesh.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  trustmesh network init mesh --nodes 4
  trustmesh network up mesh
  trustmesh network status mesh
  trustmesh network down mesh")]
pub enum NetworkCommand {
    /// Make keys, a genesis and configurations under a new folder
    #[command(after_help = "Example:
  trustmesh network init mesh --nodes 7 --name test-mesh
  trustmesh network init mesh --runtimes wasm,container --registry 127.0.0.1:5000
  trustmesh network init mesh --label zone=a,b --label vendor=x,y,z")]
    Init(InitArgs),
    /// Start the nodes, each a process of its own, and wait until they serve
    #[command(after_help = "Example:
  trustmesh network up mesh")]
    Up(FolderArgs),
    /// Say which nodes run and where the ledger stands
    #[command(after_help = "Example:
  trustmesh network status mesh -o json")]
    Status(FolderArgs),
    /// Stop the nodes; what they hold stays
    #[command(after_help = "Example:
  trustmesh network down mesh")]
    Down(FolderArgs),
    /// Show or change the network's parameters: timeouts, weights, limits
    #[command(after_help = "Examples:
  trustmesh network parameters
  trustmesh network parameters set generation_timeout=5s")]
    Parameters {
        #[command(subcommand)]
        command: Option<ParametersCommand>,
    },
    /// Let the rules of the protocol's next version hold from a height on, as an operator
    #[command(after_help = "Example:
  trustmesh network upgrade --to 3 --at +500

Give all nodes the newer program first: one that does not know the version stops at that height.")]
    Upgrade(UpgradeArgs),
}

/// What to make.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The folder to make
    folder: PathBuf,
    /// Number of nodes
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(4..=16))]
    nodes: u16,
    /// A name for the network [default: the folder's]
    #[arg(long)]
    name: Option<String>,
    /// A label and its values, which the nodes get in turn: policies may ask for them
    /// [default: zone=local]
    #[arg(long = "label", value_name = "NAME=VALUE,…", value_parser = label)]
    labels: Vec<(String, Vec<String>)>,
    /// What the nodes can run; containers need an engine on this machine
    #[arg(long, value_enum, value_delimiter = ',', default_value = "wasm")]
    runtimes: Vec<RuntimeArg>,
    /// Unix socket of their container engine [default: Docker's or Podman's usual one]
    #[arg(long, value_name = "FILE")]
    container_socket: Option<PathBuf>,
    /// Registry to put artifacts into and fetch them from, as HOST:PORT; one on this machine
    /// without TLS. Logins: see docs/applications.md
    #[arg(long = "registry", value_name = "HOST")]
    registries: Vec<String>,
}

/// Which mesh.
#[derive(Debug, Args)]
pub struct FolderArgs {
    /// The network's folder [default: that of the context]
    folder: Option<PathBuf>,
}

impl FolderArgs {
    fn folder(self, context: &Context) -> Done<PathBuf> {
        self.folder.or_else(|| context.folder.clone()).ok_or_else(|| {
            Failure::usage("which network? no FOLDER given, and no trustmesh.toml here or above")
        })
    }
}

#[derive(Serialize)]
struct Made {
    network: NetworkId,
    name: String,
    folder: PathBuf,
    nodes: usize,
}

#[derive(Serialize)]
struct Stopped {
    folder: PathBuf,
    stopped: usize,
}

#[derive(Serialize)]
struct StatusAnswer {
    network: NetworkId,
    name: String,
    folder: PathBuf,
    running: usize,
    nodes: Vec<NodeAnswer>,
}

#[derive(Serialize)]
struct NodeAnswer {
    name: String,
    pid: Option<u32>,
    http: String,
    height: Option<u64>,
    caught_up: Option<bool>,
    /// Age of its newest block, by this machine's clock.
    block_age_ms: Option<u64>,
    log: PathBuf,
}

/// Runs a command of this noun.
pub async fn run(context: &Context, command: NetworkCommand) -> Done {
    match command {
        NetworkCommand::Init(args) => init(context, args),
        NetworkCommand::Up(args) => up(context, args).await,
        NetworkCommand::Status(args) => status(context, args).await,
        NetworkCommand::Down(args) => down(context, args).await,
        NetworkCommand::Parameters { command } => parameters::run(context, command).await,
        NetworkCommand::Upgrade(args) => upgrade::run(context, &args).await,
    }
}

/// `zone=a,b`: a label and the values that go round.
fn label(text: &str) -> Result<(String, Vec<String>), String> {
    let (name, values) = text.split_once('=').ok_or("write NAME=VALUE, as in zone=a,b")?;
    let values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
    if name.is_empty() || values.iter().any(String::is_empty) {
        return Err("name and values must not be empty, as in zone=a,b".to_owned());
    }
    Ok((name.to_owned(), values))
}

fn init(context: &Context, args: InitArgs) -> Done {
    let stem = args.folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let mut options = LocalOptions {
        name: args.name.or(stem).unwrap_or_else(|| "local".to_owned()),
        nodes: args.nodes.into(),
        runtimes: args.runtimes.into_iter().map(Into::into).collect(),
        containers: Containers {
            socket: args
                .container_socket
                .map(std::path::absolute)
                .transpose()
                .map_err(Failure::usage)?,
        },
        registries: args.registries.iter().map(|host| RegistryConfig::simple(host)).collect(),
        ..LocalOptions::default()
    };
    options.labels.extend(args.labels);
    for registry in &options.registries {
        Registry::new(registry).map_err(|error| Failure::usage(error.to_string()))?;
    }
    let network = LocalNetwork::create(&args.folder, &options)?;
    mesh::write_context(&args.folder, options.registries)?;
    let answer = Made {
        network: network.genesis().network_id(),
        name: options.name,
        folder: args.folder,
        nodes: options.nodes,
    };
    context.printer.answer(&answer, |it| {
        let folder = it.folder.display();
        format!(
            "network {} ({}) of {} nodes is ready in {folder}\nstart it: trustmesh network up {folder}",
            it.name,
            it.network.short(),
            it.nodes
        )
    })
}

async fn up(context: &Context, args: FolderArgs) -> Done {
    let folder = args.folder(context)?;
    let mut network = LocalNetwork::open(&folder)?;
    let idle = |network: &LocalNetwork| {
        network.status().into_iter().filter(|node| node.pid.is_none()).map(|node| node.name)
    };
    let mine: Vec<String> = idle(&network).collect();
    let started = interruptible(mesh::start(&mut network, StartMode::Detached)).await;
    if started.is_err() {
        // Nothing half done: what this command started goes; what ran before stays.
        let all = network.nodes().iter().enumerate();
        let indices: Vec<usize> =
            all.filter(|(_, node)| mine.contains(&node.name)).map(|(index, _)| index).collect();
        for index in indices {
            network.kill_nodes(&[index]).await?;
        }
    }
    started?;
    answer(context, &network).await
}

async fn status(context: &Context, args: FolderArgs) -> Done {
    let network = LocalNetwork::open(&args.folder(context)?)?;
    answer(context, &network).await
}

async fn down(context: &Context, args: FolderArgs) -> Done {
    let mut network = LocalNetwork::open(&args.folder(context)?)?;
    let running = network.status().iter().filter(|node| node.pid.is_some()).count();
    network.stop().await?;
    let stopped = Stopped { folder: network.folder().to_owned(), stopped: running };
    context.printer.answer(&stopped, |it| {
        format!("{} nodes of {} are stopped; what they hold stays", it.stopped, it.folder.display())
    })
}

/// How the nodes are doing, asked one by one.
async fn answer(context: &Context, network: &LocalNetwork) -> Done {
    let genesis = network.genesis();
    let mut nodes = Vec::new();
    for (node, status) in network.nodes().iter().zip(network.status()) {
        let ledger = match status.pid {
            Some(_) => ask(genesis, Endpoint::of_node(&node.info)).await,
            None => None,
        };
        nodes.push(NodeAnswer {
            name: status.name,
            pid: status.pid,
            http: status.http_address,
            height: ledger.as_ref().map(|it| it.height),
            caught_up: ledger.as_ref().map(|it| it.caught_up),
            block_age_ms: ledger.as_ref().map(|it| now_ms().saturating_sub(it.timestamp_ms)),
            log: node.log(),
        });
    }
    let answer = StatusAnswer {
        network: genesis.network_id(),
        name: genesis.name.clone(),
        folder: network.folder().to_owned(),
        running: nodes.iter().filter(|node| node.pid.is_some()).count(),
        nodes,
    };
    context.printer.answer(&answer, text)
}

async fn ask(genesis: &Genesis, node: Endpoint) -> Option<LedgerStatus> {
    let options = Options { rounds: 1, answer_timeout: ANSWER_TIMEOUT, ..Options::default() };
    let client = Client::with_options(genesis, vec![node], options).ok()?;
    client.status().await.ok()
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// What is known of a node in words; `newest` is the greatest height that a node names.
fn state(node: &NodeAnswer, newest: u64) -> String {
    let (Some(_), Some(height)) = (node.pid, node.height) else {
        return if node.pid.is_none() { "down" } else { "does not answer" }.to_owned();
    };
    match node.caught_up {
        Some(true) => "up".to_owned(),
        _ if height < newest => format!("catching up, {height} of {newest} blocks"),
        _ if height == 0 => "up, no block yet: it takes a quorum of validators".to_owned(),
        _ => {
            let age_s = node.block_age_ms.unwrap_or(0) / 1_000;
            format!("up, no new block for {age_s} s: too few validators?")
        }
    }
}

fn text(it: &StatusAnswer) -> String {
    let newest = it.nodes.iter().filter_map(|node| node.height).max().unwrap_or(0);
    let mut table = Table::new(&["node", "process", "http", "height", "state"], "no nodes");
    for node in &it.nodes {
        let dash = || "-".to_owned();
        table.row([
            node.name.clone(),
            node.pid.map_or_else(dash, |pid| pid.to_string()),
            node.http.clone(),
            node.height.map_or_else(dash, |height| height.to_string()),
            state(node, newest),
        ]);
    }
    format!("network {} in {}\n\n{}", it.name, it.folder.display(), table.text())
}
