//! The main flows of a request, without and with something going wrong.

use super::common::{self, CHAIN, DIAMOND, Mesh, task_id};
use std::{cell::RefCell, rc::Rc};
use trustmesh_agent::{Answer, Verdict};
use trustmesh_types::{
    Digest, Payload,
    message::Message,
    records::{AppState, Status},
};

#[test]
fn a_chain_runs_once_and_its_result_is_delivered() {
    let mut mesh = Mesh::new(CHAIN);
    let id = mesh.submit(2, 1, b"[1,2]");
    let delivery = mesh.result(&id, 2_000);
    assert!(matches!(mesh.replies.get(&1), Some(Answer::Accepted(accepted)) if *accepted == id));
    assert_eq!(delivery.outputs.len(), 1);
    assert_eq!(delivery.outputs[0].1.as_ref(), b"[\"c\"]");
    assert_eq!(delivery.completions.len(), 3);
    assert_eq!(delivery.result_key, Digest([5; 32]));
    assert_eq!([mesh.runs_of("a"), mesh.runs_of("b"), mesh.runs_of("c")], [1, 1, 1]);
    let b = mesh.nodes.iter().flat_map(|n| &n.runs).find(|r| r.run.task == task_id("b")).unwrap();
    let object = String::from_utf8(b.input.to_vec()).unwrap();
    assert_eq!(
        object,
        "{\"data\":[\"a\"],\"inputs\":{\"a\":[\"a\"]},\"params\":{\"p\":1},\
         \"total_task_time\":0.001000}"
    );
    assert!(mesh.rejections.is_empty(), "{:?}", mesh.rejections);
    assert!(mesh.now_ms < common::START_MS + 1_000, "took {} ms", mesh.now_ms - common::START_MS);
}

#[test]
fn a_plan_comes_with_its_reasons() {
    let mut mesh = Mesh::new(CHAIN);
    let id = mesh.submit(2, 1, b"[1,2]");
    mesh.result(&id, 2_000);
    let plan = mesh.record(&id).plan.unwrap();
    let planner = &mesh.nodes[mesh.place(&plan.planner)];
    let [explained] = planner.placements.as_slice() else { panic!("{:?}", planner.placements) };
    assert_eq!((explained.request, explained.designation), (id, plan.designation));
    assert_eq!(explained.scheduler, "lcdwrr");
    let Verdict::Placed(choices) = &explained.outcome else { panic!("{explained:?}") };
    assert_eq!(choices.len(), 3);
    for (choice, assignment) in choices.iter().zip(&plan.assignments) {
        assert_eq!(
            (&choice.task, [choice.node].as_slice()),
            (&assignment.task, &*assignment.nodes)
        );
        assert!(choice.why.contains(&choice.name), "{}", choice.why);
        assert_eq!((choice.candidates.len() + choice.unfit.len(), choice.left_out), (4, 0));
        let sum: f64 = choice.candidates.iter().map(|c| c.probability).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{choice:?}");
        let silent = choice.candidates.iter().filter(|c| c.why_not.is_none());
        assert_eq!(silent.map(|c| c.node).collect::<Vec<_>>(), [choice.node]);
    }
    let others = mesh.nodes.iter().filter(|n| n.key.public() != plan.planner);
    assert_eq!(others.map(|n| n.placements.len()).sum::<usize>(), 0);
}

#[test]
fn a_decline_says_why_of_each_node() {
    let mut mesh = Mesh::new(CHAIN);
    mesh.operate(Payload::SetAppState { app: common::app_id(), wanted: AppState::Stopped });
    mesh.run(5_000, |m| m.state.app(&common::app_id()).unwrap().wanted == AppState::Stopped);
    let id = mesh.submit(2, 1, b"1");
    mesh.run(60_000, |m| m.nodes.iter().any(|n| !n.placements.is_empty()));
    let explained = mesh.nodes.iter().find_map(|n| n.placements.first()).unwrap();
    assert_eq!(explained.request, id);
    let Verdict::Declined { task, unfit, left_out } = &explained.outcome else {
        panic!("{explained:?}")
    };
    assert_eq!((task, unfit.len(), *left_out), (&task_id("a"), 4, 0));
    assert!(unfit.iter().all(|u| u.reason.contains("not running") && u.name.starts_with('n')));
}

#[test]
fn a_diamond_with_an_edge_across_levels_and_two_sinks() {
    let mut mesh = Mesh::new(DIAMOND);
    let id = mesh.submit(0, 1, b"{\"x\":1}");
    let delivery = mesh.result(&id, 2_000);
    let sinks: Vec<&str> = delivery.outputs.iter().map(|(t, _)| t.as_str()).collect();
    assert_eq!(sinks, ["d", "e"]);
    let d = mesh.nodes.iter().flat_map(|n| &n.runs).find(|r| r.run.task == task_id("d")).unwrap();
    let object = String::from_utf8(d.input.to_vec()).unwrap();
    assert!(object.starts_with("{\"data\":[\"a\",\"b\",\"c\"],"), "{object}");
    assert!(mesh.rejections.is_empty(), "{:?}", mesh.rejections);
}

#[test]
fn nodes_of_a_plan_meet_before_they_have_something_to_say() {
    let mut mesh = Mesh::new(DIAMOND);
    let id = mesh.submit(0, 1, b"1");
    mesh.run(2_000, |m| m.nodes.iter().any(|n| !n.completions.is_empty()));
    let met: Vec<_> = mesh.nodes.iter().map(|node| node.met.clone()).collect();
    mesh.result(&id, 2_000);
    let told: Vec<_> =
        mesh.mail.iter().filter(|m| matches!(m.message, Message::Completed { .. })).collect();
    assert!(!told.is_empty());
    for mail in told {
        let to = mesh.nodes[mail.to].key.public();
        assert!(met[mail.from].contains(&to), "n{} did not meet n{}", mail.from, mail.to);
    }
    let plan = mesh.record(&id).plan.unwrap();
    let works = |key| plan.assignments.iter().any(|a| a.nodes.contains(&key));
    for (node, met) in mesh.nodes.iter().zip(&met) {
        let me = node.key.public();
        assert!(!met.contains(&me) && (works(me) || met.is_empty()));
    }
}

