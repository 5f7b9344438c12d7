//! Agents that begin in the middle: after a restart, or behind the ledger (crate
//! documentation: "a restart is only a call with an empty memory").

use super::common::{CHAIN, Mail, Mesh, Setup, task_id};
use trustmesh_types::{Payload, RequestId, message::Message, records::Status};

fn is_completion_of(mail: &Mail, task: &str) -> bool {
    matches!(&mail.message, Message::Completed { completion, .. }
        if completion.completion.task == task_id(task))
}

/// Each task at another node; runs until `task`'s completion is durable and, its messages
/// being lost, known to nobody else. Gives the task's node.
fn until_kept(mesh: &mut Mesh, id: &RequestId, task: &'static str) -> usize {
    let at = mesh.nodes_of(id, task)[0];
    mesh.wire = Box::new(move |from, _, message| {
        let about = matches!(
            message,
            Message::Completed { .. } | Message::Receipts { .. } | Message::StoreOutput { .. }
        );
        (from != at || !about).then_some(message)
    });
    mesh.run(2_000, |m| m.mail.iter().any(|mail| mail.from == at && is_sharing(mail)));
    at
}

fn is_sharing(mail: &Mail) -> bool {
    matches!(mail.message, Message::Completed { .. } | Message::StoreOutput { .. })
}

#[test]
fn a_recovered_task_is_shared_again_at_once_and_not_run_again() {
    let mut mesh = Mesh::with(&Setup::spread(CHAIN));
    let id = mesh.submit_until_active();
    let at = until_kept(&mut mesh, &id, "a");
    mesh.stop(at);
    mesh.wire = Box::new(|_, _, message| Some(message));
    mesh.start(at);
    let (since_ms, before) = (mesh.now_ms, mesh.mail.len());
    mesh.result(&id, 2_000);
    let again: Vec<&Mail> =
        mesh.mail[before..].iter().filter(|m| m.from == at && is_completion_of(m, "a")).collect();
    let told = |to: usize| again.iter().any(|m| m.to == to && m.at_ms < since_ms + 100);
    assert!(told(mesh.nodes_of(&id, "b")[0]), "the node that takes the output");
    assert!(told(mesh.nodes_of(&id, "c")[0]), "the finalizer");
    assert_eq!(mesh.runs_of("a"), 1);
    assert_eq!(mesh.record(&id).attempts, 1);
}

#[test]
fn a_restarted_node_of_the_last_sink_gathers_its_receipts_again() {
    let mut mesh = Mesh::with(&Setup::spread(CHAIN));
    let id = mesh.submit_until_active();
    let at = until_kept(&mut mesh, &id, "c");
    mesh.stop(at);
    mesh.wire = Box::new(|_, _, message| Some(message));
    mesh.start(at);
    mesh.result(&id, 900);
    assert_eq!(mesh.runs_of("c"), 1);
    let by = mesh.transacted.iter().find(|(_, _, p)| matches!(p, Payload::Finalize(_))).unwrap().1;
    assert_eq!(by, at, "nobody had to take over");
}

#[test]
fn what_another_node_signed_or_another_plan_is_not_recovered() {
    for forge in [true, false] {
        let mut mesh = Mesh::with(&Setup::spread(CHAIN));
        let id = mesh.submit_until_active();
        let at = until_kept(&mut mesh, &id, "a");
        mesh.stop(at);
        mesh.wire = Box::new(|_, _, message| Some(message));
        let mut completion = mesh.nodes[at].completions[0].completion.clone();
        let signer = if forge { (at + 1) % 4 } else { at };
        completion.designation += u32::from(!forge);
        let signed = completion.sign(&mesh.secret(signer), &mesh.state.network());
        mesh.nodes[at].completions = vec![signed];
        mesh.start(at);
        mesh.result(&id, 5_000);
        assert_eq!(mesh.runs_of("a"), 2, "it ran again");
        assert!(mesh.rejections.is_empty(), "{:?}", mesh.rejections);
    }
}

#[test]
fn an_agent_that_starts_on_a_newer_state_takes_up_its_tasks() {
    let mut mesh = Mesh::with(&Setup::spread(CHAIN));
    let id = mesh.submit(0, 1, b"1");
    // Nobody plans before all are stopped, save the designated node.
    mesh.run(2_000, |m| m.state.request(&id).is_some_and(|r| r.status == Status::Active));
    for at in 0..4 {
        mesh.stop(at);
    }
    for at in 0..4 {
        mesh.start(at);
    }
    mesh.result(&id, 2_000);
    assert_eq!(mesh.record(&id).attempts, 1);
    assert_eq!([mesh.runs_of("a"), mesh.runs_of("b"), mesh.runs_of("c")], [1, 1, 1]);
}

#[test]
fn a_designated_node_that_starts_late_still_plans() {
    let mut mesh = Mesh::new(CHAIN);
    let id = mesh.submit(0, 1, b"1");
    mesh.censor = Box::new(|_, payload| matches!(payload, Payload::ConfirmSchedule(_)));
    mesh.run(2_000, |m| m.transacted.iter().any(|t| matches!(t.2, Payload::ConfirmSchedule(_))));
    let designated = mesh.place(&mesh.record(&id).designated.unwrap().node);
    mesh.stop(designated);
    mesh.censor = Box::new(|_, _| false);
    mesh.start(designated);
    mesh.result(&id, 900);
    let plan = mesh.record(&id).plan.unwrap();
    assert_eq!((plan.designation, mesh.place(&plan.planner)), (1, designated));
}

#[test]
fn a_holder_that_starts_after_the_end_delivers() {
    let mut mesh = Mesh::with(&Setup::spread(CHAIN));
    let id = mesh.submit_until_active();
    mesh.run(2_000, |m| m.finalized(&id));
    for at in 0..4 {
        mesh.stop(at);
        assert!(mesh.nodes[at].deliveries.is_empty());
    }
    for at in 0..4 {
        mesh.start(at);
    }
    mesh.result(&id, 2_000);
}

#[test]
fn an_agent_that_missed_blocks_catches_up_with_the_first_that_concerns_the_request() {
    let mut mesh = Mesh::with(&Setup::spread(CHAIN));
    let id = mesh.submit(0, 1, b"1");
    mesh.run(2_000, |m| m.state.request(&id).is_some());
    // From before the plan on, nobody but the designated node hears of it.
    let designated = mesh.place(&mesh.record(&id).designated.unwrap().node);
    mesh.deaf = (0..4).filter(|at| *at != designated).collect();
    mesh.run(2_000, |m| m.record(&id).status == Status::Active);
    let missed = mesh.state.height();
    for _ in 0..20 {
        mesh.operate(Payload::Note { bytes: vec![1] });
        let height = mesh.state.height();
        mesh.run(1_000, |m| m.state.height() > height);
    }
    let plan = mesh.record(&id).plan.unwrap();
    let behind: Vec<usize> = plan
        .assignments
        .iter()
        .map(|a| mesh.place(&a.nodes[0]))
        .filter(|n| *n != designated)
        .collect();
    assert!(behind.len() >= 2);
    assert!(behind.iter().all(|at| mesh.nodes[*at].runs.is_empty()), "they know no plan yet");
    mesh.deaf.clear();
    // The plan fails at a node, or its time passes: each hears of that, many heights ahead.
    mesh.result(&id, 30_000);
    assert!(mesh.state.height() > missed + 20);
    assert!(behind.iter().any(|at| !mesh.nodes[*at].runs.is_empty()));
}
