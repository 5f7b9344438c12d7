//! What devices ask for and what operators do.

use super::Sketch;
use crate::{
    apps::App,
    mixes::Ingredient,
    scenario::{Operation, TimedOperation, Workload},
    workflows,
};
use std::time::Duration;
use trustmesh_types::{AppId, WorkflowId, workflow::Workflow};

pub(super) fn workload(sketch: &Sketch) -> Workload {
    let dice = sketch.dice;
    let flood = sketch.has(Ingredient::Flood);
    let most = match sketch.nodes {
        0..=4 => 10,
        5..=7 => 6,
        _ => 3,
    };
    let requests = dice.range("requests", 0, most / 2, most) * if flood { 3 } else { 1 };
    let span = sketch.heals.max(Duration::from_secs(1));
    let interval = if flood {
        Duration::from_millis(5)
    } else {
        // Whole microseconds, as in a scenario's text.
        let each_us = span.as_micros() / u128::from(requests.max(1));
        Duration::from_micros(u64::try_from(each_us).unwrap_or(u64::MAX))
    };
    let large = dice.one_in("large inputs", 0, 8);
    Workload {
        workflows: flows(sketch),
        devices: u16::try_from(dice.range("devices", 0, 1, 4)).unwrap_or(1),
        requests: u32::try_from(requests).unwrap_or(1),
        interval,
        lifetime: dice.millis("lifetime", 0, 9_000, 20_000),
        input_integers_min: 1,
        input_integers_max: if large { 80_000 } else { 50 },
        cancelled_per_mille: if dice.one_in("cancels", 0, 4) { 200 } else { 0 },
        probes: if sketch.nodes > 7 { 1 } else { 2 },
        operations: operations(sketch, flood),
    }
}

/// The first is what probes ask for: it can always run.
fn flows(sketch: &Sketch) -> Vec<Workflow> {
    let mut flows = vec![workflows::chain()];
    let others = [workflows::diamond(), workflows::slow(), replicated(workflows::chain())];
    let drawn = (0..).zip(others).filter(|(nth, _)| sketch.dice.one_in("workflow", *nth, 2));
    flows.extend(drawn.map(|(_, workflow)| workflow));
    if sketch.has(Ingredient::Failing) {
        flows.push(workflows::failing());
    }
    flows
}

/// The same with every task on three nodes.
fn replicated(mut workflow: Workflow) -> Workflow {
    if let Ok(id) = WorkflowId::new(&format!("{}-by-three", workflow.id)) {
        workflow.id = id;
        workflow.tasks.iter_mut().for_each(|task| task.replicas = 3);
    }
    workflow
}

fn operations(sketch: &Sketch, flood: bool) -> Vec<TimedOperation> {
    let dice = sketch.dice;
    let mut all = Vec::new();
    let mut add = |after, operation| all.push(TimedOperation { after, operation });
    if sketch.has(Ingredient::Operators) {
        let stopped = sketch.early("stopped", 0);
        let started = stopped + dice.millis("started", 0, 100, 1_000);
        if let Ok(app) = AppId::new(App::Echo.name()) {
            add(stopped, Operation::StopApp(app.clone()));
            add(started, Operation::StartApp(app));
        }
        let mut new = workflows::diamond();
        if let Ok(id) = WorkflowId::new("late-diamond") {
            new.id = id;
            add(sketch.early("created", 0), Operation::Create(new));
        }
        add(sketch.early("retired", 0), Operation::Retire(workflows::diamond().id));
        for nth in 0..2 {
            let node = dice.range("renewing", nth, 0, (sketch.nodes as u64).saturating_sub(1));
            let node = u16::try_from(node).unwrap_or(0);
            add(sketch.early("renewed", nth), Operation::Renew(node));
        }
    }
    if flood {
        let most = if sketch.nodes > 7 { 300 } else { 1_200 };
        let notes = u32::try_from(dice.range("notes", 0, 100, most)).unwrap_or(100);
        add(sketch.early("notes", 1), Operation::Notes(0, notes));
    }
    all
}
