//! Applications on nodes: fetched, started, reported, stopped and removed, as the ledger wants.

use super::common::{CHAIN, Mesh, ONE, app_id};
use trustmesh_agent::{Effect, Input};
use trustmesh_types::{
    Payload,
    records::{AppState, Condition},
};

fn set(wanted: AppState) -> Payload {
    Payload::SetAppState { app: app_id(), wanted }
}

/// Nodes that say that they run the application's newest generation.
fn running(mesh: &Mesh) -> usize {
    let Some(record) = mesh.state.app(&app_id()) else { return 0 };
    let said = mesh.state.app_conditions(&record);
    said.values().filter(|it| it.condition == Condition::Running).count()
}

/// A mesh on all of whose nodes the application runs.
fn up() -> Mesh {
    let mut mesh = Mesh::new(ONE);
    mesh.run(10_000, |m| running(m) == m.nodes.len());
    mesh
}

fn operate(mesh: &mut Mesh, payload: Payload, done: impl Fn(&Mesh) -> bool) {
    mesh.operate(payload);
    mesh.run(60_000, done);
    assert!(mesh.rejections.is_empty(), "{:?}", mesh.rejections);
}

#[test]
fn every_worker_fetches_starts_and_says_so_once() {
    let mesh = up();
    let (all, contents) = (mesh.nodes.len(), mesh.state.app(&app_id()).unwrap().manifest.contents);
    assert_eq!(running(&mesh), all);
    for node in &mesh.nodes {
        assert!(node.artifacts.contains(&contents));
        assert_eq!(node.starts, [(app_id(), 1)]);
    }
    let reports = mesh.transacted.iter().filter(|(.., it)| matches!(it, Payload::ReportApp(_)));
    assert_eq!(reports.count(), all);
}

#[test]
fn a_stopped_one_stops_everywhere_and_starts_with_a_new_generation() {
    let mut mesh = up();
    let all = mesh.nodes.len();
    operate(&mut mesh, set(AppState::Stopped), |m| m.nodes.iter().all(|n| n.stops.len() == 1));
    assert_eq!(running(&mesh), 0);
    operate(&mut mesh, set(AppState::Running), |m| running(m) == all);
    for node in &mesh.nodes {
        assert_eq!(node.starts.last(), Some(&(app_id(), 2)));
    }
    let again = |m: &Mesh| running(m) == all && m.state.app(&app_id()).unwrap().generation == 3;
    operate(&mut mesh, Payload::RestartApp { app: app_id() }, again);
    assert!(mesh.nodes.iter().all(|node| node.starts.last() == Some(&(app_id(), 3))));
}

#[test]
fn a_removed_one_is_gone_from_every_node() {
    let mut mesh = up();
    operate(&mut mesh, set(AppState::Removed), |m| m.nodes.iter().all(|n| n.artifacts.is_empty()));
    assert!(mesh.nodes.iter().all(|node| node.stops == [app_id()]));
}

#[test]
fn a_node_that_was_down_does_what_it_missed() {
    let mut mesh = up();
    mesh.stop(3);
    operate(&mut mesh, Payload::RestartApp { app: app_id() }, |m| running(m) == m.nodes.len() - 1);
    mesh.start(3);
    mesh.run(60_000, |m| running(m) == m.nodes.len());
    assert_eq!(mesh.nodes[3].starts.last(), Some(&(app_id(), 2)));
}

#[test]
fn what_a_copy_comes_to_is_reported_and_keeps_plans_away() {
    let mut mesh = up();
    // Not right after the last report.
    mesh.blocks_until(mesh.state.height() + 3);
    let failed =
        |result: Result<(), String>| Input::Started { app: app_id(), generation: 1, result };
    for at in 1..mesh.nodes.len() {
        let effects = mesh.step(at, failed(Err("the engine\nis down".to_owned())));
        mesh.carry_out(at, effects);
    }
    mesh.run(60_000, |m| running(m) == 1);
    let record = mesh.state.app(&app_id()).unwrap();
    let note = mesh.state.app_condition(&record, &mesh.key(2)).unwrap().note;
    assert_eq!(note.as_deref(), Some("the engine is down"), "one line");
    let id = mesh.submit(0, 1, b"[1]");
    mesh.run(60_000, |m| m.state.request(&id).is_some_and(|r| r.plan.is_some()));
    let plan = mesh.state.request(&id).unwrap().plan.unwrap();
    assert_eq!(plan.assignments[0].nodes, [mesh.key(0)]);
}

