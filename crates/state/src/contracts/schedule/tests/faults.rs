//! What faults lead to: records, quarantine, and their end.

use super::fixture::Mesh;
use crate::tables::{Faults, Members};
use trustmesh_types::{
    Payload, PublicKey, RequestId,
    events::Event,
    faults::FaultEvidence,
    limits,
    records::{Member, Status},
    reject::RejectCode,
};

/// A fault of a node that is not designated: it plans all the same.
fn intrude(mesh: &mut Mesh, id: &RequestId, node: PublicKey) {
    let plan = mesh.plan(id).unwrap();
    let refused = mesh.refuse((node, Payload::ConfirmSchedule(plan)));
    assert_eq!(refused, (RejectCode::NotDesignated, true));
}

fn quarantined(mesh: &Mesh, node: &PublicKey) -> bool {
    matches!(mesh.store.get::<Members>(node), Some(Member::Node { quarantined: true, .. }))
}

/// Two nodes that are not designated for a request that waits for its plan.
fn intruders(mesh: &mut Mesh) -> (RequestId, [PublicKey; 2]) {
    let id = mesh.submit("one");
    let designee = mesh.designee(&id).unwrap();
    let mut others = (0..4).map(|at| mesh.key(at)).filter(|key| *key != designee);
    (id, [others.next().unwrap(), others.next().unwrap()])
}

fn lift(mesh: &Mesh, node: PublicKey) -> (PublicKey, Payload) {
    (mesh.operator.public(), Payload::LiftQuarantine { node })
}

#[test]
fn a_fault_stands_on_the_ledger_with_its_evidence() {
    let mut mesh = Mesh::new(4);
    let (id, [node, _]) = intruders(&mut mesh);
    intrude(&mut mesh, &id, node);
    let fault = mesh.store.get::<Faults>(&(node, 1)).unwrap();
    assert_eq!((fault.number, fault.height, fault.at_ms), (1, mesh.height, mesh.now_ms));
    assert_eq!(fault.until_ms, mesh.now_ms + mesh.parameters.fault_window_ms);
    assert_eq!(fault.rejection.code, RejectCode::NotDesignated);
    assert!(matches!(fault.evidence, FaultEvidence::Transaction(_)));
    assert!(mesh.events.iter().any(|e| matches!(e, Event::Fault { number: 1, .. })));
}

#[test]
fn the_limit_quarantines_at_most_f_nodes_and_an_operator_lifts_it() {
    let mut mesh = Mesh::new(4);
    let (id, [first, second]) = intruders(&mut mesh);
    for number in 1..=3 {
        assert!(!quarantined(&mesh, &first));
        intrude(&mut mesh, &id, first);
        intrude(&mut mesh, &id, second);
        let count = mesh.store.iter::<Faults>().count();
        assert_eq!(count, 2 * number);
    }
    assert!(quarantined(&mesh, &first));
    assert!(!quarantined(&mesh, &second), "f is 1");
    let by_a_node = (second, Payload::LiftQuarantine { node: first });
    assert_eq!(mesh.refuse(by_a_node), (RejectCode::WrongRole, false));
    assert_eq!(mesh.refuse(lift(&mesh, second)), (RejectCode::NotQuarantined, false));
    mesh.one(lift(&mesh, first)).unwrap();
    assert!(!quarantined(&mesh, &first));
    intrude(&mut mesh, &id, first);
    assert!(!quarantined(&mesh, &first), "pardoned faults don't count");
    intrude(&mut mesh, &id, second);
    assert!(quarantined(&mesh, &second), "now there is room for it");
}

#[test]
fn a_quarantined_node_is_neither_designated_nor_assigned() {
    let mut mesh = Mesh::new(4);
    let (id, [node, _]) = intruders(&mut mesh);
    for _ in 0..3 {
        intrude(&mut mesh, &id, node);
    }
    for _ in 0..4 {
        let id = mesh.submit("one");
        assert_ne!(mesh.designee(&id), Some(node));
        let mut plan = mesh.plan(&id).unwrap();
        assert_ne!(plan.assignments[0].nodes, [node]);
        plan.assignments[0].nodes = vec![node];
        let refused = mesh.refuse(mesh.confirm(plan));
        assert_eq!(refused, (RejectCode::IneligibleNode, true));
    }
}

#[test]
fn faults_leave_the_state_when_they_no_longer_count_and_numbers_go_on() {
    let mut mesh = Mesh::new(4);
    mesh.parameters.fault_window_ms = 1_000;
    mesh.parameters.generation_timeout_ms = 10_000;
    let (id, [node, _]) = intruders(&mut mesh);
    intrude(&mut mesh, &id, node);
    mesh.block(1_000, vec![]);
    assert_eq!(mesh.store.iter::<Faults>().count(), 0);
    intrude(&mut mesh, &id, node);
    assert_eq!(mesh.store.iter::<Faults>().next().unwrap().1.number, 2);
}

#[test]
fn only_the_newest_faults_are_kept() {
    let mut mesh = Mesh::new(4);
    let (id, [node, _]) = intruders(&mut mesh);
    for _ in 0..limits::FAULTS_KEPT_MAX + 3 {
        intrude(&mut mesh, &id, node);
    }
    let numbers: Vec<u32> = mesh.store.iter::<Faults>().map(|(_, f)| f.number).collect();
    assert_eq!(numbers.len(), limits::FAULTS_KEPT_MAX);
    assert_eq!(numbers.first(), Some(&4));
    assert_eq!(mesh.status(&id), Status::Requested);
}
