//! Workflows: immutable directed acyclic graphs of tasks (paper III-A; eq. 7 and 9).

use crate::{
    ids::{AppId, TaskId, WorkflowId},
    limits,
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Names of the schedulers that a workflow or a genesis may ask for, the default first.
/// `sched` has one for each.
pub const SCHEDULERS: [&str; 4] = ["lcdwrr", "lcdwrr3", "least_loaded", "round_robin"];

/// One task of a workflow.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Task {
    /// Its name, unique in the workflow.
    pub id: TaskId,
    /// The application that it runs.
    pub app: AppId,
    /// The tasks whose outputs it takes, without duplicates; none for a source.
    pub after: Vec<TaskId>,
    /// A JSON object given to the application as `params`, in canonical form.
    pub params: String,
    /// Longest run.
    pub timeout_ms: u64,
    /// Number of distinct nodes that run it.
    pub replicas: u8,
}

/// A workflow as its operator created it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Workflow {
    /// Its name, unique in the network, never used twice.
    pub id: WorkflowId,
    /// Its tasks, in the operator's order.
    pub tasks: Vec<Task>,
    /// The scheduler by name; the network's default when `None`.
    pub scheduler: Option<String>,
}

/// Why a set of tasks is no workflow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkflowError {
    /// No task at all.
    #[error("workflow {workflow} has no task")]
    Empty {
        /// The workflow.
        workflow: WorkflowId,
    },
    /// Two tasks of one name.
    #[error("task {task} is defined twice")]
    DuplicateTask {
        /// The task.
        task: TaskId,
    },
    /// An edge from a task that does not exist.
    #[error("task {task} comes after {missing}, which is no task of this workflow")]
    UnknownTask {
        /// The task with the edge.
        task: TaskId,
        /// The name that is missing.
        missing: TaskId,
    },
    /// A task that comes after itself.
    #[error("task {task} comes after itself")]
    SelfLoop {
        /// The task.
        task: TaskId,
    },
    /// The same edge twice.
    #[error("task {task} names {after} twice in `after`")]
    DuplicateEdge {
        /// The task.
        task: TaskId,
        /// The predecessor named twice.
        after: TaskId,
    },
    /// Tasks that wait for each other.
    #[error("tasks wait for each other in a cycle: {tasks}")]
    Cycle {
        /// The tasks on or behind the cycle, comma separated.
        tasks: String,
    },
    /// A scheduler that does not exist.
    #[error("there is no scheduler {name:?}; use one of {}", SCHEDULERS.join(", "))]
    UnknownScheduler {
        /// The name, cut to 80 characters.
        name: String,
    },
    /// A size over its limit.
    #[error("{what} is {got}, at most {max} is allowed")]
    TooLarge {
        /// What is too large.
        what: String,
        /// Its size.
        got: u64,
        /// The limit.
        max: u64,
    },
    /// A value that must not be zero or has the wrong form.
    #[error("{what}")]
    Invalid {
        /// What is wrong.
        what: String,
    },
}

impl Workflow {
    /// Checks names, the scheduler, edges, sizes and acyclicity.
    ///
    /// # Errors
    /// The first [`WorkflowError`] found.
    pub fn validate(&self) -> Result<(), WorkflowError> {
        if self.tasks.is_empty() {
            return Err(WorkflowError::Empty { workflow: self.id.clone() });
        }
        at_most("number of tasks", self.tasks.len() as u64, limits::TASKS_MAX as u64)?;
        let edges: usize = self.tasks.iter().map(|t| t.after.len()).sum();
        at_most("number of edges", edges as u64, limits::EDGES_MAX as u64)?;
        if let Some(name) = &self.scheduler
            && !SCHEDULERS.contains(&name.as_str())
        {
            let name = name.chars().take(80).collect();
            return Err(WorkflowError::UnknownScheduler { name });
        }
        let mut names = BTreeSet::new();
        for task in &self.tasks {
            if !names.insert(&task.id) {
                return Err(WorkflowError::DuplicateTask { task: task.id.clone() });
            }
            check_task(task)?;
        }
        for task in &self.tasks {
            check_edges(task, &names)?;
        }
        self.levels().map(drop)
    }

    /// Topological level of each task: longest path from a source, sources at 0 (eq. 9).
    ///
    /// # Errors
    /// [`WorkflowError::Cycle`] when there is none.
    pub fn levels(&self) -> Result<BTreeMap<TaskId, u32>, WorkflowError> {
        let mut levels: BTreeMap<TaskId, u32> = BTreeMap::new();
        while levels.len() < self.tasks.len() {
            let before = levels.len();
            for task in
                self.tasks.iter().filter(|t| !levels.contains_key(&t.id)).collect::<Vec<_>>()
            {
                let ahead: Option<Vec<u32>> =
                    task.after.iter().map(|a| levels.get(a).map(|l| l.saturating_add(1))).collect();
                if let Some(ahead) = ahead {
                    levels.insert(task.id.clone(), ahead.into_iter().max().unwrap_or(0));
                }
            }
            if levels.len() == before {
                let stuck: Vec<&str> = self
                    .tasks
                    .iter()
                    .filter(|t| !levels.contains_key(&t.id))
                    .map(|t| t.id.as_str())
                    .collect();
                return Err(WorkflowError::Cycle { tasks: stuck.join(", ") });
            }
        }
        Ok(levels)
    }

