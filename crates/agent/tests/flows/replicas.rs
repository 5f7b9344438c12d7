//! Tasks that several nodes run (PROTOCOL §4, Execution): what more than half of them agree
//! on counts, and nothing less does.

use super::common::{CHAIN, Mesh, ONE, Setup, task_id};
use trustmesh_types::{
    Digest, Payload, RequestId, events::Event, evidence::SignedCompletion, message::Message,
    records::Status, reject::RejectCode,
};

fn mesh_of_three(edges: super::common::Edges) -> Mesh {
    Mesh::with(&Setup { replicas: 3, ..Setup::of(edges) })
}

/// The inputs that the runs of a task got.
fn inputs_of(mesh: &Mesh, task: &str) -> Vec<String> {
    let runs = mesh.nodes.iter().flat_map(|n| &n.runs).filter(|r| r.run.task == task_id(task));
    runs.map(|r| String::from_utf8(r.input.to_vec()).unwrap()).collect()
}

fn finalizations(mesh: &Mesh, id: &RequestId) -> usize {
    let of = |p: &Payload| matches!(p, Payload::Finalize(f) if f.request == *id);
    mesh.transacted.iter().filter(|(_, _, payload)| of(payload)).count()
}

#[test]
fn three_replicas_that_agree_all_count() {
    let mut mesh = mesh_of_three(ONE);
    let id = mesh.submit(0, 1, b"1");
    let delivery = mesh.result(&id, 2_000);
    assert_eq!(delivery.outputs[0].1.as_ref(), b"[\"a\"]");
    assert_eq!(mesh.runs_of("a"), 3);
    let nodes: std::collections::BTreeSet<_> =
        delivery.completions.iter().map(|c| c.completion.node).collect();
    assert!(nodes.len() >= 2, "a majority signed");
    assert!(mesh.rejections.is_empty(), "{:?}", mesh.rejections);
}

#[test]
fn successors_of_replicas_take_the_output_of_the_majority() {
    // Whichever place the odd one has in the plan, the first and last in turn among them.
    for place in 0..3 {
        let mut mesh = mesh_of_three(CHAIN);
        let id = mesh.submit_until_active();
        let odd = mesh.nodes_of(&id, "a")[place];
        mesh.odd.insert(odd, " odd");
        let delivery = mesh.result(&id, 5_000);
        let inputs = inputs_of(&mesh, "b");
        assert_eq!(inputs.len(), 3);
        for input in inputs {
            assert!(input.contains("\"inputs\":{\"a\":[\"a\"]}"), "{input}");
            assert!(input.ends_with("\"total_task_time\":0.000000}"), "{input}");
        }
        assert_eq!(delivery.outputs[0].1.as_ref(), b"[\"c\"]");
        let odd = mesh.key(odd);
        for signed in delivery.completions {
            let of_a = signed.completion.task == task_id("a");
            assert!(!of_a || signed.completion.node != odd, "the odd one was counted");
        }
        assert!(mesh.rejections.is_empty(), "{:?}", mesh.rejections);
    }
}

#[test]
fn the_result_is_that_of_the_majority_when_the_finalizer_is_the_odd_one() {
    let mut mesh = mesh_of_three(ONE);
    let id = mesh.submit_until_active();
    let finalizer = mesh.nodes_of(&id, "a")[0];
    mesh.odd.insert(finalizer, " odd");
    let delivery = mesh.result(&id, 5_000);
    assert_eq!(delivery.outputs[0].1.as_ref(), b"[\"a\"]");
    assert_eq!(mesh.record(&id).attempts, 1);
    assert!(mesh.rejections.is_empty(), "{:?}", mesh.rejections);
}

#[test]
fn without_a_majority_nothing_goes_on() {
    let mut mesh = mesh_of_three(CHAIN);
    let id = mesh.submit_until_active();
    let nodes = mesh.nodes_of(&id, "a");
    for (node, says) in nodes.into_iter().zip([" one", " two", ""]) {
        mesh.odd.insert(node, says);
    }
    mesh.run(30_000, |m| m.record(&id).status != Status::Active);
    assert_eq!(mesh.runs_of("a"), 3);
    assert_eq!((mesh.runs_of("b"), mesh.runs_of("c")), (0, 0));
    assert_eq!(finalizations(&mesh, &id), 0);
    assert!(mesh.record(&id).done.is_empty());
}

