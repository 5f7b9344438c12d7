//! The queue: who waits, what wakes them, in which order and how many per block.

use super::fixture::{CAPACITY, Mesh, NEEDS, app};
use crate::tables::{Deadlines, Waiting, deadline};
use trustmesh_types::{
    Payload, PublicKey, RequestId, limits,
    records::{Condition, Status},
    transaction::AppReport,
};

/// Everybody declines a request in turn.
fn decline_all(mesh: &mut Mesh, id: &RequestId) {
    while mesh.designee(id).is_some() {
        mesh.one(mesh.decline(id)).unwrap();
    }
    assert!(mesh.record(id).waiting.is_some());
}

fn retry_armed(mesh: &Mesh) -> bool {
    mesh.store.iter::<Deadlines>().any(|(key, _)| key.kind == deadline::RETRY)
}

/// Lets the snapshots of all nodes expire.
fn go_dark(mesh: &mut Mesh) {
    mesh.block(mesh.parameters.snapshot_lifetime_ms() + 1, vec![]);
}

#[test]
fn without_live_nodes_a_request_waits_until_one_reports() {
    let mut mesh = Mesh::new(4);
    go_dark(&mut mesh);
    let id = mesh.submit("w");
    let record = mesh.record(&id);
    assert_eq!((record.status, record.designation), (Status::Requested, 0));
    assert!(record.waiting.unwrap().contains("live resource snapshot"));
    mesh.block(10, vec![]);
    mesh.block(10, vec![]);
    assert!(mesh.designee(&id).is_none() && !retry_armed(&mesh), "nobody makes blocks for it");
    mesh.one(mesh.report(2, 0)).unwrap();
    assert_eq!(mesh.designee(&id), Some(mesh.key(2)));
    assert!(mesh.store.first::<Waiting>().is_none());
}

#[test]
fn a_request_does_not_wait_for_ever() {
    let mut mesh = Mesh::new(4);
    mesh.parameters.queueing_timeout_ms = 5_000;
    let id = mesh.submit("w");
    decline_all(&mut mesh, &id);
    let since_ms = mesh.record(&id).queued_ms.unwrap();
    mesh.one(mesh.report(1, 0)).unwrap();
    assert!(mesh.designee(&id).is_some(), "it is tried again");
    decline_all(&mut mesh, &id);
    assert_eq!(mesh.record(&id).queued_ms, Some(since_ms), "but still queued");
    mesh.block(5_000, vec![]);
    let record = mesh.record(&id);
    assert_eq!(record.status, Status::Failed);
    let reason = record.reason.unwrap();
    assert!(reason.contains("waited") && reason.contains("fits nowhere"), "{reason}");
}

#[test]
fn nobody_is_asked_to_plan_what_runs_nowhere() {
    let mut mesh = Mesh::new(4);
    let id = mesh.submit("w");
    decline_all(&mut mesh, &id);
    (0..4).for_each(|at| mesh.put_condition(at, Condition::Failed));
    mesh.one(mesh.report(1, 0)).unwrap();
    mesh.block(10, vec![]);
    assert!(mesh.designee(&id).is_none(), "it would only decline");
    for at in 0..4 {
        let (condition, note) = (Condition::Running, None);
        let report = AppReport { app: app(), generation: 1, condition, note };
        mesh.block(10, vec![]);
        mesh.one((mesh.key(at), Payload::ReportApp(report))).unwrap();
    }
    assert!(mesh.designee(&id).is_some(), "word of the first one that runs it wakes it");
}

#[test]
fn a_plan_ends_the_queueing() {
    let mut mesh = Mesh::new(4);
    mesh.parameters.queueing_timeout_ms = 500;
    let id = mesh.submit("w");
    decline_all(&mut mesh, &id);
    mesh.one(mesh.report(1, 0)).unwrap();
    mesh.activate(&id);
    assert_eq!(mesh.record(&id).queued_ms, None);
    mesh.block(600, vec![]);
    assert_eq!(mesh.status(&id), Status::Active);
}

#[test]
fn a_declined_request_needs_a_change_that_could_help() {
    let mut mesh = Mesh::new(4);
    let running = mesh.submit("one");
    mesh.activate(&running);
    let id = mesh.submit("w");
    decline_all(&mut mesh, &id);
    for _ in 0..3 {
        mesh.block(10, vec![]);
        assert!(mesh.designee(&id).is_none(), "nothing changed");
    }
    assert!(!retry_armed(&mesh));
    mesh.one(mesh.finalize(&running)).unwrap();
    assert_eq!(mesh.record(&id).designation, 5, "room was released");
}

