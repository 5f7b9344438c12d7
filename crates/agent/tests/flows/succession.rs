//! Committees that change while requests are under way: inputs are handed on before those who
//! hold them leave, and receipts of who left are gathered anew.

use super::common::{Mesh, ONE, Setup, node_info};
use trustmesh_types::{
    Payload, RequestId,
    records::{NodeRoles, Standing},
    request::StorageReceipt,
};

const EPOCH: u64 = 16;

/// Five nodes that all shall vote; the committee of genesis, the first four, votes yet.
fn five() -> Mesh {
    let mut mesh = Mesh::among(&Setup::of(ONE), 5);
    let mut info = node_info(&mesh.nodes[4].key, 4);
    info.roles = NodeRoles::ALL;
    let key = info.key;
    mesh.operate(Payload::ChangeNode(info));
    mesh.run(5_000, |m| m.state.node(&key).unwrap().info.roles.validator);
    mesh.transact(4, Payload::Ready);
    mesh.run(5_000, |m| m.state.node(&key).unwrap().standing == Standing::Ready);
    mesh
}

/// Until the committee that is wanted now votes.
fn change(mesh: &mut Mesh) {
    let number = mesh.state.committee().number;
    assert!(mesh.state.membership_pending());
    mesh.blocks_until((mesh.state.height() / EPOCH + 2) * EPOCH);
    assert!(mesh.state.committee().number > number);
}

fn remove(mesh: &mut Mesh, at: usize) {
    let node = mesh.key(at);
    mesh.operate(Payload::RemoveNode { node });
    mesh.run(5_000, |m| !m.state.node(&node).unwrap().is_member());
}

fn no_plan(_: usize, payload: &Payload) -> bool {
    matches!(payload, Payload::ConfirmSchedule(_) | Payload::DeclineSchedule(_))
}

#[test]
fn an_accepted_request_is_executed_after_all_who_held_its_input_are_gone() {
    let mut mesh = five();
    mesh.censor = Box::new(no_plan);
    let id: RequestId = mesh.submit(0, 1, b"[1,2]");
    mesh.run(5_000, |m| m.state.request(&id).is_some());
    let holders: Vec<usize> =
        mesh.record(&id).input_holders.iter().map(|key| mesh.place(key)).collect();
    assert!(holders.contains(&0) && holders.len() == 2, "{holders:?}");
    remove(&mut mesh, 0);
    change(&mut mesh);
    assert!(!mesh.state.validators().contains(&mesh.key(0)));
    let input = mesh.record(&id).body.input;
    for at in 1..5 {
        assert!(mesh.nodes[at].blobs.contains_key(&input), "node {at} did not take it over");
    }
    // The one is removed, the other one lost.
    for at in holders {
        mesh.stop(at);
    }
    mesh.censor = Box::new(|_, _| false);
    mesh.run(60_000, |m| m.finalized(&id));
}

#[test]
fn an_input_that_enough_of_the_next_committee_hold_stays_where_it_is() {
    let mut mesh = five();
    mesh.censor = Box::new(no_plan);
    let id = mesh.submit(0, 1, b"[1,2]");
    mesh.run(5_000, |m| m.state.request(&id).is_some());
    change(&mut mesh);
    assert_eq!(mesh.state.validators().len(), 5);
    let (record, mut holding) = (mesh.record(&id), Vec::new());
    for (at, node) in mesh.nodes.iter().enumerate() {
        if node.blobs.contains_key(&record.body.input) {
            holding.push(at);
        }
    }
    assert!(!holding.contains(&4), "{holding:?}");
}

/// Who signed the receipts of the last request that a node brought to the ledger.
fn signers(mesh: &Mesh) -> Vec<usize> {
    let last = mesh.transacted.iter().rev().find_map(|(_, _, payload)| match payload {
        Payload::SubmitRequest(submission) => Some(&submission.receipts),
        _ => None,
    });
    last.unwrap().iter().map(|it: &StorageReceipt| mesh.place(&it.validator)).collect()
}

#[test]
fn receipts_of_a_validator_that_left_are_gathered_anew() {
    let mut mesh = five();
    mesh.censor = Box::new(|_, payload| matches!(payload, Payload::SubmitRequest(_)));
    let id = mesh.submit(0, 1, b"[1,2]");
    let brought =
        |m: &Mesh| m.transacted.iter().any(|(_, _, it)| matches!(it, Payload::SubmitRequest(_)));
    mesh.run(5_000, brought);
    let other = signers(&mesh).into_iter().find(|at| *at != 0).unwrap();
    remove(&mut mesh, other);
    change(&mut mesh);
    mesh.stop(other);
    mesh.censor = Box::new(|_, _| false);
    mesh.run(8_000, |m| m.state.request(&id).is_some());
    assert!(!signers(&mesh).contains(&other));
    mesh.run(8_000, |m| m.replies.contains_key(&1));
}

/// The receipts are good when the node sends them, and not when the block comes.
#[test]
fn a_request_that_a_change_of_the_committee_outran_is_brought_again() {
    let mut mesh = five();
    mesh.censor = Box::new(|_, payload| matches!(payload, Payload::SubmitRequest(_)));
    let id = mesh.submit(0, 1, b"[1,2]");
    let submission = |m: &Mesh| {
        m.transacted.iter().find_map(|(_, _, it)| match it {
            Payload::SubmitRequest(_) => Some(it.clone()),
            _ => None,
        })
    };
    mesh.run(5_000, |m| submission(m).is_some());
    let (outrun, other) =
        (submission(&mesh).unwrap(), signers(&mesh).into_iter().find(|at| *at != 0).unwrap());
    remove(&mut mesh, other);
    change(&mut mesh);
    mesh.sign_first(0, outrun);
    let refused = mesh.rejections.len();
    mesh.run(5_000, |m| m.rejections.len() > refused);
    assert!(!mesh.replies.contains_key(&1), "the device hears nothing of it");
    mesh.censor = Box::new(|_, _| false);
    mesh.run(8_000, |m| m.state.request(&id).is_some() && m.replies.contains_key(&1));
}
