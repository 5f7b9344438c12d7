//! `trustmesh node`: the daemon, and who takes part.

pub mod doctor;
mod show;

use super::{changes, listing, parse};
use crate::{
    context::Context,
    failure::{Done, Failure},
    output::{Table, units},
};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use trustmesh_api::NodeView;
use trustmesh_client::Client;
use trustmesh_node::NodeError;

/// Nodes.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  trustmesh node list && trustmesh node show node-1")]
pub enum NodeCommand {
    /// Run a node until it is told to stop (SIGTERM or Ctrl-C)
    #[command(after_help = "Example:
  trustmesh node run --config mesh/node-1/node.toml

Variables TRUSTMESH_NODE_* go before the file, as in TRUSTMESH_NODE_LISTEN_HTTP.")]
    Run(RunArgs),
    /// Say what is wrong with a node, and what to do about it
    #[command(after_help = "Example:
  trustmesh node doctor --config mesh/node-1/node.toml

It looks at configuration, key, data directory, disk, ports, stores, peers and clock, whether the
node runs or not, and changes nothing. Exit code: 1 when something is a problem.")]
    Doctor(doctor::DoctorArgs),
    /// List nodes: what they have, what is free, who is charged with faults
    List,
    /// Show a node: what it is and has, its misses, quarantine and faults
    #[command(after_help = "Example:
  trustmesh node show node-2")]
    Show(OneArgs),
    /// Let a quarantined node be designated and assigned again, as an operator
    #[command(after_help = "Example:
  trustmesh node pardon node-2 --key operator.key

Its faults stay on record, but those up to now no longer count.")]
    Pardon(OneArgs),
}

/// Which node.
#[derive(Debug, Args)]
pub struct OneArgs {
    /// Its name or public key
    node: String,
}

/// Which node to run.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The node's configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Runs the daemon.
pub fn run_daemon(args: &RunArgs) -> Done {
    trustmesh_node::run_node(&args.config).map_err(|error| match error {
        NodeError::Config(_) | NodeError::Key(_) | NodeError::Filter(_) => Failure::usage(error),
        _ => Failure::failed(error),
    })
}

/// Runs a command of this noun, but for the daemon.
pub async fn run(context: &Context, command: NodeCommand) -> Done {
    match command {
        NodeCommand::Run(args) => run_daemon(&args),
        NodeCommand::Doctor(args) => doctor::run(context, &args).await,
        NodeCommand::List => list(context).await,
        NodeCommand::Show(args) => show::show(context, &args.node).await,
        NodeCommand::Pardon(args) => pardon(context, &args.node).await,
    }
}

async fn nodes(client: &Client) -> Done<Vec<NodeView>> {
    listing::all(|query| async move { client.nodes(&query).await }).await
}

async fn list(context: &Context) -> Done {
    context.printer.answer(&nodes(&context.client()?).await?, |nodes| {
        let columns = ["name", "key", "roles", "state", "free", "of", "misses", "faults", "http"];
        let mut table = Table::new(&columns, "no nodes");
        for node in nodes {
            table.row([
                node.info.name.clone(),
                node.info.key.short(),
                roles(node),
                state(node).to_owned(),
                units::resources(&node.available),
                units::resources(&node.info.capacity),
                node.misses.to_string(),
                node.faults.to_string(),
                node.info.http_address.clone(),
            ]);
        }
        table.text()
    })
}

/// The node of a name or a public key.
pub async fn find(client: &Client, name: &str) -> Done<NodeView> {
    if let Ok(key) = parse::public_key(name) {
        return Ok(client.node(&key).await?);
    }
    let all = nodes(client).await?;
    let known: Vec<String> = all.iter().map(|node| node.info.name.clone()).collect();
    all.into_iter().find(|node| node.info.name == name).ok_or_else(|| {
        Failure::failed(format!("no node is named {name:?}"))
            .advise(format!("use one of {}", known.join(", ")))
    })
}

async fn pardon(context: &Context, name: &str) -> Done {
    let operator = context.operator()?;
    let node = find(operator.client(), name).await?.info;
    let included = operator.lift_quarantine(node.key).await?;
    let done = format!("{} may be designated and assigned again", node.name);
    changes::answer(context, done, &included)
}

fn roles(node: &NodeView) -> String {
    let it = node.info.roles;
    let named = [(it.validator, "validator"), (it.scheduler, "scheduler"), (it.worker, "worker")];
    let held: Vec<&str> = named.iter().filter(|(has, _)| *has).map(|(_, name)| *name).collect();
    held.join(" ")
}

const fn state(node: &NodeView) -> &'static str {
    match (node.quarantined, node.live) {
        (true, _) => "quarantined",
        (false, true) => "live",
        (false, false) => "silent",
    }
}
