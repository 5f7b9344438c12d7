//! Completions that contradict each other: who is charged, and who is not.

use super::fixture::{Mesh, output, task};
use crate::tables::{Apps, Differences, Faults};
use trustmesh_types::{
    Digest, Payload, PublicKey, RequestId,
    events::Event,
    evidence::SignedCompletion,
    faults::{Conflict, FaultEvidence},
    limits,
    reject::RejectCode,
};

/// An active request whose only task has three replicas, and their completions.
fn running(mesh: &mut Mesh) -> (RequestId, Vec<SignedCompletion>) {
    let id = mesh.submit("three");
    mesh.activate(&id);
    let completions = mesh.completions(&id, "a");
    assert_eq!(completions.len(), 3);
    (id, completions)
}

fn other(mesh: &Mesh, signed: &SignedCompletion, text: &str) -> SignedCompletion {
    let mut completion = signed.completion.clone();
    completion.output = Digest::of(text.as_bytes());
    let key = mesh.secret(&completion.node);
    completion.sign(key, &mesh.network)
}

fn report(mesh: &Mesh, completions: Vec<SignedCompletion>) -> (PublicKey, Payload) {
    let first = completions[0].completion.clone();
    let conflict = Conflict {
        request: first.request,
        designation: first.designation,
        task: first.task,
        completions,
    };
    (mesh.key(3), Payload::ReportConflict(conflict))
}

fn charged(mesh: &Mesh) -> Vec<(PublicKey, RejectCode)> {
    let of = |event: &Event| match event {
        Event::Fault { node, rejection, .. } => Some((*node, rejection.code)),
        _ => None,
    };
    mesh.events.iter().filter_map(of).collect()
}

#[test]
fn two_outputs_of_one_node_are_its_fault_once() {
    let mut mesh = Mesh::new(4);
    let (_, completions) = running(&mut mesh);
    let first = completions[0].clone();
    let second = other(&mesh, &first, "another");
    mesh.one(report(&mesh, vec![first.clone(), second.clone()])).unwrap();
    let node = first.completion.node;
    assert_eq!(charged(&mesh), [(node, RejectCode::TwoCompletions)]);
    let fault = mesh.store.get::<Faults>(&(node, 1)).unwrap();
    assert_eq!(fault.evidence, FaultEvidence::Completions(vec![first.clone(), second.clone()]));
    let third = other(&mesh, &first, "a third");
    for pair in [vec![first.clone(), second.clone()], vec![second, third]] {
        let refused = mesh.refuse(report(&mesh, pair));
        assert_eq!(refused, (RejectCode::NoConflict, false));
    }
    assert!(mesh.store.get::<Faults>(&(node, 2)).is_none());
}

#[test]
fn an_outvoted_output_is_a_fault_of_a_deterministic_application_alone() {
    for deterministic in [true, false] {
        let mut mesh = Mesh::new(4);
        let mut app = mesh.store.get::<Apps>(&super::fixture::app()).unwrap();
        app.manifest.deterministic = deterministic;
        mesh.store.put::<Apps>(&super::fixture::app(), &app);
        let (_, mut completions) = running(&mut mesh);
        completions[1] = other(&mesh, &completions[1], "wrong");
        let liar = completions[1].completion.node;
        mesh.one(report(&mesh, completions.clone())).unwrap();
        if deterministic {
            assert_eq!(charged(&mesh), [(liar, RejectCode::WrongOutput)]);
        } else {
            assert_eq!(charged(&mesh), []);
            let told = mesh.events.iter().any(|event| {
                matches!(event, Event::OutputsDiffer { agreeing: 2, differing, .. }
                    if differing == &[liar])
            });
            assert!(told, "{:?}", mesh.events);
        }
        assert_eq!(mesh.refuse(report(&mesh, completions)), (RejectCode::NoConflict, false));
    }
}

#[test]
fn workers_that_do_not_vote_charge_nobody_however_many_agree() {
    let mut mesh = Mesh::new(6);
    let (_, mut completions) = running(&mut mesh);
    completions[0] = other(&mesh, &completions[0], "of an honest one");
    let agreeing = [completions[1].completion.node, completions[2].completion.node];
    let absent = (0..6).map(|at| mesh.key(at)).filter(|key| !agreeing.contains(key));
    mesh.validators = absent.take(4).collect();
    mesh.one(report(&mesh, completions)).unwrap();
    assert_eq!(charged(&mesh), []);
    assert!(mesh.events.iter().any(|e| matches!(e, Event::OutputsDiffer { agreeing: 2, .. })));
}

