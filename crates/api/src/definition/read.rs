//! From text to workflow.

use super::{
    document::{self, Document},
    graph::{self, Graph},
};
use crate::{
    form::{self, SyntaxError},
    limits,
};
use serde_json::Value;
use std::time::Duration;
use trustmesh_types::{
    WorkflowId,
    ids::NameError,
    workflow::{Workflow, WorkflowError},
};

/// Timeout of a task that names none.
pub const TASK_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// Why a text defines no workflow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// The text is too long to be one.
    #[error("the definition has {got_bytes} bytes, at most {max_bytes} are allowed")]
    TooLarge {
        /// How many it has.
        got_bytes: usize,
        /// How many it may have.
        max_bytes: usize,
    },
    /// It does not parse, or has a field that there is none of.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// Neither of the forms.
    #[error(
        "this is no workflow: write `tasks:` (a map from task to `app` and `after`), or a JSON graph with \"start\" and \"nodes\""
    )]
    Form,
    /// No name.
    #[error("the workflow has no name: write `name:` in the definition, or give one beside it")]
    Unnamed,
    /// A name is no name.
    #[error("{place}: {what}")]
    Name {
        /// Where.
        place: String,
        /// What is wrong with it.
        what: String,
    },
    /// A task is wrong by itself.
    #[error("task {task}: {what}")]
    Task {
        /// The task.
        task: String,
        /// What is wrong.
        what: String,
    },
    /// `start` of a graph is wrong.
    #[error("`start`: {what}; name the nodes that come after no other")]
    Start {
        /// What is wrong.
        what: String,
    },
    /// A node of a graph that no start leads to.
    #[error("task {task} is not reached from `start`: add it there, or to some node's `next`")]
    Unreachable {
        /// The task.
        task: String,
    },
    /// The tasks are no workflow together.
    #[error("{0}")]
    Workflow(#[from] WorkflowError),
}

impl DefinitionError {
    pub(super) fn at(place: impl Into<String>, error: &NameError) -> Self {
        Self::Name { place: place.into(), what: error.to_string() }
    }
}

/// Reads a definition. `name` is used when the text has none, as the authors' graphs don't.
///
/// # Errors
/// [`DefinitionError`].
pub fn read(text: &str, name: Option<&str>) -> Result<Workflow, DefinitionError> {
    if text.len() > limits::DEFINITION_BYTES_MAX {
        return Err(DefinitionError::TooLarge {
            got_bytes: text.len(),
            max_bytes: limits::DEFINITION_BYTES_MAX,
        });
    }
    let keys: Value = form::read(text)?;
    let (own_name, scheduler, drafts) = if keys.get("nodes").is_some() {
        let graph: Graph = form::read(text)?;
        (graph.name, graph.scheduler, graph::drafts(&graph.start, graph.nodes)?)
    } else if keys.get("tasks").is_some() {
        let document: Document = form::read(text)?;
        (document.name, document.scheduler, document::drafts(document.tasks)?)
    } else {
        return Err(DefinitionError::Form);
    };
    let own_name = own_name.as_deref().or(name).ok_or(DefinitionError::Unnamed)?;
    let id = WorkflowId::new(own_name).map_err(|e| DefinitionError::at("name", &e))?;
    let tasks = drafts.into_iter().map(|d| d.0).collect();
    let workflow = Workflow { id, tasks, scheduler };
    workflow.validate()?;
    Ok(workflow)
}
