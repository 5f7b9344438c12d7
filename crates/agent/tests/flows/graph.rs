//! A diamond with an edge across levels and two sinks (PROTOCOL §4, Execution): a join
//! waits for all its actual predecessors and takes all their outputs.

use super::common::{DIAMOND, Mesh, task_id};
use trustmesh_types::{Digest, evidence::TaskInput, message::Message};

fn input(from: &str) -> TaskInput {
    let output = format!("[\"{from}\"]");
    TaskInput { from: Some(task_id(from)), digest: Digest::of(output.as_bytes()) }
}

#[test]
fn a_join_takes_the_outputs_of_all_its_predecessors_also_across_levels() {
    let mut mesh = Mesh::new(DIAMOND);
    let id = mesh.submit(0, 1, b"{\"x\":1}");
    mesh.result(&id, 2_000);
    let runs = || mesh.nodes.iter().flat_map(|n| &n.runs);
    let of = |task: &str| runs().find(|r| r.run.task == task_id(task)).unwrap();
    let join = String::from_utf8(of("d").input.to_vec()).unwrap();
    assert!(
        join.starts_with(
            "{\"data\":[\"a\",\"b\",\"c\"],\
             \"inputs\":{\"a\":[\"a\"],\"b\":[\"b\"],\"c\":[\"c\"]},"
        ),
        "{join}"
    );
    let source = String::from_utf8(of("a").input.to_vec()).unwrap();
    assert!(source.starts_with("{\"data\":{\"x\":1},\"inputs\":{},"), "{source}");
    let record = mesh.record(&id);
    let inputs = &record.completion(&task_id("d")).unwrap().completion.inputs;
    assert_eq!(*inputs, [input("a"), input("b"), input("c")]);
}

#[test]
fn both_sinks_outputs_are_delivered_by_every_holder() {
    let mut mesh = Mesh::new(DIAMOND);
    let id = mesh.submit(0, 1, b"1");
    mesh.result(&id, 2_000);
    let holders: Vec<usize> =
        mesh.record(&id).result_receipts.iter().map(|r| mesh.place(&r.validator)).collect();
    let delivered = |m: &Mesh| holders.iter().all(|at| !m.nodes[*at].deliveries.is_empty());
    mesh.run(5_000, delivered);
    for at in holders {
        let delivery = &mesh.nodes[at].deliveries[0];
        let outputs: Vec<(&str, &[u8])> =
            delivery.outputs.iter().map(|(t, data)| (t.as_str(), data.as_ref())).collect();
        assert_eq!(outputs, [("d", b"[\"d\"]".as_slice()), ("e", b"[\"e\"]".as_slice())]);
        assert_eq!(delivery.completions.len(), 5);
    }
}

#[test]
fn a_join_does_not_start_before_its_last_predecessor_is_known() {
    let mut mesh = Mesh::new(DIAMOND);
    let id = mesh.submit_until_active();
    // Nobody hears of b but the node that ran it.
    let join = mesh.nodes_of(&id, "d")[0];
    let alone = mesh.nodes_of(&id, "b")[0];
    assert_ne!(join, alone, "the seed puts them on two nodes");
    mesh.wire = Box::new(|_, _, message| match message {
        Message::Completed { completion, .. } if completion.completion.task == task_id("b") => None,
        other => Some(other),
    });
    let since_ms = mesh.now_ms;
    mesh.run(2_000, |m| m.now_ms >= since_ms + 900);
    assert_eq!((mesh.runs_of("c"), mesh.runs_of("e")), (1, 1), "the others went on");
    assert_eq!(mesh.runs_of("d"), 0);
    mesh.wire = Box::new(|_, _, message| Some(message));
    mesh.result(&id, 5_000);
    assert_eq!(mesh.runs_of("d"), 1);
    assert_eq!(mesh.record(&id).attempts, 1);
}
