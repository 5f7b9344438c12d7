//! Flags of the noun.

use clap::{Args, Subcommand, ValueEnum};
use std::{path::PathBuf, time::Duration};
use trustmesh_api::duration;
use trustmesh_types::records::Status;

/// Requests.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  echo '{\"temperature\": 5.2}' | trustmesh request submit hello - --key device.key --wait")]
pub enum RequestCommand {
    /// Send data to a workflow, as the device whose key is --key
    #[command(after_help = "Examples:
  trustmesh request submit hello data.json --key device.key --wait
  echo '{\"temperature\": 5.2}' | trustmesh request submit hello - --key device.key")]
    Submit(SubmitArgs),
    /// List requests, newest first
    #[command(after_help = "Example:
  trustmesh request list --status failed")]
    List(ListArgs),
    /// Show where a request stands: plan, who ran what, times, why it waits
    #[command(after_help = "Examples:
  trustmesh request show last
  trustmesh request show last --why")]
    Show(ShowArgs),
    /// Print a request's events until it ends
    Watch(OneArgs),
    /// End a request early, as its device or an operator
    Cancel(OneArgs),
    /// Take a request's result, open and check it, as the device whose key is --key
    #[command(after_help = "Example:
  trustmesh request result ID --key device.key")]
    Result(ResultArgs),
}

/// What to send.
#[derive(Debug, Args)]
pub struct SubmitArgs {
    /// The workflow
    pub workflow: String,
    /// The data, a JSON file; - for standard input
    pub data: PathBuf,
    /// Wait for the result and print it
    #[arg(long)]
    pub wait: bool,
    /// When it must have ended, from now
    #[arg(long, default_value = "60s", value_parser = duration::parse)]
    pub deadline: Duration,
    /// Have input and outputs kept after the request ends
    #[arg(long)]
    pub persist: bool,
}

/// Which requests.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those that stand so
    #[arg(long, value_enum)]
    pub status: Option<StatusArg>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub limit: u32,
}

/// Which request.
#[derive(Debug, Args)]
pub struct OneArgs {
    /// The request's id; `last` for the newest
    pub request: String,
}

/// Which request, and how much of it.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The request's id; `last` for the newest
    pub request: String,
    /// Add why each task was placed on its node and why not on the others, as the node that
    /// planned tells it
    #[arg(long)]
    pub why: bool,
}

/// Which result.
#[derive(Debug, Args)]
pub struct ResultArgs {
    /// The request's id; `last` for the newest
    pub request: String,
    /// How long to wait for it
    #[arg(long, default_value = "60s", value_parser = duration::parse)]
    pub wait: Duration,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum StatusArg {
    /// Waits for a plan
    Requested,
    /// Runs
    Active,
    /// Ended with a result
    Finalized,
    /// Ended without one
    Failed,
    /// Ended by its device or an operator
    Cancelled,
}

impl From<StatusArg> for Status {
    fn from(status: StatusArg) -> Self {
        match status {
            StatusArg::Requested => Self::Requested,
            StatusArg::Active => Self::Active,
            StatusArg::Finalized => Self::Finalized,
            StatusArg::Failed => Self::Failed,
            StatusArg::Cancelled => Self::Cancelled,
        }
    }
}
