//! `trustmesh ledger`: what the ledger says, and whether it can be believed.

mod audit;
mod evidence;
mod export;
pub mod faults;
pub mod finality;
mod headers;
mod import;
mod pruned;
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
    #[command(after_help = "Examples:
  trustmesh ledger blocks --limit 5
  trustmesh ledger blocks --to 1200 --limit 1")]
    Blocks(BlocksArgs),
    /// Show a transaction: what it did, and in which block
    Tx {
        /// The transaction's id
        id: String,
    },
    /// List faults, newest first: who, what, when, and what shows it
    #[command(after_help = "Examples:
  trustmesh ledger faults
  trustmesh ledger faults --node node-2 -o json")]
    Faults(faults::FaultsArgs),
    /// Show a fault; write the evidence of it to a file
    #[command(after_help = "Example:
  trustmesh ledger fault node-2 1 --save fault.json")]
    Fault(faults::FaultArgs),
    /// Check the evidence of a fault by the genesis alone, without any node
    #[command(after_help = "Example:
  trustmesh ledger check-evidence fault.json --genesis genesis.json

It says in a sentence each what it proves; the exit code is 1 where something does not hold.")]
    CheckEvidence(faults::CheckArgs),
    /// Re-execute a node's chain from genesis, checking every certificate, signature and root
    #[command(after_help = "Examples:
  trustmesh ledger verify
  trustmesh ledger verify --endpoint node-2 -o json

Nothing that the node says is believed but what follows from the genesis document: each block is
executed again on the state that the blocks before it give, and finality certificates need the
signatures of 2f+1 validators that genesis names.

Of a node that has pruned old blocks, headers and certificates are checked from genesis on, and the
blocks that it keeps against them, without executing them: it says from where on.")]
    Verify,
    /// Write a node's chain, or a piece of it, to a file
    #[command(after_help = "Examples:
  trustmesh ledger export --out chain.tmchain
  trustmesh ledger export --out piece.tmchain --from 100 --to 200

Blocks, finality certificates and receipts, with a checksum; docs/operations.md has the format.")]
    Export(export::ExportArgs),
    /// Check an exported chain by the genesis alone, and give it to a node that has none
    #[command(after_help = "Examples:
  trustmesh ledger import chain.tmchain --genesis genesis.json
  trustmesh ledger import chain.tmchain --config node.toml

A file that begins at block 1 is executed again from genesis, as `ledger verify` does.

With --config the chain is then written into the data directory of that node, which must be stopped
and hold no ledger. The node goes through the blocks when it starts, and has the newer ones from its
peers. Votes do not come with a chain: a validator that has run before follows, and votes when the
network has a new committee.")]
    Import(import::ImportArgs),
}

/// Which blocks.
#[derive(Debug, Args)]
pub struct BlocksArgs {
    /// At most so many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: u32,
    /// Height of the newest one to list [default: the newest there is]
    #[arg(long, value_name = "HEIGHT")]
    to: Option<u64>,
}

/// Runs a command of this noun.
pub async fn run(context: &Context, command: LedgerCommand) -> Done {
    match command {
        LedgerCommand::Status => status::status(context).await,
        LedgerCommand::Blocks(args) => status::blocks(context, &args).await,
        LedgerCommand::Tx { id } => status::tx(context, &parse::id("transaction id", &id)?).await,
        LedgerCommand::Faults(args) => faults::list(context, &args).await,
        LedgerCommand::Fault(args) => faults::show(context, &args).await,
        LedgerCommand::CheckEvidence(args) => faults::check(context, &args),
        LedgerCommand::Verify => verify::run(context).await,
        LedgerCommand::Export(args) => export::run(context, &args).await,
        LedgerCommand::Import(args) => import::run(context, &args),
    }
}