    /// Tasks by (level, operator's order): a topological order. Empty for a cyclic graph.
    #[must_use]
    pub fn topological(&self) -> Vec<&Task> {
        let levels = self.levels().unwrap_or_default();
        let mut tasks: Vec<&Task> =
            self.tasks.iter().filter(|t| levels.contains_key(&t.id)).collect();
        tasks.sort_by_key(|t| levels.get(&t.id).copied());
        tasks
    }

    /// The task of a name.
    #[must_use]
    pub fn task(&self, id: &TaskId) -> Option<&Task> {
        self.tasks.iter().find(|t| t.id == *id)
    }

    /// Tasks that take `id`'s output.
    pub fn successors<'a>(&'a self, id: &'a TaskId) -> impl Iterator<Item = &'a Task> {
        self.tasks.iter().filter(move |t| t.after.contains(id))
    }

    /// Tasks whose output nobody takes, in topological order: their outputs are the result.
    #[must_use]
    pub fn sinks(&self) -> Vec<&Task> {
        self.topological().into_iter().filter(|t| self.successors(&t.id).next().is_none()).collect()
    }
}

fn at_most(what: &str, got: u64, max: u64) -> Result<(), WorkflowError> {
    if got > max {
        return Err(WorkflowError::TooLarge { what: what.to_owned(), got, max });
    }
    Ok(())
}

fn check_task(task: &Task) -> Result<(), WorkflowError> {
    let of = |what: &str| format!("{what} of task {}", task.id);
    at_most(&of("length of params"), task.params.len() as u64, limits::PARAMS_BYTES_MAX as u64)?;
    at_most(&of("timeout_ms"), task.timeout_ms, limits::TASK_TIMEOUT_MS_MAX)?;
    at_most(&of("number of replicas"), task.replicas.into(), limits::REPLICAS_MAX.into())?;
    if task.timeout_ms == 0 || task.replicas == 0 {
        return Err(WorkflowError::Invalid { what: of("timeout and replicas must not be zero:") });
    }
    if !task.params.starts_with('{') || !task.params.ends_with('}') {
        return Err(WorkflowError::Invalid { what: of("params must be a JSON object:") });
    }
    Ok(())
}

fn check_edges(task: &Task, names: &BTreeSet<&TaskId>) -> Result<(), WorkflowError> {
    let mut seen = BTreeSet::new();
    for after in &task.after {
        if after == &task.id {
            return Err(WorkflowError::SelfLoop { task: task.id.clone() });
        }
        if !names.contains(after) {
            return Err(WorkflowError::UnknownTask {
                task: task.id.clone(),
                missing: after.clone(),
            });
        }
        if !seen.insert(after) {
            return Err(WorkflowError::DuplicateEdge {
                task: task.id.clone(),
                after: after.clone(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workflow(edges: &[(&str, &[&str])]) -> Workflow {
        let id = |name: &str| TaskId::new(name).unwrap();
        Workflow {
            id: WorkflowId::new("w").unwrap(),
            scheduler: None,
            tasks: edges
                .iter()
                .map(|(name, after)| Task {
                    id: id(name),
                    app: AppId::new("app").unwrap(),
                    after: after.iter().map(|a| id(a)).collect(),
                    params: "{}".into(),
                    timeout_ms: 1,
                    replicas: 1,
                })
                .collect(),
        }
    }

    #[test]
    fn levels_are_longest_paths_and_sinks_come_in_order() {
        let w = workflow(&[("d", &["b", "a"]), ("c", &["a"]), ("b", &["a"]), ("a", &[])]);
        w.validate().unwrap();
        let levels = w.levels().unwrap();
        let of = |name: &str| levels[&TaskId::new(name).unwrap()];
        assert_eq!((of("a"), of("b"), of("c"), of("d")), (0, 1, 1, 2));
        let sinks: Vec<&str> = w.sinks().iter().map(|t| t.id.as_str()).collect();
        assert_eq!(sinks, ["c", "d"]);
    }

    #[test]
    fn what_is_no_dag_is_refused_with_its_reason() {
        let check = |edges: &[(&str, &[&str])]| workflow(edges).validate().unwrap_err().to_string();
        assert!(check(&[]).contains("no task"));
        assert!(check(&[("a", &["a"])]).contains("itself"));
        assert!(check(&[("a", &["b"]), ("b", &["a"])]).contains("cycle: a, b"));
        assert!(check(&[("a", &["x"])]).contains("no task of this workflow"));
        assert!(check(&[("a", &[]), ("b", &["a", "a"])]).contains("twice"));
        assert!(check(&[("a", &[]), ("a", &[])]).contains("defined twice"));
        for name in ["", "LCDWRR", "fifo"] {
            let scheduler = Some(name.to_owned());
            let asks = Workflow { scheduler, ..workflow(&[("a", &[])]) };
            let refused = asks.validate().unwrap_err().to_string();
            assert!(refused.contains(&format!("{name:?}")), "{refused}");
            assert!(refused.contains("lcdwrr, lcdwrr3, least_loaded, round_robin"), "{refused}");
        }
        for name in SCHEDULERS {
            let scheduler = Some(name.to_owned());
            Workflow { scheduler, ..workflow(&[("a", &[])]) }.validate().unwrap();
        }
    }
}
