//! The workflows of simulated worlds, and what they must give: computed here from the graph
//! alone, apart from all that the agents do (S7).

use crate::apps::App;
use serde_json::Value;
use std::collections::BTreeMap;
use trustmesh_types::{
    AppId, TaskId, WorkflowId,
    workflow::{Task, Workflow},
};

fn task(id: &str, app: App, after: &[&str]) -> Task {
    Task {
        id: name(id, TaskId::new),
        app: name(app.name(), AppId::new),
        after: after.iter().map(|before| name(before, TaskId::new)).collect(),
        params: "{}".to_owned(),
        timeout_ms: 2_000,
        replicas: 1,
    }
}

#[expect(clippy::expect_used, reason = "only called with names written in this file and apps.rs")]
fn name<T, E: std::fmt::Debug>(text: &str, new: fn(&str) -> Result<T, E>) -> T {
    new(text).expect("a name of a simulated workflow")
}

fn workflow(id: &str, tasks: Vec<Task>) -> Workflow {
    Workflow { id: name(id, WorkflowId::new), tasks, scheduler: None }
}

/// Three stages, as in the paper's evaluation.
#[must_use]
pub fn chain() -> Workflow {
    let tasks = vec![
        task("process", App::Echo, &[]),
        task("detect", App::Echo, &["process"]),
        task("alert", App::Sum, &["detect"]),
    ];
    workflow("chain", tasks)
}

/// A diamond with an edge that skips a level, and two sinks.
#[must_use]
pub fn diamond() -> Workflow {
    let tasks = vec![
        task("source", App::Echo, &[]),
        task("left", App::Sum, &["source"]),
        task("right", App::Echo, &["source"]),
        task("join", App::Sum, &["left", "right", "source"]),
        task("aside", App::Echo, &["right"]),
    ];
    workflow("diamond", tasks)
}

/// Three stages, the middle one long enough for faults to fall into it.
#[must_use]
pub fn slow() -> Workflow {
    let tasks = vec![
        task("process", App::Echo, &[]),
        task("detect", App::Slow, &["process"]),
        task("alert", App::Sum, &["detect"]),
    ];
    workflow("slow", tasks)
}

/// Three stages, each run by three nodes.
#[must_use]
pub fn replicated() -> Workflow {
    let mut tasks = chain().tasks;
    tasks.iter_mut().for_each(|task| task.replicas = 3);
    workflow("replicated", tasks)
}

/// Two tasks side by side, of which no node can hold both, and one that joins them.
#[must_use]
pub fn heavy() -> Workflow {
    let tasks = vec![
        task("left", App::Heavy, &[]),
        task("right", App::Heavy, &[]),
        task("join", App::Sum, &["left", "right"]),
    ];
    workflow("heavy", tasks)
}

/// Its second task fails wherever it runs.
#[must_use]
pub fn failing() -> Workflow {
    let tasks = vec![task("process", App::Echo, &[]), task("detect", App::Fail, &["process"])];
    workflow("failing", tasks)
}

/// Every sink's output for an input, or `None` when a task fails.
pub(crate) fn expected(workflow: &Workflow, input: &Value) -> Option<BTreeMap<TaskId, Value>> {
    let mut outputs: BTreeMap<TaskId, Value> = BTreeMap::new();
    for task in workflow.topological() {
        let before: Vec<&Value> = workflow
            .tasks
            .iter()
            .filter(|t| task.after.contains(&t.id))
            .filter_map(|t| outputs.get(&t.id))
            .collect();
        let data = match before.as_slice() {
            [] => input.clone(),
            [only] => (*only).clone(),
            several => Value::Array(
                several.iter().filter_map(|v| v.as_array()).flatten().cloned().collect(),
            ),
        };
        outputs.insert(task.id.clone(), App::of(&task.app)?.compute(&data).ok()?);
    }
    let sinks: Vec<TaskId> = workflow.sinks().into_iter().map(|t| t.id.clone()).collect();
    outputs.retain(|task, _| sinks.contains(task));
    Some(outputs)
}

/// Microseconds that the applications run along the longest way.
pub(crate) fn critical_path_us(workflow: &Workflow) -> u64 {
    let mut ends: BTreeMap<&TaskId, u64> = BTreeMap::new();
    for task in workflow.topological() {
        let start = task.after.iter().filter_map(|a| ends.get(a)).max().copied().unwrap_or(0);
        let own = App::of(&task.app).map_or(0, |app| app.running_time().as_micros());
        ends.insert(&task.id, start.saturating_add(u64::try_from(own).unwrap_or(u64::MAX)));
    }
    ends.values().max().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_workflows_are_sound_and_give_what_one_computes_by_hand() {
        for workflow in [chain(), diamond(), slow(), failing(), heavy(), replicated()] {
            workflow.validate().unwrap();
        }
        let input = json!([1, 2, 3]);
        let of = |workflow: &Workflow, task: &str| {
            expected(workflow, &input).unwrap()[&TaskId::new(task).unwrap()].clone()
        };
        assert_eq!(of(&chain(), "alert"), json!([6]));
        assert_eq!(of(&diamond(), "join"), json!([18]));
        assert_eq!(of(&diamond(), "aside"), input);
        assert_eq!(of(&heavy(), "join"), json!([12]));
        assert_eq!(of(&replicated(), "alert"), json!([6]));
        assert_eq!(expected(&failing(), &input), None);
        assert_eq!(critical_path_us(&slow()), 405_000);
        assert_eq!(critical_path_us(&diamond()), 8_000);
    }
}
