//! The `trustmesh` binary: the command line of a TrustMesh network, and its node daemon.
//!
//! A noun has a file under `commands`; each command makes one value and prints it in the
//! form that `-o` names. Invariants: standard output holds the answer alone; exit codes
//! and messages are those of [`failure`]; secrets come from files, never from arguments.

mod arguments;
mod commands;
mod context;
mod failure;
mod output;
mod statistics;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    match commands::run(arguments::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
