//! What workers sign: progress and finalization, and what does not count.

use super::fixture::{Mesh, NEEDS, output, task};
use trustmesh_types::{
    Digest, Payload, PublicKey, RequestId,
    events::Event,
    evidence::{Finalization, SignedCompletion},
    limits,
    records::Status,
    reject::RejectCode,
    request::StorageReceipt,
    resources::Resources,
};

fn active(workflow: &str) -> (Mesh, RequestId) {
    let mut mesh = Mesh::new(5);
    let id = mesh.submit(workflow);
    mesh.activate(&id);
    (mesh, id)
}

#[test]
fn all_completions_and_receipts_finalize() {
    let (mut mesh, id) = active("w");
    mesh.one(mesh.finalize(&id)).unwrap();
    let record = mesh.record(&id);
    assert_eq!((record.status, record.ended_ms), (Status::Finalized, mesh.now_ms));
    assert_eq!((record.completions.len(), record.result_receipts.len()), (4, 2));
    assert_eq!(mesh.reserved(), Resources::ZERO);
    assert!(mesh.events.contains(&Event::RequestFinalized { request: id }));
    let again = Finalization { request: id, designation: 1, completions: vec![], receipts: vec![] };
    let got = mesh.refuse((mesh.key(0), Payload::Finalize(again)));
    assert_eq!(got, (RejectCode::RequestEnded, false));
}

/// Changes a completion, and has its node sign it anew.
fn resign(mesh: &Mesh, signed: &mut SignedCompletion, change: impl FnOnce(&mut SignedCompletion)) {
    change(signed);
    let key = mesh.secret(&signed.completion.node);
    *signed = signed.completion.clone().sign(key, &mesh.network);
}

#[test]
fn evidence_that_is_wrong_in_one_place_is_refused() {
    type Spoil = fn(&Mesh, &mut Finalization);
    let cases: [(&str, Spoil, RejectCode); 12] = [
        ("missing", |_, f| drop(f.completions.remove(1)), RejectCode::MissingCompletions),
        ("designation", |_, f| f.designation += 1, RejectCode::NotActive),
        (
            "unknown task",
            |m, f| {
                resign(m, &mut f.completions[0], |c| c.completion.task = task("x"));
            },
            RejectCode::NotOpen,
        ),
        (
            "twice",
            |_, f| f.completions.push(f.completions[0].clone()),
            RejectCode::MissingCompletions,
        ),
        ("forged", |_, f| f.completions[0].signature.0[0] ^= 1, RejectCode::BadSignature),
        (
            "another length",
            |_, f| f.completions[0].completion.output_bytes += 1,
            RejectCode::BadSignature,
        ),
        (
            "not assigned",
            |m, f| {
                let node = f.completions[0].completion.node;
                let other = (0..5).map(|i| m.key(i)).find(|k| *k != node).unwrap();
                resign(m, &mut f.completions[0], |c| c.completion.node = other);
            },
            RejectCode::NotAssigned,
        ),
        (
            "other input",
            |m, f| {
                resign(m, &mut f.completions[3], |c| {
                    c.completion.inputs[0].digest = Digest::default()
                });
            },
            RejectCode::InputMismatch,
        ),
        (
            "other output within",
            |m, f| {
                resign(m, &mut f.completions[0], |c| c.completion.output = Digest::default());
            },
            RejectCode::InputMismatch,
        ),
        (
            "other designation",
            |m, f| {
                resign(m, &mut f.completions[0], |c| c.completion.designation += 1);
            },
            RejectCode::NotAssigned,
        ),
        (
            "too large",
            |m, f| {
                let bytes = limits::OUTPUT_BYTES_MAX + 1;
                resign(m, &mut f.completions[3], |c| c.completion.output_bytes = bytes);
            },
            RejectCode::InvalidValue,
        ),
        ("receipts", |_, f| f.receipts.truncate(1), RejectCode::TooFewReceipts),
    ];
    for (what, spoil, code) in cases {
        let (mut mesh, id) = active("w");
        let mut finalization = mesh.finalization(&id);
        spoil(&mesh, &mut finalization);
        let got = mesh.refuse((mesh.key(0), Payload::Finalize(finalization)));
        assert_eq!(got, (code, false), "{what}");
        assert_eq!(mesh.status(&id), Status::Active);
    }
    let (mut mesh, id) = active("w");
    let good = mesh.finalization(&id);
    let got = mesh.refuse((mesh.device.public(), Payload::Finalize(good)));
    assert_eq!(got, (RejectCode::WrongRole, false));
}

