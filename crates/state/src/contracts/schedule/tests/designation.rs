//! Whose turn it is (eq. 2, S1), and how a turn ends without a plan.

use super::fixture::Mesh;
use crate::{
    contracts::schedule::{Candidate, Weights, designate},
    tables::Loads,
};
use proptest::prelude::*;
use trustmesh_types::{
    Payload, PublicKey,
    events::Event,
    records::Status,
    reject::RejectCode,
    resources::{MIB, Resources},
};

const WEIGHTS: Weights = Weights { cpu: 4, memory: 1 };

fn candidate(key: u8, misses: u32, cpu_millis: u64, mib: u64) -> Candidate {
    let available = Resources { cpu_millis, memory_bytes: mib.saturating_mul(MIB), disk_bytes: 0 };
    Candidate { node: PublicKey([key; 32]), misses, available }
}

#[test]
fn fewest_misses_then_weight_then_lowest_key() {
    type Case = (&'static str, Vec<Candidate>, Vec<u8>, Option<u8>);
    let cases: [Case; 6] = [
        ("nobody", vec![], vec![], None),
        ("misses go first", vec![candidate(1, 1, 9, 9), candidate(2, 0, 1, 1)], vec![], Some(2)),
        ("cpu weighs", vec![candidate(1, 0, 1, 3), candidate(2, 0, 2, 0)], vec![], Some(2)),
        ("memory counts", vec![candidate(1, 0, 1, 3), candidate(2, 0, 1, 4)], vec![], Some(2)),
        ("equal: lowest key", vec![candidate(2, 0, 1, 1), candidate(1, 0, 1, 1)], vec![], Some(1)),
        ("in vain", vec![candidate(1, 0, 1, 1), candidate(2, 5, 1, 1)], vec![1], Some(2)),
    ];
    for (what, candidates, in_vain, expected) in cases {
        let in_vain: Vec<PublicKey> = in_vain.into_iter().map(|k| PublicKey([k; 32])).collect();
        let expected = expected.map(|k| PublicKey([k; 32]));
        assert_eq!(designate(&candidates, WEIGHTS, &in_vain), expected, "{what}");
    }
}

#[test]
fn huge_amounts_and_weights_do_not_overflow() {
    let weights = Weights { cpu: u64::MAX, memory: u64::MAX };
    let candidates = [candidate(1, 0, u64::MAX, u64::MAX), candidate(2, 0, 1, 1)];
    assert_eq!(designate(&candidates, weights, &[]), Some(PublicKey([1; 32])));
}

proptest! {
    #[test]
    fn order_of_candidates_and_exclusions_does_not_matter(
        (sorted, shuffled) in prop::collection::btree_map(0u8..20, (0u32..3, 0u64..4, 0u64..4), 0..12)
            .prop_map(|m| m.into_iter().map(|(k, (s, c, b))| candidate(k, s, c, b)).collect::<Vec<_>>())
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        in_vain in prop::collection::vec(0u8..20, 0..6),
    ) {
        let forward: Vec<PublicKey> = in_vain.iter().map(|k| PublicKey([*k; 32])).collect();
        let backward: Vec<PublicKey> = forward.iter().rev().copied().collect();
        let chosen = designate(&sorted, WEIGHTS, &forward);
        prop_assert_eq!(chosen, designate(&shuffled, WEIGHTS, &backward));
        if let Some(node) = chosen {
            prop_assert!(!forward.contains(&node));
        }
    }
}

#[test]
fn declines_go_round_and_then_the_request_waits_with_the_last_reason() {
    let mut mesh = Mesh::new(4);
    let id = mesh.submit("w");
    let mut asked = Vec::new();
    for _ in 0..4 {
        asked.push(mesh.designee(&id).unwrap());
        mesh.one(mesh.decline(&id)).unwrap();
    }
    let mut keys = asked.clone();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 4, "each node once");
    let record = mesh.record(&id);
    let why = record.waiting.unwrap();
    assert!(why.starts_with("all 4 nodes") && why.contains(&asked[3].short()), "{why}");
    assert!(record.designated.is_none() && record.in_vain.is_empty());
    assert_eq!(record.status, Status::Requested);
}

#[test]
fn a_decline_for_another_number_or_task_is_refused() {
    let mut mesh = Mesh::new(4);
    let id = mesh.submit("w");
    let (signer, payload) = mesh.decline(&id);
    let Payload::DeclineSchedule(decline) = payload else { unreachable!() };
    let other = mesh.nodes.iter().map(|n| n.public()).find(|k| *k != signer).unwrap();
    let mut late = decline.clone();
    late.designation += 1;
    let mut unknown = decline.clone();
    unknown.task = super::fixture::task("x");
    for (what, signer, decline, code) in [
        ("number", signer, late, RejectCode::NotCurrent),
        ("signer", other, decline, RejectCode::NotDesignated),
        ("task", signer, unknown, RejectCode::InvalidValue),
    ] {
        let got = mesh.refuse((signer, Payload::DeclineSchedule(decline)));
        assert_eq!(got, (code, false), "{what}");
    }
    assert_eq!(mesh.record(&id).designation, 1);
}

#[test]
fn a_silent_node_is_passed_over_only_after_two_blocks_and_counts_a_miss() {
    let mut mesh = Mesh::new(4);
    let id = mesh.submit("w");
    let silent = mesh.designee(&id).unwrap();
    mesh.block(5_000, vec![]);
    assert_eq!(mesh.designee(&id), Some(silent), "one block is not enough");
    mesh.block(1, vec![]);
    let record = mesh.record(&id);
    assert_ne!(record.designated.unwrap().node, silent);
    assert_eq!((record.designation, record.in_vain), (2, vec![silent]));
    assert_eq!(mesh.store.get::<Loads>(&silent).unwrap().misses, 1);
    assert_eq!(mesh.faults(), 0);
    mesh.block(1, vec![]);
    mesh.block(990, vec![]);
    assert_eq!(mesh.record(&id).designation, 2, "its time is not over");
    mesh.block(20, vec![]);
    assert_eq!(mesh.record(&id).designation, 3);
}

#[test]
fn a_confirmed_plan_makes_a_miss_good() {
    let mut mesh = Mesh::new(4);
    for at in 0..4 {
        let key = mesh.key(at);
        let mut load = mesh.store.get::<Loads>(&key).unwrap();
        load.misses = 2;
        mesh.store.put::<Loads>(&key, &load);
    }
    let id = mesh.submit("w");
    let planner = mesh.designee(&id).unwrap();
    mesh.activate(&id);
    assert_eq!(mesh.store.get::<Loads>(&planner).unwrap().misses, 1);
}

#[test]
fn a_fault_ends_all_designations_of_its_node_in_the_same_block() {
    let mut mesh = Mesh::new(4);
    let (one, two) = (mesh.submit("one"), mesh.submit("one"));
    let node = mesh.designee(&one).unwrap();
    assert_eq!(mesh.designee(&two), Some(node));
    let mut plan = mesh.plan(&one).unwrap();
    plan.assignments.clear();
    let refused = mesh.one((node, Payload::ConfirmSchedule(plan))).unwrap_err();
    assert!(refused.fault);
    assert!(mesh.events.iter().any(|e| matches!(e, Event::Fault { node: n, .. } if *n == node)));
    for id in [one, two] {
        assert_eq!(mesh.record(&id).designation, 2);
        assert_ne!(mesh.designee(&id), Some(node));
    }
}
