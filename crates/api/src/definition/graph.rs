//! The JSON graph of the authors' code: tasks that name their successors, and where to
//! start. A task without `app` runs the application of its own name.

use super::{
    build::{Draft, task_ids},
    ordered::{Names, Ordered},
    read::DefinitionError,
};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use trustmesh_types::TaskId;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Graph {
    pub name: Option<String>,
    pub scheduler: Option<String>,
    pub start: Names,
    pub nodes: Ordered<NodeEntry>,
}

/// What is said of a task.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeEntry {
    #[serde(default)]
    next: Names,
    app: Option<String>,
    timeout: Option<String>,
    params: Option<Value>,
    replicas: Option<u8>,
}

/// Turns the graph's nodes into drafts.
pub(super) fn drafts(
    start: &Names,
    nodes: Ordered<NodeEntry>,
) -> Result<Vec<Draft>, DefinitionError> {
    let known: BTreeSet<&str> = nodes.0.iter().map(|(id, _)| id.as_str()).collect();
    let mut after: BTreeMap<String, Vec<TaskId>> = BTreeMap::new();
    for (id, entry) in &nodes.0 {
        let from = TaskId::new(id).map_err(|e| DefinitionError::at(format!("nodes.{id}"), &e))?;
        for next in &entry.next.0 {
            if !known.contains(next.as_str()) {
                return Err(DefinitionError::Task {
                    task: id.clone(),
                    what: format!("`next` names {next:?}, which is not among `nodes`"),
                });
            }
            after.entry(next.clone()).or_default().push(from.clone());
        }
    }
    check_start(start, &nodes, &after)?;
    let draft = |(id, entry): (String, NodeEntry)| {
        let after = after.remove(&id).unwrap_or_default();
        let app = entry.app.unwrap_or_else(|| id.clone());
        Draft::new(&id, &app, after, entry.timeout, entry.params, entry.replicas)
    };
    nodes.0.into_iter().map(draft).collect()
}

/// Every start is a node without predecessors, and every node is reached from a start.
fn check_start(
    start: &Names,
    nodes: &Ordered<NodeEntry>,
    after: &BTreeMap<String, Vec<TaskId>>,
) -> Result<(), DefinitionError> {
    let starts = task_ids("start", "start", &start.0)?;
    if starts.is_empty() {
        return Err(DefinitionError::Start { what: "it is empty".to_owned() });
    }
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    let mut open: Vec<&str> = Vec::new();
    for name in &start.0 {
        if !nodes.0.iter().any(|(id, _)| id == name) {
            return Err(DefinitionError::Start { what: format!("{name:?} is not among `nodes`") });
        }
        if let Some(before) = after.get(name).and_then(|list| list.first()) {
            let what = format!("{name:?} comes after {before}, so nothing can start there");
            return Err(DefinitionError::Start { what });
        }
        open.push(name);
    }
    while let Some(id) = open.pop() {
        if reached.insert(id) {
            let entry = nodes.0.iter().find(|(node, _)| node == id);
            open.extend(entry.into_iter().flat_map(|(_, e)| e.next.0.iter().map(String::as_str)));
        }
    }
    match nodes.0.iter().find(|(id, _)| !reached.contains(id.as_str())) {
        Some((task, _)) => Err(DefinitionError::Unreachable { task: task.clone() }),
        None => Ok(()),
    }
}