#[test]
fn progress_marks_tasks_done_and_gives_their_room_back() {
    let (mut mesh, id) = active("w");
    assert_eq!(mesh.reserved().cpu_millis, 4 * NEEDS.cpu_millis);
    mesh.one(mesh.record_progress(&id, &["a", "b"])).unwrap();
    assert_eq!(mesh.reserved().cpu_millis, 2 * NEEDS.cpu_millis);
    let record = mesh.record(&id);
    assert_eq!(record.done.keys().cloned().collect::<Vec<_>>(), [task("a"), task("b")]);
    let held = record.plan.unwrap().reserved.into_values();
    assert_eq!(held.fold(Resources::ZERO, Resources::plus), mesh.reserved());
    assert!(mesh.events.contains(&Event::TaskDone { request: id, task: task("b") }));
    mesh.one(mesh.finalize(&id)).unwrap();
    let record = mesh.record(&id);
    assert_eq!(record.completions.len(), 2, "those of c and d");
    assert_eq!(record.completion(&task("a")).unwrap().completion.output, output(&task("a")));
    assert_eq!(mesh.reserved(), Resources::ZERO);
}

#[test]
fn progress_that_does_not_hold_is_refused() {
    let (mut mesh, id) = active("w");
    let entry = mesh.key(0);
    let (good, early) = (mesh.progress(&id, &["a"]), mesh.progress(&id, &["b"]));
    let mut empty = good.clone();
    empty.done.clear();
    let mut later = good.clone();
    later.designation += 1;
    let mut few = good.clone();
    few.done[0].receipts.pop();
    let mut forged = good.clone();
    forged.done[0].completion.signature.0[5] ^= 1;
    for (what, progress, code) in [
        ("empty", empty, RejectCode::InvalidValue),
        ("another plan", later, RejectCode::NotActive),
        ("receipts", few, RejectCode::TooFewReceipts),
        ("forged", forged, RejectCode::BadSignature),
        ("before its predecessor", early, RejectCode::InputMismatch),
    ] {
        let got = mesh.refuse((entry, Payload::RecordProgress(progress)));
        assert_eq!(got, (code, false), "{what}");
    }
    mesh.one((entry, Payload::RecordProgress(good.clone()))).unwrap();
    let again = mesh.refuse((entry, Payload::RecordProgress(good)));
    assert_eq!(again, (RejectCode::NotOpen, false), "done tasks stay done");
    let by_device = (mesh.device.public(), Payload::RecordProgress(mesh.progress(&id, &["b"])));
    assert_eq!(mesh.refuse(by_device), (RejectCode::WrongRole, false));
}

#[test]
fn of_replicas_more_than_half_must_agree() {
    let other = Digest::of(b"another output");
    let cases: [(&str, &[bool], Option<RejectCode>); 6] = [
        ("all", &[true, true, true], None),
        ("two of three", &[true, true], None),
        ("two of three for another", &[false, false], None),
        ("one of three", &[true], Some(RejectCode::MissingCompletions)),
        ("they differ", &[true, true, false], Some(RejectCode::MissingCompletions)),
        ("none", &[], Some(RejectCode::MissingCompletions)),
    ];
    for (what, votes, code) in cases {
        let (mut mesh, id) = active("three");
        let mut finalization = mesh.finalization(&id);
        finalization.completions.truncate(votes.len());
        for (signed, vote) in finalization.completions.iter_mut().zip(votes) {
            if !vote {
                resign(&mesh, signed, |c| c.completion.output = other);
            }
        }
        finalization.receipts.extend(mesh.receipts(id.0, other, 7));
        let got = mesh.one((mesh.key(0), Payload::Finalize(finalization)));
        assert_eq!(got.map_err(|r| r.code).err(), code, "{what}");
    }
    let (mut mesh, id) = active("three");
    let done = mesh.completions(&id, "a");
    let mut progress = mesh.progress(&id, &["a"]);
    let got = mesh.refuse((mesh.key(0), Payload::RecordProgress(progress.clone())));
    assert_eq!(got, (RejectCode::MissingCompletions, false), "one is not enough");
    let mut second = progress.done[0].clone();
    second.completion = done[1].clone();
    progress.done.push(second);
    mesh.one((mesh.key(0), Payload::RecordProgress(progress))).unwrap();
    assert_eq!(mesh.record(&id).done[&task("a")].receipts.len(), 2, "each receipt once");
}

#[test]
fn receipts_that_do_not_count_are_not_kept() {
    let (mut mesh, id) = active("one");
    let mut finalization = mesh.finalization(&id);
    let good = finalization.receipts.clone();
    let mut forged = good[0].clone();
    forged.signature.0[0] ^= 1;
    let digest = output(&task("a"));
    let sign = |at: usize, subject, digest| {
        StorageReceipt::sign(&mesh.nodes[at], &mesh.network, subject, digest, 7)
    };
    let chaff = [
        forged,
        sign(4, id.0, digest),
        sign(2, Digest::default(), digest),
        sign(3, id.0, Digest::default()),
        good[1].clone(),
    ];
    finalization.receipts.splice(0..0, chaff);
    mesh.one((mesh.key(0), Payload::Finalize(finalization))).unwrap();
    let mut kept = mesh.record(&id).result_receipts;
    kept.sort_by_key(|r| r.validator);
    let validators: Vec<PublicKey> = kept.iter().map(|r| r.validator).collect();
    assert_eq!(validators, [mesh.key(0), mesh.key(1)]);
    assert!(kept.iter().all(|r| r.verify(&mesh.network).is_ok()));
}
