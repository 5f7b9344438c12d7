//! `cargo xtask`: the project's chores that are more than one plain command.
//!
//! `apps build` makes the sample applications' wasm modules, `apps check` says whether the
//! committed modules belong to the sources beside them, `fuzz` runs the fuzz targets, `tidy` checks what STYLE asks of the
//! tree and no linter can. Exit code 0 when all is well, 1 otherwise, 2 for a wrong command.

mod apps;
mod fuzz;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// Chores of the TrustMesh repository.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// The sample applications' wasm modules.
    Apps {
        #[command(subcommand)]
        action: AppsAction,
    },
    /// Fuzz targets, with what they need fetched and built (docs/fuzzing.md).
    Fuzz {
        #[command(subcommand)]
        action: FuzzAction,
    },
    /// Checks the tree: file headers and sizes, forbidden marks, dependencies between rooms.
    Tidy,
}

#[derive(Subcommand)]
enum AppsAction {
    /// Builds all modules and writes apps/modules/ and its manifest.
    Build,
    /// Checks that modules, manifest and sources belong together.
    Check,
}

#[derive(Subcommand)]
enum FuzzAction {
    /// Runs each target for a minute; passes over it, saying why, where nightly is missing.
    Smoke(fuzz::Time),
    /// Runs each target, or the one named, for five minutes.
    Run(fuzz::Time),
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let root = root()?;
    match &arguments.chore {
        Chore::Apps { action } => match action {
            AppsAction::Build => apps::build(&root),
            AppsAction::Check => apps::check(&root),
        },
        Chore::Fuzz { action } => match action {
            FuzzAction::Smoke(time) => fuzz::smoke(&root, time),
            FuzzAction::Run(time) => fuzz::run(&root, time),
        },
        Chore::Tidy => tidy::run(&root),
    }
}

/// The repository's root, two levels over this crate.
fn root() -> Result<PathBuf> {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let root = own.ancestors().nth(2).context("crates/xtask has no root")?;
    Ok(root.to_path_buf())
}
