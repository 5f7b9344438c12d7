//! Execution going wrong, and the deadlines of a request's life.

use super::fixture::{Mesh, NEEDS, output, task};
use crate::tables::{Deadlines, Requests, deadline};
use trustmesh_types::{
    Payload, PublicKey,
    events::Event,
    evidence::{Finalization, TaskFailure},
    limits,
    records::{AppState, Status},
    reject::RejectCode,
    resources::Resources,
};

#[test]
fn a_failed_task_sends_the_request_back_without_its_node() {
    let mut mesh = Mesh::new(5);
    let id = mesh.submit("w");
    mesh.activate(&id);
    mesh.one(mesh.record_progress(&id, &["a"])).unwrap();
    let node = mesh.assigned(&id, "b")[0];
    mesh.one(mesh.failure(&id, "b", node)).unwrap();
    let record = mesh.record(&id);
    assert_eq!((record.status, record.designation), (Status::Requested, 2));
    assert_eq!(record.barred, [node]);
    assert!(record.reason.unwrap().contains("the application says no"));
    assert_eq!(mesh.reserved(), Resources::ZERO, "nothing was released twice");
    assert!(mesh.events.iter().any(|e| matches!(e, Event::PlanAbandoned { .. })));
    let plan = mesh.plan(&id).unwrap();
    assert_eq!(plan.assignments.len(), 3, "a stays done");
    mesh.one(mesh.confirm(plan)).unwrap();
    mesh.one(mesh.finalize(&id)).unwrap();
    let record = mesh.record(&id);
    assert_eq!((record.status, record.attempts, record.reason), (Status::Finalized, 2, None));
}

#[test]
fn attempts_are_bounded_and_the_last_failure_is_told() {
    let mut mesh = Mesh::new(5);
    let id = mesh.submit("w");
    for attempt in 1..=mesh.parameters.execution_attempts_max {
        mesh.activate(&id);
        assert_eq!(mesh.record(&id).attempts, attempt);
        let node = mesh.assigned(&id, "a")[0];
        mesh.one(mesh.failure(&id, "a", node)).unwrap();
    }
    let record = mesh.record(&id);
    assert_eq!((record.status, record.barred.len()), (Status::Failed, 3));
    assert!(!mesh.events.iter().any(|e| matches!(e, Event::PlanAbandoned { .. })));
    assert!(record.reason.unwrap().contains("the application says no"));
    assert_eq!(mesh.reserved(), Resources::ZERO);
}

#[test]
fn only_the_assigned_node_reports_an_open_task_of_the_active_plan() {
    let mut mesh = Mesh::new(5);
    let id = mesh.submit("w");
    mesh.activate(&id);
    let node = mesh.assigned(&id, "a")[0];
    let other = (0..5).map(|i| mesh.key(i)).find(|k| *k != node).unwrap();
    let (_, good) = mesh.failure(&id, "a", node);
    assert_eq!(mesh.refuse((other, good)), (RejectCode::NotAssigned, false), "for another");
    let not_mine = mesh.failure(&id, "a", other);
    assert_eq!(mesh.refuse(not_mine), (RejectCode::NotAssigned, false), "not its task");
    let Payload::ReportFailure(failure) = mesh.failure(&id, "a", node).1 else { unreachable!() };
    let late = TaskFailure { designation: 2, ..failure };
    let got = mesh.refuse((node, Payload::ReportFailure(late)));
    assert_eq!(got, (RejectCode::NotActive, false), "another plan");
    mesh.one(mesh.record_progress(&id, &["a"])).unwrap();
    let done = mesh.failure(&id, "a", node);
    assert_eq!(mesh.refuse(done), (RejectCode::NotOpen, false), "done stays done");
}

#[test]
fn long_reasons_are_cut() {
    let mut mesh = Mesh::new(5);
    let id = mesh.submit("one");
    mesh.activate(&id);
    let node = mesh.assigned(&id, "a")[0];
    let (_, payload) = mesh.failure(&id, "a", node);
    let Payload::ReportFailure(mut failure) = payload else { unreachable!() };
    failure.reason = "é".repeat(5_000);
    mesh.one((node, Payload::ReportFailure(failure))).unwrap();
    let reason = mesh.record(&id).reason.unwrap();
    assert!(reason.contains("task a failed") && reason.len() <= limits::TEXT_BYTES_MAX);
}

#[test]
fn replicas_bear_failures_up_to_a_minority() {
    let mut mesh = Mesh::new(5);
    let id = mesh.submit("three");
    mesh.activate(&id);
    let nodes = mesh.assigned(&id, "a");
    mesh.one(mesh.failure(&id, "a", nodes[0])).unwrap();
    assert_eq!(mesh.status(&id), Status::Active, "two of three can still agree");
    mesh.one(mesh.failure(&id, "a", nodes[0])).unwrap();
    assert_eq!(mesh.status(&id), Status::Active, "saying it twice counts once");
    mesh.one(mesh.failure(&id, "a", nodes[1])).unwrap();
    assert_eq!(mesh.status(&id), Status::Requested);
    assert_eq!(mesh.record(&id).barred.len(), 2);
}