#[test]
fn under_version_one_any_nodes_that_agree_charge_who_differs() {
    let mut mesh = Mesh::new(6);
    mesh.parameters.protocol_version = 1;
    let (_, mut completions) = running(&mut mesh);
    completions[0] = other(&mesh, &completions[0], "of an honest one");
    let charged_one = completions[0].completion.node;
    let agreeing = [completions[1].completion.node, completions[2].completion.node];
    let absent = (0..6).map(|at| mesh.key(at)).filter(|key| !agreeing.contains(key));
    mesh.validators = absent.take(4).collect();
    mesh.one(report(&mesh, completions)).unwrap();
    assert_eq!(charged(&mesh), [(charged_one, RejectCode::WrongOutput)]);
}

#[test]
fn too_few_that_agree_charge_nobody() {
    let mut mesh = Mesh::new(4);
    let (_, completions) = running(&mut mesh);
    let wrong = other(&mesh, &completions[1], "wrong");
    mesh.one(report(&mesh, vec![completions[0].clone(), wrong])).unwrap();
    assert_eq!(charged(&mesh), []);
    assert!(mesh.events.iter().any(|e| matches!(e, Event::OutputsDiffer { agreeing: 1, .. })));
}

#[test]
fn other_inputs_excuse_another_output() {
    let mut mesh = Mesh::new(4);
    let (_, mut completions) = running(&mut mesh);
    let mut completion = completions[2].completion.clone();
    completion.output = Digest::of(b"of other inputs");
    completion.inputs[0].digest = Digest::of(b"other");
    completions[2] = completion.clone().sign(mesh.secret(&completion.node), &mesh.network);
    assert_eq!(mesh.refuse(report(&mesh, completions)), (RejectCode::NoConflict, false));
}

#[test]
fn an_application_that_changed_since_the_plan_excuses_its_replicas() {
    let mut mesh = Mesh::new(4);
    let (_, mut completions) = running(&mut mesh);
    let mut app = mesh.store.get::<Apps>(&super::fixture::app()).unwrap();
    app.changed = mesh.height;
    mesh.store.put::<Apps>(&super::fixture::app(), &app);
    completions[1] = other(&mesh, &completions[1], "of another version");
    mesh.one(report(&mesh, completions)).unwrap();
    assert_eq!(charged(&mesh), []);
}

#[test]
fn forged_foreign_and_shapeless_reports_are_refused() {
    let mut mesh = Mesh::new(5);
    let (id, completions) = running(&mut mesh);
    let first = completions[0].clone();
    let mut forged = other(&mesh, &first, "forged");
    forged.signature = first.signature;
    let assigned: Vec<PublicKey> = completions.iter().map(|c| c.completion.node).collect();
    let idle = (0..5).map(|at| mesh.key(at)).find(|key| !assigned.contains(key)).unwrap();
    let mut outsider = first.completion.clone();
    outsider.node = idle;
    outsider.output = output(&task("b"));
    let outsider = outsider.sign(mesh.secret(&idle), &mesh.network);
    let mut elsewhere = first.completion.clone();
    elsewhere.designation += 1;
    let elsewhere = elsewhere.sign(mesh.secret(&first.completion.node), &mesh.network);
    for (completions, code) in [
        (vec![first.clone(), forged], RejectCode::BadSignature),
        (vec![first.clone(), outsider], RejectCode::NotAssigned),
        (vec![first.clone(), elsewhere], RejectCode::NoConflict),
        (vec![first.clone()], RejectCode::NoConflict),
        (vec![first.clone(), first.clone()], RejectCode::NoConflict),
        (vec![first.clone(); limits::CONFLICT_COMPLETIONS_MAX + 1], RejectCode::NoConflict),
    ] {
        assert_eq!(mesh.refuse(report(&mesh, completions)), (code, false));
    }
    let by_a_device = (mesh.device.public(), report(&mesh, completions).1);
    assert_eq!(mesh.refuse(by_a_device), (RejectCode::WrongRole, false));
    assert_eq!(mesh.record(&id).status, trustmesh_types::records::Status::Active);
}

#[test]
fn a_conflict_counts_after_the_request_ended_and_is_forgotten_with_it() {
    let mut mesh = Mesh::new(4);
    let (id, completions) = running(&mut mesh);
    let wrong = other(&mesh, &completions[2], "wrong");
    mesh.one(mesh.finalize(&id)).unwrap();
    let shown = vec![completions[0].clone(), completions[1].clone(), wrong];
    mesh.one(report(&mesh, shown)).unwrap();
    assert_eq!(charged(&mesh).len(), 1);
    assert!(mesh.store.first::<Differences>().is_some());
    mesh.block(mesh.parameters.request_retention_ms + 60_000, vec![]);
    assert!(mesh.store.first::<Differences>().is_none());
}
