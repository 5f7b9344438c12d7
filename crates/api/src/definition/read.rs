//! From text to workflow.

use super::{
    document::{self, Document},
    graph::{self, Graph},
};
use crate::limits;
use serde::de::DeserializeOwned;
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
    #[error("line {line}, column {column}: {what}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What the parser found.
        what: String,
    },
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
    let json = text.trim_start().starts_with('{');
    let keys: Value = if json { from_json(text)? } else { from_yaml(text)? };
    let (own_name, scheduler, drafts) = if keys.get("nodes").is_some() {
        let graph: Graph = if json { from_json(text)? } else { from_yaml(text)? };
        (graph.name, graph.scheduler, graph::drafts(&graph.start, graph.nodes)?)
    } else if keys.get("tasks").is_some() {
        let document: Document = if json { from_json(text)? } else { from_yaml(text)? };
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

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, DefinitionError> {
    serde_json::from_str(text).map_err(|e| DefinitionError::Syntax {
        line: e.line(),
        column: e.column(),
        what: without_place(&e.to_string()),
    })
}

fn from_yaml<T: DeserializeOwned>(text: &str) -> Result<T, DefinitionError> {
    serde_saphyr::from_str(text).map_err(|e| {
        let location = e.location();
        DefinitionError::Syntax {
            line: location.map_or(1, |l| usize::try_from(l.line()).unwrap_or(1)),
            column: location.map_or(1, |l| usize::try_from(l.column()).unwrap_or(1)),
            what: without_place(&e.without_snippet().to_string()),
        }
    })
}

/// The parsers' messages end with the place, which we say in our own way.
fn without_place(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    let end = first.rfind(" at line ").unwrap_or(first.len());
    first.get(..end).unwrap_or(first).to_owned()
}