#[test]
fn overdue_execution_bars_only_who_could_have_run() {
    let mut mesh = Mesh::new(5);
    let id = mesh.submit("w");
    let mut plan = mesh.plan(&id).unwrap();
    for (at, assignment) in plan.assignments.iter_mut().enumerate() {
        assignment.nodes = vec![mesh.key(at)];
    }
    mesh.one(mesh.confirm(plan)).unwrap();
    mesh.one(mesh.record_progress(&id, &["a", "c"])).unwrap();
    let due_ms = mesh.record(&id).plan.unwrap().deadline_ms;
    mesh.block(due_ms - mesh.now_ms - 1, vec![]);
    assert_eq!(mesh.status(&id), Status::Active);
    mesh.block(1, vec![]);
    let record = mesh.record(&id);
    assert_eq!(record.status, Status::Requested);
    assert_eq!(record.barred, [mesh.key(1)], "node of `b`; `d` could not run yet");
    let reason = record.reason.unwrap();
    assert!(reason.starts_with("execution is overdue: task b"), "{reason}");
    assert_eq!(mesh.reserved(), Resources::ZERO);
}

#[test]
fn progress_under_an_abandoned_plan_still_counts() {
    let mut mesh = Mesh::new(5);
    let id = mesh.submit("w");
    mesh.activate(&id);
    let late = mesh.record_progress(&id, &["a", "b"]);
    let node = mesh.assigned(&id, "c")[0];
    mesh.one(mesh.failure(&id, "c", node)).unwrap();
    mesh.one(late.clone()).unwrap();
    assert_eq!(mesh.reserved(), Resources::ZERO, "nothing was released twice");
    let plan = mesh.plan(&id).unwrap();
    assert_eq!(plan.assignments.len(), 2);
    mesh.one(mesh.confirm(plan)).unwrap();
    assert_eq!(mesh.refuse(late), (RejectCode::NotActive, false), "of the plan before");
    mesh.one(mesh.finalize(&id)).unwrap();
}

#[test]
fn a_request_whose_tasks_are_all_done_finalizes_by_an_empty_plan() {
    let mut mesh = Mesh::new(5);
    let id = mesh.submit("w");
    mesh.activate(&id);
    let all = mesh.record_progress(&id, &["a", "b", "c", "d"]);
    let node = mesh.assigned(&id, "d")[0];
    mesh.one(mesh.failure(&id, "d", node)).unwrap();
    mesh.one(all).unwrap();
    assert!(mesh.plan(&id).unwrap().assignments.is_empty());
    mesh.activate(&id);
    let designation = mesh.record(&id).designation;
    let empty = Finalization { request: id, designation, completions: vec![], receipts: vec![] };
    mesh.one((mesh.key(0), Payload::Finalize(empty))).unwrap();
    let record = mesh.record(&id);
    assert_eq!(record.status, Status::Finalized);
    assert_eq!(record.completion(&task("d")).unwrap().completion.output, output(&task("d")));
}

#[test]
fn an_app_deployed_anew_with_other_needs_does_not_upset_what_is_reserved() {
    let mut mesh = Mesh::new(5);
    let id = mesh.submit("w");
    mesh.activate(&id);
    let before = mesh.reserved();
    mesh.block(1, vec![]);
    let huge = Resources { cpu_millis: 3 * NEEDS.cpu_millis, ..NEEDS };
    mesh.put_app(AppState::Running, huge);
    mesh.one(mesh.record_progress(&id, &["a"])).unwrap();
    assert_eq!(mesh.reserved(), before, "kept until the plan ends");
    mesh.one(mesh.finalize(&id)).unwrap();
    assert_eq!(mesh.reserved(), Resources::ZERO);
}

#[test]
fn the_requests_own_deadline_ends_an_active_plan_and_releases_it() {
    let mut mesh = Mesh::new(5);
    let mut body = mesh.body("w");
    body.deadline_ms = mesh.now_ms + 500;
    let id = body.id();
    mesh.one(mesh.submission(body)).unwrap();
    mesh.activate(&id);
    assert!(mesh.store.iter::<Deadlines>().all(|(k, _)| k.kind != deadline::EXECUTION));
    mesh.block(600, vec![]);
    let record = mesh.record(&id);
    assert_eq!(record.status, Status::Failed);
    assert!(record.reason.unwrap().contains("its plan was running"));
    assert_eq!(mesh.reserved(), Resources::ZERO);
}

#[test]
fn a_block_fires_a_bounded_number_of_deadlines_and_the_rest_later() {
    let mut mesh = Mesh::new(4);
    let count = limits::DEADLINES_PER_BLOCK_MAX + 10;
    mesh.parameters.open_requests_per_device_max = 1_000;
    mesh.parameters.generation_timeout_ms = 1_000_000;
    let txs: Vec<(PublicKey, Payload)> = (0..count)
        .map(|_| {
            let body = mesh.body("one");
            mesh.submission(body)
        })
        .collect();
    assert!(mesh.block(10, txs).iter().all(Result::is_ok));
    let failed = |mesh: &Mesh| {
        mesh.store.iter::<Requests>().filter(|(_, r)| r.status == Status::Failed).count()
    };
    mesh.block(60_000, vec![]);
    assert_eq!(failed(&mesh), limits::DEADLINES_PER_BLOCK_MAX);
    mesh.block(1, vec![]);
    assert_eq!(failed(&mesh), count);
}
