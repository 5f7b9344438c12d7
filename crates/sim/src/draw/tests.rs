//! What is drawn can be played, can be said in text, and keeps to its bounds.

use super::*;
use crate::scenario::Fault;
use std::collections::BTreeSet;

fn drawn(seeds: std::ops::Range<u64>) -> impl Iterator<Item = Scenario> {
    seeds.map(|seed| Terms::default().draw(seed))
}

#[test]
fn every_drawn_scenario_can_be_played_and_said_in_text() {
    for (seed, scenario) in (0..).zip(drawn(0..400)) {
        assert_eq!(scenario.flaw(), None, "seed {seed}");
        let text = serde_json::to_string(&scenario).unwrap();
        assert_eq!(serde_json::from_str::<Scenario>(&text).unwrap(), scenario, "seed {seed}");
        assert_eq!(Terms::default().draw(seed), scenario);
    }
}

#[test]
fn all_kinds_sizes_and_deviations_are_drawn() {
    let all: Vec<Scenario> = drawn(0..3_000).collect();
    let names: BTreeSet<&str> = all.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names.len(), MIXES.len(), "{names:?}");
    let sizes: BTreeSet<u16> = all.iter().map(|s| s.nodes).collect();
    assert_eq!(sizes, BTreeSet::from([4, 7, 16]));
    let evil: BTreeSet<Deviation> =
        all.iter().flat_map(|s| &s.evil).map(|(_, deviation)| *deviation).collect();
    assert_eq!(evil.len(), Deviation::ALL.len());
}

#[test]
fn never_more_nodes_are_bad_at_once_than_are_tolerated() {
    for (seed, scenario) in (0..).zip(drawn(0..2_000)) {
        let mut bad: BTreeSet<usize> = scenario.evil.iter().map(|(node, _)| *node).collect();
        assert!(bad.len() <= scenario.tolerated(), "seed {seed}");
        let crashes = |timed: &&crate::scenario::Timed| matches!(timed.fault, Fault::Crash(_));
        let power_cut = scenario.faults.iter().filter(crashes).count() >= scenario.nodes.into();
        for timed in &scenario.faults {
            assert!(timed.after <= scenario.heals, "seed {seed}");
            match timed.fault {
                Fault::Crash(node) => assert!(bad.insert(node) || power_cut, "seed {seed}"),
                Fault::Clock(node, off) if off != 0 => assert!(bad.insert(node), "seed {seed}"),
                Fault::Start(node) | Fault::Clock(node, _) => {
                    assert!(bad.remove(&node) || power_cut)
                }
                _ => {}
            }
            assert!(bad.len() <= scenario.tolerated() || power_cut, "seed {seed}: {bad:?}");
        }
        assert!(scenario.lost().len() + scenario.evil.len() <= scenario.tolerated());
    }
}

#[test]
fn what_the_terms_fix_is_not_drawn() {
    let terms = Terms { mix: crate::mixes::mix("calm"), nodes: Some(16), byzantine: Some(5) };
    for seed in 0..20 {
        let scenario = terms.draw(seed);
        assert_eq!((scenario.nodes, scenario.evil.len()), (16, 5));
        assert_eq!(scenario.name, "calm");
        assert_eq!(scenario.faults, []);
    }
}
