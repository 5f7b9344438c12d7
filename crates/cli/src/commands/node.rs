//! `trustmesh node`: the daemon, and who takes part.

use super::{listing, parse};
use crate::{
    context::Context,
    failure::{Done, Failure},
    output::{Table, units},
};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use trustmesh_api::NodeView;
use trustmesh_node::NodeError;

/// Nodes.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  trustmesh node list")]
pub enum NodeCommand {
    /// Run a node until it is told to stop (SIGTERM or Ctrl-C)
    #[command(after_help = "Example:
  trustmesh node run --config mesh/node-1/node.toml

Variables TRUSTMESH_NODE_* go before the file, as in TRUSTMESH_NODE_LISTEN_HTTP.")]
    Run(RunArgs),
    /// List nodes: what they have, what is free
    List,
    /// Show a node
    Show {
        /// Its name or public key
        node: String,
    },
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
        NodeCommand::List => list(context).await,
        NodeCommand::Show { node } => show(context, &node).await,
    }
}

async fn nodes(context: &Context) -> Done<Vec<NodeView>> {
    let client = context.client()?;
    listing::all(|query| {
        let client = &client;
        async move { client.nodes(&query).await }
    })
    .await
}

async fn list(context: &Context) -> Done {
    context.printer.answer(&nodes(context).await?, |nodes| {
        let columns = ["name", "key", "roles", "state", "free", "of", "misses", "http"];
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
                node.info.http_address.clone(),
            ]);
        }
        table.text()
    })
}

async fn show(context: &Context, name: &str) -> Done {
    let view = match parse::public_key(name) {
        Ok(key) => context.client()?.node(&key).await?,
        Err(_) => {
            let all = nodes(context).await?;
            let known: Vec<String> = all.iter().map(|node| node.info.name.clone()).collect();
            all.into_iter().find(|node| node.info.name == name).ok_or_else(|| {
                Failure::failed(format!("no node is named {name:?}"))
                    .advise(format!("use one of {}", known.join(", ")))
            })?
        }
    };
    context.printer.answer(&view, |node| {
        let it = &node.info;
        let labels: Vec<String> = it.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        Table::pairs([
            ("name", it.name.clone()),
            ("key", it.key.to_string()),
            ("roles", roles(node)),
            ("state", state(node).to_owned()),
            ("capacity", it.capacity.to_string()),
            ("reserved", node.reserved.to_string()),
            ("free", node.available.to_string()),
            ("labels", labels.join(", ")),
            ("architecture", it.arch.clone()),
            ("misses", node.misses.to_string()),
            ("http", it.http_address.clone()),
            ("node to node", it.p2p_address.clone()),
        ])
    })
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
