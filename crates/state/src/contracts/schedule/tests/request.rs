//! Phase 1: what comes onto the ledger; and how a request ends without being planned.

use super::fixture::{Mesh, NEEDS};
use crate::tables::{Deadlines, Designated, Designations, Members, Requests, Workflows};
use trustmesh_types::{
    Digest, Payload, PublicKey, SecretKey, WorkflowId,
    events::Event,
    ids::NetworkId,
    limits,
    records::{AppState, Member, Status},
    reject::RejectCode,
    request::{Endpoint, RequestBody, Submission},
};

fn open_requests(mesh: &Mesh) -> u32 {
    match mesh.store.get::<Members>(&mesh.device.public()) {
        Some(Member::Device { open_requests, .. }) => open_requests,
        other => panic!("no device: {other:?}"),
    }
}

#[test]
fn an_accepted_request_is_designated_and_counted() {
    let mut mesh = Mesh::new(4);
    let body = mesh.body("w");
    let id = body.id();
    let tx = mesh.submission(body);
    mesh.one(tx.clone()).unwrap();
    let record = mesh.record(&id);
    assert_eq!((record.status, record.designation), (Status::Requested, 1));
    assert_eq!(record.input_holders, [mesh.key(0), mesh.key(1)]);
    assert_eq!(open_requests(&mesh), 1);
    let kinds: Vec<bool> = mesh
        .events
        .iter()
        .map(|e| matches!(e, Event::RequestAccepted { .. } | Event::Designated { .. }))
        .collect();
    assert_eq!(kinds, [true, true]);
    assert_eq!(mesh.refuse(tx), (RejectCode::RequestExists, false));
}

#[test]
fn bodies_that_break_a_rule_are_refused() {
    type Spoil = fn(&mut RequestBody);
    let cases: [(&str, Spoil, RejectCode); 7] = [
        ("network", |b| b.network = NetworkId::default(), RejectCode::InvalidValue),
        ("input", |b| b.input_bytes = limits::INPUT_BYTES_MAX + 1, RejectCode::InvalidValue),
        ("endpoint", |b| b.endpoint = Endpoint::Push("x".repeat(513)), RejectCode::InvalidValue),
        ("past", |b| b.deadline_ms = 1_000_020, RejectCode::BadDeadline),
        ("far", |b| b.deadline_ms = 1_000_021 + 3_600_000, RejectCode::BadDeadline),
        ("device", |b| b.device = PublicKey([7; 32]), RejectCode::UnknownDevice),
        ("workflow", |b| b.workflow = WorkflowId::new("x").unwrap(), RejectCode::UnknownWorkflow),
    ];
    for (what, spoil, code) in cases {
        let mut mesh = Mesh::new(4);
        let mut body = mesh.body("w");
        spoil(&mut body);
        assert_eq!(mesh.refuse(mesh.submission(body)), (code, false), "{what}");
        assert_eq!(open_requests(&mesh), 0);
    }
}

#[test]
fn deadlines_at_the_edges_are_taken() {
    for deadline_ms in [1_000_021, 1_000_020 + 3_600_000] {
        let mut mesh = Mesh::new(4);
        let mut body = mesh.body("w");
        body.deadline_ms = deadline_ms;
        mesh.one(mesh.submission(body)).unwrap();
        assert_eq!(mesh.now_ms, 1_000_020);
    }
}

#[test]
fn signatures_and_receipts_are_checked() {
    let mut mesh = Mesh::new(5);
    let good = {
        let body = mesh.body("w");
        let Payload::SubmitRequest(s) = mesh.submission(body).1 else { unreachable!() };
        s
    };
    let edit = |change: &dyn Fn(&mut Submission)| {
        let mut submission = good.clone();
        change(&mut submission);
        submission
    };
    let outsider = SecretKey::from_seed([77; 32]);
    let (subject, input) = (good.body.id().0, good.body.input);
    let by = |key: &SecretKey, subject, input, bytes| {
        trustmesh_types::request::StorageReceipt::sign(key, &mesh.network, subject, input, bytes)
    };
    let second = &mesh.nodes[1];
    let cases = [
        ("signature", edit(&|s| s.signature.0[0] ^= 1), RejectCode::BadSignature),
        ("none", edit(&|s| s.receipts.clear()), RejectCode::TooFewReceipts),
        ("one twice", edit(&|s| s.receipts[1] = s.receipts[0].clone()), RejectCode::TooFewReceipts),
        (
            "no validator",
            edit(&|s| s.receipts[1] = by(&mesh.nodes[4], subject, input, 5)),
            RejectCode::TooFewReceipts,
        ),
        (
            "an outsider",
            edit(&|s| s.receipts[1] = by(&outsider, subject, input, 5)),
            RejectCode::TooFewReceipts,
        ),
        (
            "another request",
            edit(&|s| s.receipts[1] = by(second, Digest::default(), input, 5)),
            RejectCode::TooFewReceipts,
        ),
        (
            "other bytes",
            edit(&|s| s.receipts[1] = by(second, subject, Digest::default(), 5)),
            RejectCode::TooFewReceipts,
        ),
        (
            "another length",
            edit(&|s| s.receipts[1] = by(second, subject, input, 6)),
            RejectCode::TooFewReceipts,
        ),
        (
            "a forged one",
            edit(&|s| s.receipts[1].signature = s.receipts[0].signature),
            RejectCode::TooFewReceipts,
        ),
    ];
    let (entry, device) = (mesh.key(0), mesh.device.public());
    for (what, submission, code) in cases {
        let got = mesh.refuse((entry, Payload::SubmitRequest(submission)));
        assert_eq!(got, (code, false), "{what}");
    }
    let got = mesh.refuse((device, Payload::SubmitRequest(good.clone())));
    assert_eq!(got, (RejectCode::WrongRole, false), "devices hand requests to nodes");
    mesh.one((entry, Payload::SubmitRequest(good))).unwrap();
}