#[test]
fn an_artifact_that_nobody_has_is_reported_and_sought_on() {
    let mut mesh = up();
    let contents = mesh.state.app(&app_id()).unwrap().manifest.contents;
    for node in &mut mesh.nodes {
        node.artifacts.clear();
    }
    mesh.stop(3);
    mesh.start(3);
    let failed = |m: &Mesh| {
        let record = m.state.app(&app_id()).unwrap();
        let said = m.state.app_condition(&record, &m.key(3));
        said.is_some_and(|it| it.condition == Condition::Failed)
    };
    mesh.run(120_000, failed);
    mesh.nodes[0].artifacts.insert(contents);
    mesh.nodes[1].artifacts.insert(contents);
    mesh.run(300_000, |m| running(m) == m.nodes.len());
}

#[test]
fn an_artifact_that_was_lost_is_fetched_again() {
    let mut mesh = up();
    let contents = mesh.state.app(&app_id()).unwrap().manifest.contents;
    mesh.blocks_until(mesh.state.height() + 3);
    mesh.nodes[2].artifacts.clear();
    let result = Err("a blob is damaged".to_owned());
    let effects = mesh.step(2, Input::Started { app: app_id(), generation: 1, result });
    mesh.carry_out(2, effects);
    mesh.run(60_000, |m| m.nodes[2].artifacts.contains(&contents));
    mesh.run(60_000, |m| running(m) == m.nodes.len());
}

#[test]
fn a_task_whose_application_can_not_run_here_goes_elsewhere() {
    let mut mesh = Mesh::new(CHAIN);
    mesh.run(10_000, |m| running(m) == m.nodes.len());
    let id = mesh.submit(0, 1, b"[1]");
    mesh.run(10_000, |m| m.state.request(&id).is_some_and(|r| r.plan.is_some()));
    let plan = mesh.state.request(&id).unwrap().plan.unwrap();
    let last = plan.assignments.last().unwrap().nodes[0];
    let at = mesh.nodes.iter().position(|node| node.key.public() == last).unwrap();
    let why = "the engine is down".to_owned();
    mesh.nodes[at].broken = Some(why.clone());
    let down = Input::Started { app: app_id(), generation: 1, result: Err(why) };
    let effects = mesh.step(at, down);
    mesh.carry_out(at, effects);
    mesh.run(60_000, |m| m.state.request(&id).is_some_and(|r| r.status.ended()));
    let record = mesh.state.request(&id).unwrap();
    assert_eq!(record.status, trustmesh_types::records::Status::Finalized);
    let mut reports = mesh.transacted.iter().map(|(.., it)| it);
    assert!(
        reports.any(|it| matches!(it, Payload::ReportFailure(_))),
        "it was told, not waited for"
    );
}

#[test]
fn an_active_plan_ends_before_its_application_stops() {
    let mut mesh = Mesh::new(CHAIN);
    let id = mesh.submit(0, 1, b"[1]");
    mesh.run(10_000, |m| m.state.request(&id).is_some_and(|r| r.plan.is_some()));
    mesh.operate(set(AppState::Stopped));
    mesh.run(10_000, |m| m.state.request(&id).is_some_and(|r| r.status.ended()));
    let status = mesh.state.request(&id).unwrap().status;
    assert_eq!(status, trustmesh_types::records::Status::Finalized);
    mesh.run(60_000, |m| m.nodes.iter().all(|n| n.stops.len() == 1));
}

#[test]
fn nothing_begins_in_the_name_of_one_who_may_not_publish() {
    let mut mesh = up();
    // Its state is of before the publisher was revoked, and hears of a word that never was.
    let effects = mesh.step(
        0,
        Input::Started {
            app: app_id(),
            generation: 9,
            result: Err("another generation".to_owned()),
        },
    );
    assert!(!effects.iter().any(|it| matches!(it, Effect::Transact(_))), "{effects:?}");
}
