//! Checked parts of a task, the same for every form.

use super::read::{DefinitionError, TASK_TIMEOUT_DEFAULT};
use crate::duration;
use serde_json::Value;
use trustmesh_types::{AppId, TaskId, canonical, workflow::Task};

/// A task that is well-formed by itself.
pub(super) struct Draft(pub Task);

impl Draft {
    pub(super) fn new(
        id: &str,
        app: &str,
        after: Vec<TaskId>,
        timeout: Option<String>,
        params: Option<Value>,
        replicas: Option<u8>,
    ) -> Result<Self, DefinitionError> {
        let bad = |what: String| DefinitionError::Task { task: id.to_owned(), what };
        let timeout = match timeout {
            Some(text) => duration::parse(&text).map_err(|e| bad(format!("timeout: {e}")))?,
            None => TASK_TIMEOUT_DEFAULT,
        };
        let params = match params {
            None | Some(Value::Null) => "{}".to_owned(),
            Some(params @ Value::Object(_)) => {
                let bytes = canonical::to_canonical(&params).map_err(|e| bad(e.to_string()))?;
                String::from_utf8(bytes).map_err(|e| bad(e.to_string()))?
            }
            Some(_) => return Err(bad("params must be a map of names to values".to_owned())),
        };
        Ok(Self(Task {
            id: TaskId::new(id).map_err(|e| bad(e.to_string()))?,
            app: AppId::new(app).map_err(|e| bad(e.to_string()))?,
            after,
            params,
            timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
            replicas: replicas.unwrap_or(1),
        }))
    }
}

/// Task names of a list.
pub(super) fn task_ids(
    task: &str,
    field: &str,
    names: &[String],
) -> Result<Vec<TaskId>, DefinitionError> {
    let id = |name: &String| {
        TaskId::new(name).map_err(|e| DefinitionError::at(format!("{field} of {task}"), &e))
    };
    names.iter().map(id).collect()
}