#[test]
fn a_change_that_early_decliners_could_not_see_is_not_lost() {
    let mut mesh = Mesh::new(4);
    let running = mesh.submit("one");
    mesh.activate(&running);
    let id = mesh.submit("w");
    mesh.one(mesh.decline(&id)).unwrap();
    mesh.one(mesh.finalize(&running)).unwrap();
    while mesh.designee(&id).is_some() {
        mesh.one(mesh.decline(&id)).unwrap();
    }
    assert!(retry_armed(&mesh), "the next block shall come at once");
    mesh.block(1, vec![]);
    assert_eq!(mesh.record(&id).designation, 5);
    decline_all(&mut mesh, &id);
    for _ in 0..3 {
        mesh.block(1, vec![]);
    }
    assert_eq!(mesh.record(&id).designation, 8, "now everybody has seen it");
    assert!(!retry_armed(&mesh));
}

#[test]
fn what_came_in_the_block_that_let_it_wait_wakes_it_in_the_next() {
    let mut mesh = Mesh::new(4);
    go_dark(&mut mesh);
    let id = mesh.submit("w");
    assert!(mesh.designee(&id).is_none());
    mesh.one(mesh.report(0, 0)).unwrap();
    let last = mesh.decline(&id);
    let report = mesh.report(1, 0);
    mesh.block(10, vec![last, report]);
    // The report came after the decline, in the same block; it is designated right away
    // or from the next block on, but not lost.
    mesh.block(10, vec![]);
    assert_eq!(mesh.designee(&id), Some(mesh.key(0).min(mesh.key(1))));
}

#[test]
fn oldest_first_and_no_more_than_what_is_free_could_hold() {
    let mut mesh = Mesh::new(4);
    let full = CAPACITY.cpu_millis;
    let ids: Vec<RequestId> = (0..3).map(|_| mesh.submit("one")).collect();
    let busy = (0..4).map(|at| mesh.report(at, full)).collect();
    mesh.block(10, busy);
    for id in &ids {
        decline_all(&mut mesh, id);
    }
    mesh.one(mesh.report(0, full - 1)).unwrap();
    assert!(ids.iter().all(|id| mesh.designee(id).is_none()), "none could fit");
    mesh.one(mesh.report(0, full - 2 * NEEDS.cpu_millis)).unwrap();
    let designated: Vec<bool> = ids.iter().map(|id| mesh.designee(id).is_some()).collect();
    assert_eq!(designated, [true, true, false]);
    mesh.activate(&ids[0]);
    decline_all(&mut mesh, &ids[1]);
    mesh.block(1, vec![]);
    assert!(mesh.designee(&ids[2]).is_some(), "what was left for another is free again");
}

#[test]
fn a_long_queue_is_tried_over_several_blocks() {
    let mut mesh = Mesh::new(4);
    mesh.parameters.open_requests_per_device_max = 1_000;
    mesh.parameters.generation_timeout_ms = 1_000_000;
    mesh.parameters.request_lifetime_ms_max = 3_600_000;
    go_dark(&mut mesh);
    let count = 400;
    let txs: Vec<(PublicKey, Payload)> = (0..count)
        .map(|_| {
            let mut body = mesh.body("one");
            body.deadline_ms += 1_000_000;
            mesh.submission(body)
        })
        .collect();
    assert!(mesh.block(10, txs).iter().all(Result::is_ok));
    let waiting = |mesh: &Mesh| mesh.store.iter::<Waiting>().count();
    assert_eq!(waiting(&mesh), count);
    // Room for sixteen per block: what was left for them is free again in the next.
    let reports = (0..4).map(|at| mesh.report(at, 0)).collect();
    mesh.block(10, reports);
    assert_eq!(waiting(&mesh), count - 16);
    let mut blocks = 0;
    while retry_armed(&mesh) {
        mesh.block(1, vec![]);
        blocks += 1;
        assert!(blocks < 100, "a pass ends");
    }
    assert!(waiting(&mesh) < count - 16);
    let mut tiny = NEEDS;
    tiny.cpu_millis = 1;
    tiny.memory_bytes = 1;
    mesh.put_app(trustmesh_types::records::AppState::Running, tiny);
    let before = waiting(&mesh);
    mesh.one(mesh.report(0, 0)).unwrap();
    assert_eq!(before - waiting(&mesh), limits::RETRIES_PER_BLOCK_MAX);
    while waiting(&mesh) > 0 {
        assert!(retry_armed(&mesh));
        mesh.block(1, vec![]);
    }
}
