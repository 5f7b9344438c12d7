//! Tasks that the ledger records as done (PROTOCOL §4, "When something goes wrong"): a plan
//! that has none left to run, and evidence that another node's outran.

use super::common::{CHAIN, Mesh, ONE, Setup, task_id};
use std::{cell::RefCell, rc::Rc};
use trustmesh_types::{
    Digest, Payload, RequestId,
    events::Event,
    evidence::{DoneTask, Finalization, Progress},
    message::Message,
    records::Status,
    request::StorageReceipt,
};

fn finalizations(mesh: &Mesh, designation: u32) -> Vec<(u64, usize, &Finalization)> {
    let tried = mesh.transacted.iter().filter_map(|(at_ms, from, payload)| match payload {
        Payload::Finalize(f) if f.designation == designation => Some((*at_ms, *from, f)),
        _ => None,
    });
    tried.collect()
}

/// Every task is recorded done, its plan abandoned since nobody finalized it, and the next
/// plan active: one without assignments.
fn active_plan_without_assignments(mesh: &mut Mesh) -> RequestId {
    mesh.censor =
        Box::new(|_, payload| matches!(payload, Payload::Finalize(f) if f.designation == 1));
    let id = mesh.submit(0, 1, b"1");
    mesh.run(30_000, |m| {
        m.state.request(&id).and_then(|r| r.plan).is_some_and(|p| p.designation > 1)
    });
    let record = mesh.record(&id);
    assert_eq!(record.status, Status::Active);
    assert!(record.plan.unwrap().assignments.is_empty());
    assert!(mesh.events.iter().any(|e| matches!(e, Event::PlanAbandoned { .. })));
    id
}

#[test]
fn a_plan_without_assignments_is_finalized_by_its_planner() {
    let mut mesh = Mesh::with(&Setup::spread(CHAIN));
    let id = active_plan_without_assignments(&mut mesh);
    let since_ms = mesh.now_ms;
    let delivery = mesh.result(&id, 2_000);
    let plan = mesh.record(&id).plan.unwrap();
    let tried = finalizations(&mesh, plan.designation);
    let (at_ms, from, finalization) = tried[0];
    assert_eq!((tried.len(), from), (1, mesh.place(&plan.planner)));
    assert!(at_ms < since_ms + 100);
    assert!(finalization.completions.is_empty() && finalization.receipts.is_empty());
    assert_eq!(delivery.completions.len(), 3);
    assert_eq!(delivery.outputs[0].1.as_ref(), b"[\"c\"]");
    assert_eq!([mesh.runs_of("a"), mesh.runs_of("b"), mesh.runs_of("c")], [1, 1, 1]);
}

#[test]
fn a_plan_without_assignments_is_finalized_by_the_next_when_its_planner_is_silent() {
    let mut mesh = Mesh::new(ONE);
    let silent = Rc::new(RefCell::new(None));
    let seen = Rc::clone(&silent);
    let id = active_plan_without_assignments(&mut mesh);
    mesh.censor = Box::new(move |at, payload| {
        matches!(payload, Payload::Finalize(_)) && *seen.borrow_mut().get_or_insert(at) == at
    });
    let since_ms = mesh.now_ms;
    mesh.result(&id, 5_000);
    let plan = mesh.record(&id).plan.unwrap();
    let planner = silent.borrow().unwrap();
    assert_eq!(planner, mesh.place(&plan.planner));
    let timeout_ms = mesh.state.parameters().finalization_timeout_ms;
    let tried = finalizations(&mesh, plan.designation);
    let others: Vec<_> = tried.iter().filter(|(_, from, _)| *from != planner).collect();
    assert!(!others.is_empty());
    assert!(others.iter().all(|(at_ms, ..)| *at_ms >= since_ms + timeout_ms));
}

/// A task's completion with f+1 receipts for its output.
fn done(mesh: &Mesh, id: &RequestId, task: &str) -> DoneTask {
    let at = mesh.nodes_of(id, task)[0];
    let completion = mesh.nodes[at].completions[0].clone();
    let (digest, bytes) = (completion.completion.output, completion.completion.output_bytes);
    let network = mesh.state.network();
    let receipt = |at| StorageReceipt::sign(&mesh.secret(at), &network, id.0, digest, bytes);
    DoneTask { completion, receipts: vec![receipt(0), receipt(1)] }
}

#[test]
fn a_finalization_outrun_by_progress_is_brought_again_at_once() {
    let mut mesh = Mesh::with(&Setup::spread(CHAIN));
    let id = mesh.submit_until_active();
    mesh.run(1_000, |m| !finalizations(m, 1).is_empty());
    let progress = Progress { request: id, designation: 1, done: vec![done(&mesh, &id, "a")] };
    mesh.sign_first(0, Payload::RecordProgress(progress));
    mesh.run(500, |m| m.finalized(&id));
    assert_eq!(mesh.rejections.len(), 1, "{:?}", mesh.rejections);
    let tried = finalizations(&mesh, 1);
    assert_eq!(tried.last().unwrap().2.completions.len(), 2, "only what was open still");
}

#[test]
fn progress_of_several_nodes_in_one_block_is_all_recorded_before_the_next_plan() {
    let mut mesh = Mesh::with(&Setup::spread(CHAIN));
    mesh.censor = Box::new(|_, payload| matches!(payload, Payload::Finalize(_)));
    let id = mesh.submit_until_active();
    let deadline_ms = mesh.record(&id).plan.unwrap().deadline_ms;
    mesh.run(10_000, |m| m.record(&id).done.len() == 3);
    assert!(mesh.now_ms < deadline_ms);
    assert_eq!(mesh.record(&id).attempts, 1);
}

#[test]
fn a_completion_on_other_inputs_than_were_given_is_not_brought_to_the_ledger() {
    let mut mesh = Mesh::with(&Setup::spread(CHAIN));
    let id = mesh.submit_until_active();
    let liar = mesh.nodes_of(&id, "b")[0];
    let (secret, network) = (mesh.secret(liar), mesh.state.network());
    mesh.wire = Box::new(move |from, _, message| match message {
        Message::Completed { completion, data } if from == liar => {
            let mut completion = completion.completion;
            completion.inputs[0].digest = Digest::of(b"something else");
            Some(Message::Completed { completion: completion.sign(&secret, &network), data })
        }
        other => Some(other),
    });
    mesh.censor = Box::new(move |from, payload| {
        from == liar && matches!(payload, Payload::RecordProgress(_) | Payload::Finalize(_))
    });
    mesh.result(&id, 60_000);
    assert!(mesh.rejections.is_empty(), "{:?}", mesh.rejections);
    let record = mesh.record(&id);
    assert!(record.done.contains_key(&task_id("a")), "it was recorded under the first plan");
    assert_eq!(mesh.runs_of("a"), 1);
    assert_eq!((record.attempts, record.barred), (2, vec![mesh.key(liar)]));
}
