//! The form with tasks that name their predecessors.

use super::{
    build::{Draft, task_ids},
    ordered::{Names, Ordered},
    read::DefinitionError,
};
use serde::Deserialize;
use serde_json::Value;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub name: Option<String>,
    pub scheduler: Option<String>,
    pub tasks: Ordered<TaskEntry>,
}

/// What is said of a task; in the authors' graph, `next` stands in place of `after`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TaskEntry {
    app: String,
    #[serde(default)]
    after: Names,
    timeout: Option<String>,
    params: Option<Value>,
    replicas: Option<u8>,
}

/// Turns the file's tasks into drafts.
pub(super) fn drafts(tasks: Ordered<TaskEntry>) -> Result<Vec<Draft>, DefinitionError> {
    let draft = |(id, entry): (String, TaskEntry)| {
        let after = task_ids(&id, "after", &entry.after.0)?;
        Draft::new(&id, &entry.app, after, entry.timeout, entry.params, entry.replicas)
    };
    tasks.0.into_iter().map(draft).collect()
}
