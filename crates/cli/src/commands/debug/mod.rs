//! `trustmesh debug`: what helps others to find out what is wrong with a node.

mod archive;
mod bundle;
mod secrets;

use crate::{context::Context, failure::Done};
use clap::Subcommand;

/// Finding out what is wrong.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  trustmesh debug bundle --config mesh/node-1/node.toml")]
pub enum DebugCommand {
    /// Gather what tells how a node is, without its secrets, in one file to send
    #[command(after_help = "Example:
  trustmesh debug bundle --config mesh/node-1/node.toml --out node-1.tar.gz

It holds the version, configuration, genesis, the doctor's report, sizes of files, the end of
node.log beside the configuration, and, where the node runs, its status, metrics, nodes, newest
blocks, faults and requests. Keys are never read into it, and each part is searched for the
node's key before it is written.")]
    Bundle(bundle::BundleArgs),
}

/// Runs a command of this noun.
pub async fn run(context: &Context, command: DebugCommand) -> Done {
    match command {
        DebugCommand::Bundle(args) => bundle::run(context, &args).await,
    }
}
