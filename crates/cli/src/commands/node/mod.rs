//! `trustmesh node`: the daemon, and who takes part.

mod catch_up;
mod contacts;
mod description;
pub mod doctor;
mod list;
mod members;
pub mod reach;
mod show;

use super::{listing, parse};
use crate::{
    context::Context,
    failure::{Done, Failure},
    output::Table,
};
use clap::{Args, Subcommand};
use members::{ChangeArgs, InviteArgs, JoinFileArgs, QuarantineArgs, ReplaceArgs};
use serde::Serialize;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};
use trustmesh_api::NodeView;
use trustmesh_client::Client;
use trustmesh_node::{
    NodeConfig, NodeError, inspect,
    join::{JoinFile, ListenOn},
    keystore,
};
use trustmesh_types::{NetworkId, PublicKey, records::Standing};

/// Nodes.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  trustmesh node list && trustmesh node show node-1")]
pub enum NodeCommand {
    /// Run a node until it is told to stop (SIGTERM or Ctrl-C)
    #[command(after_help = "Example:
  trustmesh node run --config mesh/node-1/node.toml
  trustmesh node run --join node-5.join.json --key node-5.key

Variables TRUSTMESH_NODE_* go before the file, as in TRUSTMESH_NODE_LISTEN_HTTP.")]
    Run(RunArgs),
    /// Make the data directory of a validator of genesis, before it first runs
    #[command(after_help = "Example:
  trustmesh node prepare --config mesh/node-1/node.toml

Once in a key's life: a validator that has run, and lost its data, must not forget how it has voted.
Start that one without any data; it votes again when the network has a new committee. `network init`
prepares its nodes; after a change of genesis (addresses, say) it is to be done again.")]
    Prepare(PrepareArgs),
    /// Say what is wrong with a node, and what to do about it
    #[command(after_help = "Example:
  trustmesh node doctor --config mesh/node-1/node.toml

It looks at configuration, key, data directory, disk, ports, stores, peers and clock, whether the
node runs or not, and changes nothing. Exit code: 1 when something is a problem.")]
    Doctor(doctor::DoctorArgs),
    /// List nodes: what they do, how they are, where they stand; asks each of them
    List {
        /// Those that were removed too
        #[arg(long)]
        all: bool,
    },
    /// Show a node: what it is and has, its misses, quarantine and faults
    #[command(after_help = "Example:
  trustmesh node show node-2")]
    Show(OneArgs),
    /// Let a quarantined node be designated and assigned again, as an operator
    #[command(after_help = "Example:
  trustmesh node pardon node-2 --key operator.key

Its faults stay on record, but those up to now no longer count.")]
    Pardon(OneArgs),
    /// Admit a node, as an operator, and write the file that its machine joins with
    #[command(after_help = "Examples:
  trustmesh node invite --name node-5 --node-key node-5.key.pub \\
    --roles validator,scheduler,worker --p2p 10.0.0.5:9000 --http 10.0.0.5:8000
  trustmesh node invite --name edge-1 --generate-key-file edge-1.key --cpu 4000 --memory 4096 \\
    --p2p edge-1.example:9000 --http edge-1.example:8000 --out edge-1.join.json")]
    Invite(InviteArgs),
    /// Write a node's join file anew
    #[command(after_help = "Example:
  trustmesh node join-file node-5 --out node-5.join.json")]
    JoinFile(JoinFileArgs),
    /// Admit a node in place of another, as an operator
    #[command(after_help = "Example:
  trustmesh node replace node-2 --name node-6 --node-key node-6.key.pub \\
    --p2p 10.0.0.6:9000 --http 10.0.0.6:8000

The new one is like the old one where nothing else is said. A validator goes when the new one is
ready, any other node at once.")]
    Replace(ReplaceArgs),
    /// Change what is said of a node, as an operator: roles, capacity, labels, addresses
    #[command(after_help = "Examples:
  trustmesh node change node-5 --roles validator,scheduler,worker
  trustmesh node change node-2 --cpu 8000 --label zone=b")]
    Change(ChangeArgs),
    /// Bar a node from planning, working and voting, as an operator, until it is pardoned
    #[command(after_help = "Example:
  trustmesh node quarantine node-3 --reason 'its disk fails'")]
    Quarantine(QuarantineArgs),
    /// End a node's membership, as an operator
    #[command(after_help = "Example:
  trustmesh node remove node-3

A validator votes until the next committee begins (`node list` says when): let it run until then.")]
    Remove(OneArgs),
}

/// Which node.
#[derive(Debug, Args)]
pub struct OneArgs {
    /// Its name or public key
    node: String,
}

#[derive(Serialize)]
struct Prepared {
    data_dir: PathBuf,
    network: NetworkId,
    node: PublicKey,
}

/// Which node to prepare.
#[derive(Debug, Args)]
pub struct PrepareArgs {
    /// The node's configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Which node to run.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The node's configuration
    #[arg(long, value_name = "FILE", required_unless_present = "join", conflicts_with = "join")]
    config: Option<PathBuf>,
    /// Join with this file that `node invite` wrote, or go on where that was done
    #[arg(long, value_name = "FILE")]
    join: Option<PathBuf>,
    /// With --join: the folder of the node [default: one with the node's name]
    #[arg(long, value_name = "DIR", requires = "join")]
    data: Option<PathBuf>,
    /// With --join: where it listens for nodes [default: as its address says]
    #[arg(long, value_name = "IP:PORT", requires = "join")]
    listen_p2p: Option<SocketAddr>,
    /// With --join: where it listens for HTTP [default: as its address says]
    #[arg(long, value_name = "IP:PORT", requires = "join")]
    listen_http: Option<SocketAddr>,
}

