//! `trustmesh policy`: network-defined rules on the ledger, and trying one out without any
//! network.

use super::{changes, listing, parse};
use crate::{
    context::Context,
    failure::{Done, Failure},
    output::Table,
};
use clap::Subcommand;
use serde::{Serialize, de::DeserializeOwned};
use std::path::{Path, PathBuf};
use trustmesh_policy::{Compiled, PlanFile, Verdict};
use trustmesh_types::{
    PolicyId,
    policy::{Policy, PolicyScope},
};

/// Longest file of a policy or a plan.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Policies.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  trustmesh policy set zone.yaml")]
pub enum PolicyCommand {
    /// Set a policy from a YAML file; one of the same id is replaced
    #[command(after_help = "Example:
  trustmesh policy set zone.yaml

A policy is a CEL expression that each plan must make true:
  id: zone
  scope: assignment          # asked of each task and its node; `plan`: of the whole plan
  expression: node.labels[\"zone\"] in [\"eu-west\", \"eu-north\"]
  message: tasks run in Europe

See docs/policies.md for what an expression may read.")]
    Set {
        /// The policy; - for standard input
        file: PathBuf,
    },
    /// Remove a policy
    Remove {
        /// The policy
        policy: String,
    },
    /// List policies
    List,
    /// Show a policy
    Show {
        /// The policy
        policy: String,
    },
    /// Say whether a policy holds of a plan, without any network
    #[command(after_help = "Example:
  trustmesh policy test zone.yaml --plan plan.yaml

A plan:
  workflow: { tasks: [{ id: a, app: noop }] }
  nodes: [{ name: n1, labels: { zone: eu-west } }]
  assignments: [{ task: a, nodes: [n1] }]

Exit code: 0 when it holds, 1 when it is broken, 2 when a file is wrong.")]
    Test {
        /// The policy; - for standard input
        file: PathBuf,
        /// The plan: request, workflow, nodes and assignments, as YAML or JSON
        #[arg(long)]
        plan: PathBuf,
    },
}

/// What `policy test` says.
#[derive(Serialize)]
struct Tested {
    policy: PolicyId,
    scope: PolicyScope,
    holds: bool,
    /// Whether a node that sends such a plan is charged with a fault.
    fault: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Runs a command of this noun.
pub async fn run(context: &Context, command: PolicyCommand) -> Done {
    match command {
        PolicyCommand::Set { file } => set(context, &file).await,
        PolicyCommand::List => list(context).await,
        PolicyCommand::Show { policy } => show(context, &policy).await,
        PolicyCommand::Test { file, plan } => test(context, &file, &plan),
        PolicyCommand::Remove { policy } => {
            let id: PolicyId = parse::id("policy", &policy)?;
            let included = context.operator()?.remove_policy(id.clone()).await?;
            changes::answer(context, format!("policy {id} is removed"), &included)
        }
    }
}

/// What a file holds, YAML or JSON.
fn read<T: DeserializeOwned>(file: &Path, what: &str) -> Done<T> {
    let bytes = parse::read_at_most(file, FILE_BYTES_MAX)?;
    let wrong = |why: &dyn std::fmt::Display| {
        Failure::usage(why)
            .at(file.display())
            .advise(format!("see `trustmesh policy {what} --help` for what it must look like"))
    };
    let text = String::from_utf8(bytes).map_err(|e| wrong(&e))?;
    serde_saphyr::from_str(&text).map_err(|e| wrong(&e.without_snippet()))
}

/// A policy that a network would take.
fn compile(file: &Path) -> Done<(Policy, Compiled)> {
    let policy: Policy = read(file, "set")?;
    let compiled = Compiled::new(&policy).map_err(|error| {
        Failure::usage(format!("policy {}: {error}", policy.id)).at(file.display())
    })?;
    Ok((policy, compiled))
}

async fn set(context: &Context, file: &Path) -> Done {
    let (policy, _) = compile(file)?;
    let id = policy.id.clone();
    let included = context.operator()?.set_policy(policy).await?;
    changes::answer(context, format!("policy {id} is set"), &included)
}

fn test(context: &Context, file: &Path, plan: &Path) -> Done {
    let (policy, compiled) = compile(file)?;
    let plan_file: PlanFile = read(plan, "test")?;
    let facts = plan_file.facts().map_err(|error| Failure::usage(error).at(plan.display()))?;
    let broken = match compiled.check(&facts) {
        Verdict::Holds => None,
        Verdict::Broken(broken) => Some(broken),
    };
    let tested = Tested {
        holds: broken.is_none(),
        fault: broken.as_ref().is_some_and(|broken| broken.is_fault(compiled.reads_load())),
        reason: broken.map(|broken| broken.to_string()),
        policy: policy.id,
        scope: policy.scope,
    };
    context.printer.answer(&tested, |it| match &it.reason {
        None => format!("policy {} holds", it.policy),
        Some(reason) if it.fault => format!("{reason}\na node that sends such a plan is at fault"),
        Some(reason) => format!("{reason}\nsuch a plan is refused, and nobody is at fault"),
    })?;
    if tested.holds {
        return Ok(());
    }
    Err(Failure::failed(format!("policy {} is broken by {}", tested.policy, plan.display())))
}

async fn list(context: &Context) -> Done {
    let client = context.client()?;
    let policies = listing::all(|query| {
        let client = &client;
        async move { client.policies(&query).await }
    });
    context.printer.answer(&policies.await?, |policies| {
        let columns = ["id", "scope", "block", "message"];
        let mut table = Table::new(&columns, "no policies; `trustmesh policy set` adds one");
        for view in policies {
            let it = &view.policy;
            table.row([
                it.id.to_string(),
                it.scope.to_string(),
                view.changed.to_string(),
                it.message.clone(),
            ]);
        }
        table.text()
    })
}

async fn show(context: &Context, policy: &str) -> Done {
    let id: PolicyId = parse::id("policy", policy)?;
    let view = context.client()?.policy(&id).await?;
    context.printer.answer(&view, |view| {
        let it = &view.policy;
        let head = Table::pairs([
            ("id", it.id.to_string()),
            ("scope", it.scope.to_string()),
            ("message", it.message.clone()),
            ("setter", view.setter.to_string()),
            ("block", view.changed.to_string()),
        ]);
        format!("{head}\n\n{}", it.expression.trim_end())
    })
}
