//! `trustmesh ledger`: what the ledger says, and whether it can be believed.

mod audit;
mod status;
mod verify;

use super::parse;
use crate::{context::Context, failure::Done};
use clap::{Args, Subcommand};

/// The ledger.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  trustmesh ledger status && trustmesh ledger verify")]
pub enum LedgerCommand {
    /// Say where the ledger stands
    Status,
    /// List blocks, newest first
    #[command(after_help = "Example:
  trustmesh ledger blocks --limit 5")]
    Blocks(BlocksArgs),
    /// Show a transaction: what it did, and in which block
    Tx {
        /// The transaction's id
        id: String,
    },
    /// Re-execute a node's chain from genesis, checking every certificate, signature and root
    #[command(after_help = "Examples:
  trustmesh ledger verify
  trustmesh ledger verify --endpoint node-2 -o json

Nothing that the node says is believed but what follows from the genesis document: each block is
executed again on the state that the blocks before it give, and finality certificates need the
signatures of 2f+1 validators that genesis names.")]
    Verify,
}

/// Which blocks.
#[derive(Debug, Args)]
pub struct BlocksArgs {
    /// At most so many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: u32,
}

/// Runs a command of this noun.
pub async fn run(context: &Context, command: LedgerCommand) -> Done {
    match command {
        LedgerCommand::Status => status::status(context).await,
        LedgerCommand::Blocks(args) => status::blocks(context, args.limit).await,
        LedgerCommand::Tx { id } => status::tx(context, &parse::id("transaction id", &id)?).await,
        LedgerCommand::Verify => verify::run(context).await,
    }
}
