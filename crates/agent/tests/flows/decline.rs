//! When there is no plan, or no such scheduler (PROTOCOL §4, phase 2; §6).

use super::common::{CHAIN, Mesh, Setup, task_id};
use std::collections::BTreeSet;
use trustmesh_types::{Payload, events::Event, plan::Decline, records::Status};

fn declines(mesh: &Mesh) -> Vec<(usize, &Decline)> {
    let declines = mesh.transacted.iter().filter_map(|(_, from, payload)| match payload {
        Payload::DeclineSchedule(decline) => Some((*from, decline)),
        _ => None,
    });
    declines.collect()
}

#[test]
fn when_nothing_fits_each_designated_node_declines_with_a_reason_per_node() {
    let mut mesh = Mesh::with(&Setup { cpu_millis: 4_001, ..Setup::of(CHAIN) });
    let id = mesh.submit(0, 1, b"1");
    mesh.run(5_000, |m| m.state.request(&id).is_some_and(|r| r.waiting.is_some()));
    let declines = declines(&mesh);
    let from: BTreeSet<usize> = declines.iter().map(|(from, _)| *from).collect();
    assert_eq!((from.len(), declines.len()), (4, 4), "each node once");
    for (_, decline) in declines {
        assert_eq!((decline.request, &decline.task), (id, &task_id("a")));
        let nodes: BTreeSet<_> = decline.unfit.iter().map(|u| u.node).collect();
        assert_eq!(nodes, (0..4).map(|at| mesh.key(at)).collect());
        for unfit in &decline.unfit {
            assert!(unfit.reason.contains("4001"), "{}", unfit.reason);
        }
    }
    assert_eq!(mesh.record(&id).status, Status::Requested);
    assert!(!mesh.events.iter().any(|e| matches!(e, Event::Fault { .. })));
    assert!(mesh.rejections.is_empty(), "{:?}", mesh.rejections);
}

#[test]
fn a_decline_names_the_task_that_fits_nowhere_and_not_the_first() {
    // Each node takes one run: three replicas of one task do fit, a second task's do not.
    let setup = Setup { replicas: 3, ..Setup::spread(&[("a", &[]), ("b", &["a"])]) };
    let mut mesh = Mesh::with(&setup);
    let id = mesh.submit(0, 1, b"1");
    mesh.run(5_000, |m| m.state.request(&id).is_some_and(|r| r.waiting.is_some()));
    let declines = declines(&mesh);
    assert!(!declines.is_empty());
    for (_, decline) in declines {
        assert_eq!(decline.task, task_id("b"));
        assert_eq!(decline.unfit.len(), 4, "the nodes that this plan filled are named too");
    }
}

#[test]
fn a_known_scheduler_is_used_without_a_warning() {
    let name = trustmesh_sched::NAMES[trustmesh_sched::NAMES.len() - 1];
    let mut mesh = Mesh::with(&Setup { scheduler: Some(name.into()), ..Setup::of(CHAIN) });
    let id = mesh.submit(0, 1, b"1");
    mesh.result(&id, 2_000);
    assert!(mesh.warnings.is_empty(), "{:?}", mesh.warnings);
}
