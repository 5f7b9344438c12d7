//! `trustmesh workflow`: graphs of tasks on the ledger.

use super::{changes, listing, parse};
use crate::{
    context::Context,
    failure::{Done, Failure},
    output::{Table, units},
};
use clap::Subcommand;
use std::path::{Path, PathBuf};
use trustmesh_api::{WorkflowView, definition};
use trustmesh_client::Client;
use trustmesh_types::{AppId, TaskId, WorkflowId, workflow::Workflow};

/// Workflows.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  trustmesh workflow create hello.yaml")]
pub enum WorkflowCommand {
    /// Create a workflow from a YAML file, or a JSON graph
    #[command(after_help = "Examples:
  trustmesh workflow create cold-chain.yaml
  trustmesh workflow create graph.json --name from-the-paper

A YAML file:
  name: cold-chain
  tasks:
    process: { app: process-sensor-data }
    detect:  { app: detect-anomalies, after: [process], timeout: 10s, params: { threshold: 3.5 } }
    alert:   { app: generate-alerts, after: [detect], replicas: 1 }

A JSON graph: {\"start\": \"a\", \"nodes\": {\"a\": {\"next\": [\"b\"]}, \"b\": {\"next\": []}}}
A node's id is its application's name, unless it names one with \"app\".")]
    Create {
        /// The definition; - for standard input
        file: PathBuf,
        /// The workflow's name, where the definition has none [default: the file's, without
        /// its extension]
        #[arg(long)]
        name: Option<String>,
    },
    /// List workflows
    List,
    /// Show a workflow's tasks
    Show {
        /// The workflow
        workflow: String,
    },
    /// Take no new requests for a workflow
    Retire {
        /// The workflow
        workflow: String,
    },
}

/// Runs a command of this noun.
pub async fn run(context: &Context, command: WorkflowCommand) -> Done {
    match command {
        WorkflowCommand::Create { file, name } => create(context, &file, name).await,
        WorkflowCommand::List => list(context).await,
        WorkflowCommand::Show { workflow } => show(context, &workflow).await,
        WorkflowCommand::Retire { workflow } => {
            let id: WorkflowId = parse::id("workflow", &workflow)?;
            let included = context.operator()?.retire_workflow(id.clone()).await?;
            changes::answer(context, format!("workflow {id} takes no new requests"), &included)
        }
    }
}

async fn create(context: &Context, file: &Path, name: Option<String>) -> Done {
    let wrong = |what: &dyn std::fmt::Display| Failure::usage(what).at(file.display());
    let text = String::from_utf8(parse::read(file)?).map_err(|e| wrong(&e))?;
    let stem = file.file_stem().filter(|_| file != Path::new("-"));
    let name = name.or_else(|| stem.map(|stem| stem.to_string_lossy().into_owned()));
    let workflow = definition::read(&text, name.as_deref()).map_err(|e| wrong(&e))?;
    let (id, tasks) = (workflow.id.clone(), workflow.tasks.len());
    let operator = context.operator()?;
    if workflow.tasks.iter().any(|task| task.replicas > 1)
        && let Some(warning) = too_many_replicas(&workflow, workers(operator.client()).await?)
    {
        eprintln!("{warning}");
    }
    let included = operator.create_workflow(workflow).await?;
    changes::answer(context, format!("workflow {id} of {tasks} tasks is created"), &included)
}

/// Nodes that may be given tasks.
async fn workers(client: &Client) -> Done<usize> {
    let nodes = listing::nodes(client).await?;
    Ok(nodes.iter().filter(|node| node.info.roles.worker && !node.quarantined).count())
}

/// Nodes may still join, so this is no error.
fn too_many_replicas(workflow: &Workflow, workers: usize) -> Option<String> {
    let most = workflow.tasks.iter().max_by_key(|task| task.replicas)?;
    (usize::from(most.replicas) > workers).then(|| {
        format!(
            "warning: task {} wants {} nodes, and the network has {workers} that work: requests \
             will wait until more join, or their deadline passes",
            most.id, most.replicas
        )
    })
}

async fn list(context: &Context) -> Done {
    let client = context.client()?;
    let workflows = listing::all(|query| {
        let client = &client;
        async move { client.workflows(&query).await }
    });
    context.printer.answer(&workflows.await?, |workflows| {
        let columns = ["name", "tasks", "applications", "scheduler", "state"];
        let mut table = Table::new(&columns, "no workflows; `trustmesh workflow create` adds one");
        for view in workflows {
            let it = &view.workflow;
            let mut apps: Vec<&str> = it.tasks.iter().map(|task| task.app.as_str()).collect();
            apps.dedup();
            table.row([
                it.id.to_string(),
                it.tasks.len().to_string(),
                apps.join(", "),
                scheduler(view),
                state(view).to_owned(),
            ]);
        }
        table.text()
    })
}

async fn show(context: &Context, workflow: &str) -> Done {
    let id: WorkflowId = parse::id("workflow", workflow)?;
    let view = context.client()?.workflow(&id).await?;
    context.printer.answer(&view, |view| {
        let it = &view.workflow;
        let head = Table::pairs([
            ("name", it.id.to_string()),
            ("state", state(view).to_owned()),
            ("scheduler", scheduler(view)),
            ("creator", view.creator.to_string()),
        ]);
        let mut tasks = Table::new(&["task", "app", "after", "timeout", "replicas", "params"], "");
        for task in &it.tasks {
            let after: Vec<&str> = task.after.iter().map(TaskId::as_str).collect();
            tasks.row([
                task.id.to_string(),
                AppId::to_string(&task.app),
                if after.is_empty() { "-".to_owned() } else { after.join(", ") },
                units::span(task.timeout_ms),
                task.replicas.to_string(),
                task.params.clone(),
            ]);
        }
        format!("{head}\n\n{}", tasks.text())
    })
}

fn scheduler(view: &WorkflowView) -> String {
    view.workflow.scheduler.clone().unwrap_or_else(|| "the network's".to_owned())
}

const fn state(view: &WorkflowView) -> &'static str {
    if view.retired { "retired" } else { "open" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_replicas_than_workers_are_warned_of() {
        let text = "name: w\ntasks:\n  a: { app: x }\n  b: { app: x, replicas: 5 }\n";
        let workflow = definition::read(text, None).unwrap();
        assert_eq!(too_many_replicas(&workflow, 5), None);
        let warning = too_many_replicas(&workflow, 4).unwrap();
        assert!(warning.contains("task b wants 5") && warning.contains("has 4"), "{warning}");
    }
}