#[test]
fn a_dead_worker_is_replaced_and_finished_tasks_stay() {
    let mut mesh = Mesh::new(CHAIN);
    let id = mesh.submit(0, 1, b"1");
    mesh.run(2_000, |m| m.state.request(&id).is_some_and(|r| r.status == Status::Active));
    let plan = mesh.record(&id).plan.unwrap();
    let of =
        |name: &str| plan.assignments.iter().find(|a| a.task == task_id(name)).unwrap().nodes[0];
    let dead = mesh.place(&of("c"));
    mesh.stop(dead);
    mesh.result(&id, 60_000);
    let record = mesh.record(&id);
    assert!(record.plan.unwrap().designation > 1);
    if mesh.place(&of("a")) != dead {
        assert_eq!(mesh.runs_of("a"), 1, "a finished task ran again");
    }
}

#[test]
fn a_failed_run_is_reported_and_the_task_goes_elsewhere() {
    let mut mesh = Mesh::new(CHAIN);
    mesh.broken.insert(1);
    let id = mesh.submit(0, 1, b"1");
    mesh.result(&id, 60_000);
    let failed = !mesh.nodes[1].runs.is_empty();
    assert_eq!(mesh.record(&id).barred.contains(&mesh.nodes[1].key.public()), failed);
}

#[test]
fn a_silent_designated_node_is_passed_over() {
    let mut mesh = Mesh::new(CHAIN);
    let silent = Rc::new(RefCell::new(None));
    let seen = Rc::clone(&silent);
    mesh.censor = Box::new(move |at, payload| {
        matches!(payload, Payload::ConfirmSchedule(_)) && *seen.borrow_mut().get_or_insert(at) == at
    });
    let id = mesh.submit(0, 1, b"1");
    mesh.result(&id, 60_000);
    let silent = silent.borrow().unwrap();
    assert_ne!(mesh.record(&id).plan.unwrap().planner, mesh.nodes[silent].key.public());
}

#[test]
fn lost_messages_are_made_good() {
    for period in [2u32, 3, 5] {
        let mut mesh = Mesh::new(DIAMOND);
        let mut count = 0u32;
        mesh.wire = Box::new(move |_, _, message| {
            count += 1;
            // Scattered: a strict rhythm could hit every answer and no question.
            let drawn = count.wrapping_mul(0x9E37_79B1) >> 16;
            (!drawn.is_multiple_of(period)).then_some(message)
        });
        let id = mesh.submit(1, 1, b"[3]");
        mesh.result(&id, 120_000);
    }
}

#[test]
fn what_was_durable_before_a_restart_is_not_run_again() {
    let mut mesh = Mesh::new(CHAIN);
    let id = mesh.submit(0, 1, b"1");
    mesh.run(2_000, |m| m.runs_of("a") == 1);
    let at = mesh.nodes.iter().position(|n| !n.runs.is_empty()).unwrap();
    mesh.run(2_000, |m| !m.nodes[at].completions.is_empty());
    mesh.stop(at);
    mesh.start(at);
    mesh.result(&id, 60_000);
    assert_eq!(mesh.runs_of("a"), 1);
}

#[test]
fn a_request_brought_twice_counts_once() {
    let mut mesh = Mesh::new(CHAIN);
    let id = mesh.submit(0, 1, b"1");
    mesh.submit(0, 2, b"1");
    mesh.submit(3, 3, b"1");
    mesh.result(&id, 2_000);
    mesh.submit(1, 4, b"1");
    mesh.run(1_000, |m| m.replies.contains_key(&4));
    for ticket in 1..=4 {
        assert!(matches!(mesh.replies.get(&ticket), Some(Answer::Accepted(_))), "{ticket}");
    }
    assert_eq!(mesh.runs_of("a"), 1);
}

#[test]
fn what_a_device_did_not_sign_is_refused() {
    let mut mesh = Mesh::new(CHAIN);
    mesh.device = trustmesh_types::SecretKey::from_seed([77; 32]);
    mesh.submit(0, 1, b"1");
    mesh.run(1_000, |m| m.replies.contains_key(&1));
    assert!(matches!(mesh.replies.get(&1), Some(Answer::Refused(_))));
    let mut mesh = Mesh::new(CHAIN);
    mesh.submit(0, 1, b"[1, 2]");
    mesh.run(1_000, |m| m.replies.contains_key(&1));
    assert!(matches!(mesh.replies.get(&1), Some(Answer::Refused(_))), "not canonical");
}

#[test]
fn pieces_that_do_not_fit_their_digest_are_dropped() {
    let mut mesh = Mesh::new(CHAIN);
    let liars = Rc::new(RefCell::new(0));
    let count = Rc::clone(&liars);
    mesh.wire = Box::new(move |from, _, message| match message {
        Message::Piece { digest, total, offset, mut bytes } if from == 1 => {
            *count.borrow_mut() += 1;
            if let Some(first) = bytes.first_mut() {
                *first ^= 1;
            }
            Some(Message::Piece { digest, total, offset, bytes })
        }
        other => Some(other),
    });
    let data = format!("[\"{}\"]", "x".repeat(600_000));
    let id = mesh.submit(0, 1, data.as_bytes());
    mesh.result(&id, 60_000);
}
