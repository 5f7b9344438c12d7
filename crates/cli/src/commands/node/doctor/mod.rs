//! `node doctor`: what is wrong with a node, and what to do about it.
//!
//! It needs the node's configuration alone, works whether the node runs or not, changes
//! nothing, and goes as far as it can: each look that depends on a failed one is left out.

mod check;
mod local;
pub mod peers;
mod services;

pub use check::{Check, Level};

use crate::{
    context::Context,
    failure::{Done, Failure},
    output::Table,
};
use serde::Serialize;
use std::path::{Path, PathBuf};
use trustmesh_node::{NodeConfig, inspect::Use};
use trustmesh_types::{SecretKey, genesis::Genesis};

/// Which node.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// The node's configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// What all later looks need.
pub struct Found {
    /// The node's configuration.
    pub config: NodeConfig,
    /// Its network.
    pub genesis: Genesis,
    /// Its key: only the public part is ever shown.
    pub key: SecretKey,
}

/// Everything that was found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The program's version.
    pub version: &'static str,
    /// The worst of the findings.
    pub verdict: Level,
    /// The findings, in the order of looking.
    pub checks: Vec<Check>,
}

/// Looks, and says what there is to do.
pub async fn run(context: &Context, args: &DoctorArgs) -> Done {
    let (report, _) = examine(&args.config).await;
    context.printer.answer(&report, text)?;
    let count = |level| report.checks.iter().filter(|it| it.level == level).count();
    match count(Level::Problem) {
        0 => Ok(()),
        problems => Err(Failure::failed(format!("problems found: {problems}"))
            .advise("do what is said under each of them, then look again")),
    }
}

/// Looks at the node of a configuration; gives also what the looks were based on, if all of it
/// could be read, and whether the node runs.
pub async fn examine(config: &Path) -> (Report, Option<(Found, Use)>) {
    let mut checks = Vec::new();
    let found = found(config, &mut checks);
    let mut used = Use::Never;
    if let Some(found) = &found {
        used = local::directory(found, &mut checks);
        checks.push(local::disk(&found.config));
        local::ports(found, used, &mut checks);
        local::stores(found, used, &mut checks);
        services::registries(found, &mut checks);
        let members = peers::members(found).await;
        if peers::runs_containers(found, &members) {
            checks.push(services::engine(found).await);
        }
        let asked = peers::ask(found, &members, used).await;
        peers::judge(&asked, &mut checks);
    }
    let verdict = checks.iter().map(|check| check.level).max().unwrap_or(Level::Ok);
    let report = Report { version: env!("CARGO_PKG_VERSION"), verdict, checks };
    (report, found.map(|found| (found, used)))
}

fn found(path: &Path, checks: &mut Vec<Check>) -> Option<Found> {
    let config = local::config(path, checks)?;
    let genesis = local::genesis(&config, checks)?;
    let key = local::key(&config, &genesis, checks)?;
    Some(Found { config, genesis, key })
}

fn text(report: &Report) -> String {
    let mut table = Table::new(&["check", "is", "found"], "nothing was looked at");
    for check in &report.checks {
        let row = [check.check.to_owned(), check.level.text().to_owned(), check.found.clone()];
        table.row(row);
        if let Some(advice) = &check.advice {
            table.row([String::new(), String::new(), format!("→ {advice}")]);
        }
    }
    table.text()
}
