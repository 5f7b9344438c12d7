//! Whole worlds, each from one seed: what must always hold holds, and after faults heal
//! every request ends (PROTOCOL §8). Sizes are such that all of it takes few minutes.

#![expect(clippy::unwrap_used, reason = "a world that can't be built fails its test")]

use trustmesh_sim::{End, KINDS, Outcome, catalogue, run, simulated_latency};

fn play(kind: &str, nodes: u16, requests: u32, seed: u64) -> Outcome {
    let kind = catalogue(kind).unwrap();
    let outcome = run(&kind.scenario(nodes, requests), seed).unwrap();
    let name = format!("{} with {nodes} nodes, seed {seed}", kind.name);
    assert_eq!(outcome.violations, [], "{name}");
    assert_eq!(outcome.requests.len(), requests as usize, "{name}");
    outcome
}

fn play_to_results(kind: &str, nodes: u16, requests: u32, seed: u64) -> Outcome {
    let outcome = play(kind, nodes, requests, seed);
    let ends: Vec<&End> = outcome.requests.iter().map(|request| &request.end).collect();
    assert!(ends.iter().all(|end| **end == End::Delivered), "{kind}, {nodes} nodes: {ends:?}");
    outcome
}

#[test]
fn equal_seeds_give_equal_traces_and_others_differ() {
    let [first, again, other] = [7, 7, 8].map(|seed| play("loss", 4, 6, seed));
    assert_eq!(first, again);
    assert_ne!(first.trace_digest, other.trace_digest);
    assert_ne!(first.runtime_digest, other.runtime_digest);
}

#[test]
fn nothing_goes_wrong() {
    for (nodes, requests) in [(4, 20), (7, 10), (16, 4)] {
        let outcome = play_to_results("calm", nodes, requests, 1);
        assert_eq!(outcome.designations_in_vain, 0);
        assert_eq!(outcome.plans_abandoned, 0);
    }
}

#[test]
fn a_dead_node_is_done_without() {
    for (nodes, requests) in [(4, 16), (7, 8), (16, 3)] {
        play_to_results("dead-node", nodes, requests, 2);
    }
}

#[test]
fn a_silent_planner_is_passed_over() {
    for (nodes, requests) in [(4, 12), (7, 6), (16, 3)] {
        let outcome = play_to_results("silent-planner", nodes, requests, 3);
        assert!(outcome.designations_in_vain > 0, "{nodes} nodes");
    }
}

#[test]
fn lost_messages_are_made_good() {
    for (nodes, requests) in [(4, 16), (7, 8), (16, 3)] {
        play_to_results("loss", nodes, requests, 4);
    }
}

#[test]
fn a_node_that_comes_back_goes_on() {
    for (nodes, requests) in [(4, 16), (7, 8), (16, 3)] {
        play_to_results("restart", nodes, requests, 5);
    }
}

#[test]
fn a_failing_application_fails_its_requests_alone() {
    let outcome = play("failing-app", 4, 6, 6);
    for (number, request) in outcome.requests.iter().enumerate() {
        if number % 2 == 0 {
            assert!(matches!(&request.end, End::Failed(why) if why.contains("as told")));
        } else {
            assert_eq!(request.end, End::Delivered);
        }
    }
    assert_eq!(outcome.plans_abandoned, 3 * 2, "three attempts each, the last one ends it");
}

#[test]
fn every_kind_holds_under_many_seeds() {
    for (kind, seed) in KINDS.iter().flat_map(|kind| (100..105).map(move |seed| (kind, seed))) {
        let outcome = play(kind.name, 4, 8, seed);
        assert_eq!(outcome.delivered() + outcome.failed(), 8, "{}, seed {seed}", kind.name);
        assert!(kind.name == "failing-app" || outcome.failed() == 0, "{}, {seed}", kind.name);
    }
}

#[test]
fn the_framework_adds_little_over_distance() {
    for (nodes, requests) in [(4, 20), (16, 6)] {
        let report = simulated_latency(nodes, requests).unwrap();
        assert_eq!((report.failed, report.violations.len()), (0, 0), "{report:?}");
        let p50 = report.overhead_ms.unwrap().p50;
        assert!(p50 <= 150.0, "{nodes} nodes: {p50} ms: {:?}", report.shares);
    }
}