#[test]
fn retired_workflows_removed_apps_and_revoked_devices_take_nothing() {
    let mut mesh = Mesh::new(4);
    let body = mesh.body("w");
    let tx = mesh.submission(body);
    mesh.put_app(AppState::Removed, NEEDS);
    assert_eq!(mesh.refuse(tx.clone()), (RejectCode::AppState, false));
    mesh.put_app(AppState::Stopped, NEEDS);
    let id = WorkflowId::new("w").unwrap();
    let mut record = mesh.store.get::<Workflows>(&id).unwrap();
    record.retired = true;
    mesh.store.put::<Workflows>(&id, &record);
    assert_eq!(mesh.refuse(tx.clone()), (RejectCode::WorkflowRetired, false));
    record.retired = false;
    mesh.store.put::<Workflows>(&id, &record);
    let device = mesh.device.public();
    let member =
        |revoked| Member::Device { name: "d".into(), revoked, open_requests: 0, changed: 0 };
    mesh.store.put::<Members>(&device, &member(true));
    assert_eq!(mesh.refuse(tx.clone()), (RejectCode::UnknownDevice, false));
    mesh.store.put::<Members>(&device, &member(false));
    mesh.one(tx).unwrap();
}

#[test]
fn open_requests_of_a_device_are_capped_until_one_ends() {
    let mut mesh = Mesh::new(4);
    mesh.parameters.open_requests_per_device_max = 2;
    let (one, _) = (mesh.submit("one"), mesh.submit("one"));
    let body = mesh.body("one");
    let tx = mesh.submission(body);
    assert_eq!(mesh.refuse(tx.clone()), (RejectCode::TooManyRequests, false));
    mesh.one(mesh.cancel(&one)).unwrap();
    mesh.one(tx).unwrap();
}

#[test]
fn its_device_and_operators_cancel_others_do_not() {
    let mut mesh = Mesh::new(4);
    let id = mesh.submit("w");
    let cancel = |by| (by, Payload::CancelRequest { request: id });
    assert_eq!(mesh.refuse(cancel(mesh.key(0))), (RejectCode::WrongRole, false));
    mesh.one(cancel(mesh.device.public())).unwrap();
    assert_eq!(mesh.status(&id), Status::Cancelled);
    assert!(mesh.designee(&id).is_none());
    assert!(mesh.store.first::<Designated>().is_none());
    assert_eq!(mesh.refuse(cancel(mesh.operator.public())), (RejectCode::RequestEnded, false));
    assert_eq!(open_requests(&mesh), 0);
    let active = mesh.submit("w");
    mesh.activate(&active);
    mesh.one(mesh.cancel(&active)).unwrap();
    assert_eq!(mesh.status(&active), Status::Cancelled);
    assert_eq!(mesh.reserved(), trustmesh_types::resources::Resources::ZERO);
}

#[test]
fn a_request_fails_at_its_deadline_and_its_record_leaves_later() {
    let mut mesh = Mesh::new(4);
    mesh.parameters.generation_timeout_ms = 1_000_000;
    let body = mesh.body("w");
    let (id, deadline_ms) = (body.id(), body.deadline_ms);
    let tx = mesh.submission(body);
    mesh.one(tx.clone()).unwrap();
    mesh.block(deadline_ms - mesh.now_ms - 1, vec![]);
    assert_eq!(mesh.status(&id), Status::Requested);
    mesh.block(1, vec![]);
    assert_eq!(mesh.status(&id), Status::Failed);
    assert!(mesh.record(&id).reason.unwrap().contains("being planned"));
    assert_eq!(mesh.refuse(tx.clone()).0, RejectCode::BadDeadline, "no replay while kept");
    mesh.block(mesh.parameters.request_retention_ms, vec![]);
    assert!(mesh.store.first::<Requests>().is_none());
    assert!(mesh.store.first::<Designations>().is_none());
    assert_eq!(mesh.refuse(tx).0, RejectCode::BadDeadline, "nor after");
    let left: Vec<u8> = mesh.store.iter::<Deadlines>().map(|(k, _)| k.kind).collect();
    assert!(left.iter().all(|kind| *kind == crate::tables::deadline::SNAPSHOT), "{left:?}");
}