/// Runs the daemon. `key` is the key file that was named, if one was; a node that joins has
/// `node.key` in its folder else.
pub fn run_daemon(args: &RunArgs, key: Option<&Path>) -> Done {
    let config = match (&args.config, &args.join) {
        (Some(config), _) => config.clone(),
        (None, Some(join)) => {
            let join = JoinFile::load(join).map_err(Failure::usage)?;
            let folder = args.data.clone().unwrap_or_else(|| PathBuf::from(&join.node.name));
            let listen = ListenOn { p2p: args.listen_p2p, http: args.listen_http };
            join.settle(&folder, key, listen).map_err(Failure::usage)?
        }
        (None, None) => return Err(Failure::usage("neither --config nor --join")),
    };
    catch_up(&config)?;
    trustmesh_node::run_node(&config).map_err(|error| match error {
        NodeError::Config(_) | NodeError::Key(_) | NodeError::Filter(_) | NodeError::Join(_) => {
            Failure::usage(error)
        }
        _ => Failure::failed(error),
    })
}

fn prepare(context: &Context, args: &PrepareArgs) -> Done {
    let config = NodeConfig::load(&args.config).map_err(Failure::usage)?;
    let genesis = config.load_genesis().map_err(Failure::usage)?;
    let me = keystore::load(&config.key).map_err(Failure::usage)?.public();
    if !genesis.nodes.iter().any(|node| node.key == me) {
        let path = config.genesis.display();
        return Err(Failure::usage(format!("{path} has no node with the key {me}"))
            .advise("a node that joins later needs no preparing: trustmesh node run --join FILE"));
    }
    inspect::prepare(&config, &genesis, &me).map_err(Failure::failed)?;
    let made = Prepared { data_dir: config.data_dir, network: genesis.network_id(), node: me };
    context.printer.answer(&made, |it| {
        Table::pairs([
            ("data directory", it.data_dir.display().to_string()),
            ("network", it.network.to_string()),
            ("node", it.node.to_string()),
            ("next", format!("trustmesh node run --config {}", args.config.display())),
        ])
    })
}

fn catch_up(config: &Path) -> Done {
    let config = NodeConfig::load(config).map_err(Failure::usage)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::failed(format!("can't start the runtime: {e}")))?;
    runtime.block_on(catch_up::prepare(&config))
}

/// Runs a command of this noun, but for the daemon.
pub async fn run(context: &Context, command: NodeCommand) -> Done {
    match command {
        NodeCommand::Run(args) => run_daemon(&args, None),
        NodeCommand::Prepare(args) => prepare(context, &args),
        NodeCommand::List { all } => list::list(context, all).await,
        NodeCommand::Doctor(args) => doctor::run(context, &args).await,
        NodeCommand::Show(args) => show::show(context, &args.node).await,
        NodeCommand::Pardon(args) => members::pardon(context, &args.node).await,
        NodeCommand::Invite(args) => members::invite(context, args).await,
        NodeCommand::JoinFile(args) => members::join_file(context, args).await,
        NodeCommand::Replace(args) => members::replace(context, args).await,
        NodeCommand::Change(args) => members::change(context, &args).await,
        NodeCommand::Quarantine(args) => members::quarantine(context, &args).await,
        NodeCommand::Remove(args) => members::remove(context, &args).await,
    }
}

/// The node of a name or a public key.
pub async fn find(client: &Client, name: &str) -> Done<NodeView> {
    if let Ok(key) = parse::public_key(name) {
        return Ok(client.node(&key).await?);
    }
    let mut all = listing::nodes(client).await?;
    // Of several of one name, those that take part go first.
    all.sort_by_key(|node| matches!(node.standing, Standing::Removed));
    let known: Vec<String> = all.iter().map(|node| node.info.name.clone()).collect();
    all.into_iter().find(|node| node.info.name == name).ok_or_else(|| {
        Failure::failed(format!("no node is named {name:?}"))
            .advise(format!("use one of {}", known.join(", ")))
    })
}

fn roles(node: &NodeView) -> String {
    let it = node.info.roles;
    let named = [(it.validator, "validator"), (it.scheduler, "scheduler"), (it.worker, "worker")];
    let held: Vec<&str> = named.iter().filter(|(has, _)| *has).map(|(_, name)| *name).collect();
    held.join(" ")
}

const fn state(node: &NodeView) -> &'static str {
    match (node.standing, node.quarantined, node.live) {
        (Standing::Removed, ..) => "removed",
        (Standing::Barred, ..) => "quarantined by an operator",
        (_, true, _) => "quarantined",
        (Standing::Joining { .. }, ..) => "joining",
        (_, _, true) => "live",
        (_, _, false) => "silent",
    }
}

/// Whether it votes, and when that changes.
fn vote(node: &NodeView) -> String {
    match (node.votes, node.votes_change_at, node.standing) {
        (true, None, Standing::Removed | Standing::Barred) => "until an epoch ends".to_owned(),
        (true, None, _) => "yes".to_owned(),
        (true, Some(height), _) => format!("until {height}"),
        (false, Some(height), _) => format!("from {height}"),
        (false, None, Standing::Joining { .. }) => "when ready".to_owned(),
        (false, None, _) => "no".to_owned(),
    }
}