#[test]
fn two_of_three_replicas_are_enough_when_one_is_silent() {
    let mut mesh = mesh_of_three(CHAIN);
    let id = mesh.submit_until_active();
    let silent = mesh.nodes_of(&id, "a")[2];
    mesh.wire = Box::new(move |from, _, message| {
        (from != silent || !matches!(message, Message::Completed { .. })).then_some(message)
    });
    mesh.result(&id, 30_000);
    assert_eq!(mesh.record(&id).attempts, 1);
}

/// Signs a completion again with another length of the same output.
fn lengthened(mesh: &Mesh, at: usize, signed: &SignedCompletion) -> SignedCompletion {
    let mut completion = signed.completion.clone();
    completion.output_bytes += 1;
    completion.sign(&mesh.secret(at), &mesh.state.network())
}

#[test]
fn a_replica_that_lies_about_the_length_alone_is_not_of_the_majority() {
    let mut mesh = mesh_of_three(ONE);
    let id = mesh.submit_until_active();
    let liar = mesh.nodes_of(&id, "a")[1];
    mesh.run(1_000, |m| !m.nodes[liar].completions.is_empty());
    let lie = lengthened(&mesh, liar, &mesh.nodes[liar].completions[0]);
    mesh.wire = Box::new(move |from, _, message| match message {
        Message::Completed { data, .. } if from == liar => {
            Some(Message::Completed { completion: lie.clone(), data })
        }
        Message::Receipts { .. } if from == liar => None,
        other => Some(other),
    });
    mesh.result(&id, 5_000);
    assert_eq!(mesh.record(&id).attempts, 1);
    assert!(mesh.rejections.is_empty(), "{:?}", mesh.rejections);
    let output = mesh.record(&id).completions[0].completion.output;
    assert_eq!(output, Digest::of(b"[\"a\"]"));
}

fn faults(mesh: &Mesh) -> Vec<(usize, RejectCode)> {
    let of = |event: &Event| match event {
        Event::Fault { node, rejection, .. } => Some((mesh.place(node), rejection.code)),
        _ => None,
    };
    mesh.events.iter().filter_map(of).collect()
}

#[test]
fn an_outvoted_replica_is_charged_once_and_nobody_else_is() {
    for place in 0..3 {
        let mut mesh = mesh_of_three(CHAIN);
        let id = mesh.submit_until_active();
        let odd = mesh.nodes_of(&id, "a")[place];
        mesh.odd.insert(odd, " odd");
        mesh.result(&id, 5_000);
        mesh.run(5_000, |m| !faults(m).is_empty());
        let until_ms = mesh.now_ms + 3_000;
        mesh.run(4_000, |m| m.now_ms >= until_ms);
        let tasks = mesh.nodes_of(&id, "b").contains(&odd) as usize
            + mesh.nodes_of(&id, "c").contains(&odd) as usize;
        let charged = faults(&mesh);
        assert!(charged.iter().all(|fault| *fault == (odd, RejectCode::WrongOutput)));
        assert!((1..=1 + tasks).contains(&charged.len()), "{charged:?}");
        assert!(mesh.rejections.is_empty(), "{:?}", mesh.rejections);
    }
}

#[test]
fn a_node_that_signs_two_outputs_is_charged() {
    let mut mesh = mesh_of_three(ONE);
    let id = mesh.submit_until_active();
    let liar = *mesh.nodes_of(&id, "a").last().unwrap();
    mesh.run(1_000, |m| !m.nodes[liar].completions.is_empty());
    let mut completion = mesh.nodes[liar].completions[0].completion.clone();
    completion.output = Digest::of(b"another");
    let lie = completion.sign(&mesh.secret(liar), &mesh.state.network());
    let from = mesh.key(liar);
    for at in (0..4).filter(|at| *at != liar) {
        let message = Message::Completed { completion: lie.clone(), data: None };
        mesh.nodes[at].inbox.push_back(trustmesh_agent::Input::Message { from, message });
    }
    mesh.run(5_000, |m| !faults(m).is_empty());
    // Whoever hears the others first finds it outvoted, which is as true.
    let charged = faults(&mesh);
    let either = [RejectCode::TwoCompletions, RejectCode::WrongOutput];
    assert!(either.iter().any(|code| charged == [(liar, *code)]), "{charged:?}");
    assert!(mesh.finalized(&id) || mesh.record(&id).status == Status::Active);
}
