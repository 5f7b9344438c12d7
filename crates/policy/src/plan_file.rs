//! A plan as people write it, to try a policy out: `trustmesh policy test` and the examples.
//!
//! Nodes are named by name or key. What is free on a node is what it has, unless the file
//! says less.

use crate::facts::{NodeFacts, PlanFacts, RequestFacts, TaskFacts};
use serde::Deserialize;
use std::collections::BTreeMap;
use trustmesh_types::resources::Resources;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    /// The request.
    #[serde(default)]
    pub request: RequestFacts,
    /// Its workflow.
    pub workflow: FileWorkflow,
    /// The nodes.
    pub nodes: Vec<FileNode>,
    /// Which node runs which task.
    pub assignments: Vec<FileAssignment>,
}

/// A workflow.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileWorkflow {
    /// Its tasks.
    pub tasks: Vec<TaskFacts>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileNode {
    /// Its name.
    pub name: String,
    /// Its key.
    #[serde(default)]
    pub key: String,
    /// Its labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Its processor architecture.
    #[serde(default)]
    pub arch: String,
    /// What it has.
    #[serde(default)]
    pub capacity: Resources,
    /// What is free before this plan; all of its capacity when not said.
    pub available: Option<Resources>,
    /// What open plans hold before this one.
    #[serde(default)]
    pub reserved: Resources,
    /// Its recent misses.
    #[serde(default)]
    pub misses: u32,
}

/// Where a task runs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileAssignment {
    /// The task.
    pub task: String,
    /// Its nodes, by name or key.
    pub nodes: Vec<String>,
}

/// A plan that names what is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("assignments: there is no {what} {name:?} in `{place}`; there are: {known}")]
pub struct PlanFileError {
    what: &'static str,
    place: &'static str,
    name: String,
    known: String,
}

impl PlanFile {
    /// What a policy is told of it.
    ///
    /// # Errors
    /// [`PlanFileError`] when an assignment names a task or node that the file has not.
    pub fn facts(self) -> Result<PlanFacts, PlanFileError> {
        let tasks = self.workflow.tasks;
        let mut pairs = Vec::new();
        for assignment in &self.assignments {
            let task = tasks.iter().position(|task| task.id == assignment.task);
            let task = task.ok_or_else(|| {
                let known = tasks.iter().map(|task| task.id.as_str());
                missing("task", "workflow: tasks:", &assignment.task, known)
            })?;
            for name in &assignment.nodes {
                let is =
                    |node: &FileNode| node.name == *name || (node.key == *name && !name.is_empty());
                let node = self.nodes.iter().position(is).ok_or_else(|| {
                    missing("node", "nodes:", name, self.nodes.iter().map(|n| n.name.as_str()))
                })?;
                pairs.push((task, node));
            }
        }
        let nodes = self.nodes.into_iter().map(FileNode::facts).collect();
        Ok(PlanFacts::new(self.request, tasks, nodes, &pairs))
    }
}

fn missing<'a>(
    what: &'static str,
    place: &'static str,
    name: &str,
    known: impl Iterator<Item = &'a str>,
) -> PlanFileError {
    let known = known.collect::<Vec<_>>().join(", ");
    PlanFileError { what, place, name: crate::error::cut(name), known }
}

impl FileNode {
    fn facts(self) -> NodeFacts {
        NodeFacts {
            key: self.key,
            name: self.name,
            labels: self.labels,
            arch: self.arch,
            available: self.available.unwrap_or(self.capacity),
            capacity: self.capacity,
            reserved: self.reserved,
            misses: self.misses,
            ..NodeFacts::default()
        }
    }
}
