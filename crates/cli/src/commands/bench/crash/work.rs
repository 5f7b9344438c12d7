//! The requests, and what their results must be: the cold chain's three stages, and beside
//! them one that passes its input on, so that no two requests have the same result.
//!
//! What a result must be is computed here, by the stages' own code in this process, and has
//! nothing to do with what the mesh ran.

use crate::{
    commands::{mesh::Mesh, setup},
    failure::{Done, Failure},
    output::Progress,
};
use cold_chain::{Window, alert, detect, process};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use trustmesh_client::Device;
use trustmesh_node::keystore;
use trustmesh_types::{
    AppId, TaskId, WorkflowId, canonical,
    workflow::{Task, Workflow},
};

const NAME: &str = "crash";
const ALERT: &str = "alert";
const ECHO: &str = "echo";
const READINGS: usize = 20;
/// So that many windows have alerts.
const TEMPERATURE_MAX: f64 = 6.0;
/// A task may take as long as a node needs to come back; after that it goes to another one.
const TASK_TIMEOUT: Duration = Duration::from_secs(5);

/// Deploys the applications and the workflow, and registers devices; each asks another node
/// first.
pub async fn prepare(mesh: &Mesh, devices: u16) -> Done<Vec<Device>> {
    let progress = Progress::spinner("setting up");
    let operator = mesh.operator()?;
    let mut names = vec!["noop"];
    setup::deploy(&operator, "noop", samples::NOOP).await?;
    for (name, module) in cold_chain::host::MODULES {
        setup::deploy(&operator, name, module).await?;
        names.push(name);
    }
    setup::create_workflow(&operator, &workflow()?).await?;
    setup::ready(&operator, &names, &progress).await?;
    let mut all = Vec::new();
    for index in 0..devices {
        let key = keystore::random().map_err(Failure::failed)?;
        operator.register_device(key.public(), &format!("device-{index}")).await?;
        all.push(Device::new(mesh.client_from(index.into())?, key));
    }
    Ok(all)
}

fn workflow() -> Done<Workflow> {
    let limits = json!({ "temperature_max": TEMPERATURE_MAX });
    let stages = [
        ("process", "process-sensor-data", json!({})),
        ("detect", "detect-anomalies", limits),
        (ALERT, "generate-alerts", json!({})),
    ];
    let mut workflow = setup::chain(NAME, &stages, TASK_TIMEOUT)?;
    let first = workflow.tasks.first().ok_or_else(|| Failure::failed("no stage"))?;
    let echo =
        Task { id: TaskId::new(ECHO)?, app: AppId::new("noop")?, after: vec![], ..first.clone() };
    workflow.tasks.push(echo);
    Ok(workflow)
}

/// The workflow's name.
pub fn name() -> Done<WorkflowId> {
    Ok(WorkflowId::new(NAME)?)
}

/// The readings of the request of this number.
pub fn window(seed: u64, serial: u64) -> Window {
    cold_chain::simulate(seed, serial, READINGS)
}

/// They as the request's data.
pub fn data(window: &Window) -> Done<Value> {
    serde_json::to_value(window).map_err(Failure::failed)
}

/// What the result for them must be, each output in its canonical form.
pub fn expected(window: &Window) -> Done<BTreeMap<TaskId, Vec<u8>>> {
    let processed = process::process(window).map_err(Failure::failed)?;
    let params = detect::DetectParams {
        temperature_max: Some(TEMPERATURE_MAX),
        ..detect::DetectParams::default()
    };
    let report = detect::detect(&processed, params).map_err(Failure::failed)?;
    let alerts = serde_json::to_value(alert::generate(&[report])).map_err(Failure::failed)?;
    let canonical = |value: &Value| canonical::to_canonical(value).map_err(Failure::failed);
    let outputs = [(ALERT, canonical(&alerts)?), (ECHO, canonical(&data(window)?)?)];
    outputs.into_iter().map(|(task, bytes)| Ok((TaskId::new(task)?, bytes))).collect()
}

/// What differs between outputs and what they must be; nothing when they are right.
pub fn difference(
    expected: &BTreeMap<TaskId, Vec<u8>>,
    outputs: &BTreeMap<TaskId, Value>,
) -> Option<String> {
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(200).collect::<String>();
    if !expected.keys().eq(outputs.keys()) {
        return Some(format!("it has outputs of {:?}", outputs.keys().collect::<Vec<_>>()));
    }
    expected.iter().zip(outputs.values()).find_map(|((task, must), is)| {
        let is = canonical::to_canonical(is).unwrap_or_default();
        (is != *must).then(|| format!("{task} gave {} instead of {}", shown(&is), shown(must)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_output_is_noticed() {
        let expected = expected(&window(1, 2)).unwrap();
        let right: BTreeMap<TaskId, Value> = expected
            .iter()
            .map(|(task, bytes)| (task.clone(), serde_json::from_slice(bytes).unwrap()))
            .collect();
        assert_eq!(difference(&expected, &right), None);
        let mut wrong = right.clone();
        wrong.insert(TaskId::new(ECHO).unwrap(), data(&window(1, 3)).unwrap());
        assert!(difference(&expected, &wrong).is_some_and(|it| it.starts_with(ECHO)));
        wrong.remove(&TaskId::new(ECHO).unwrap());
        assert!(difference(&expected, &wrong).is_some_and(|it| it.contains("outputs of")));
    }

    #[test]
    fn alerts_depend_on_the_window() {
        let alerts = |serial| {
            let outputs = expected(&window(1, serial)).unwrap();
            outputs.get(&TaskId::new(ALERT).unwrap()).unwrap().clone()
        };
        assert!((1..20).any(|serial| alerts(serial) != alerts(0)));
    }
}
