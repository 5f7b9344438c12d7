//! Every run within the bounds of docs/model.md keeps S2, S3, S4, S6, S7, S8, S9 and L1.

use stateright::{Checker, Model};
use trustmesh_model::{Asked, Bounds, LONG_MS, NODES, NOTHING_BROKEN, Runs, Start};

const NONE: Bounds = Bounds { delays: 0, troubles: 0, lags: 0, restarts: 0, evil_acts: 0 };

fn asked(requests: &[&'static str], evil: Option<usize>) -> Vec<Asked> {
    let entry = if evil == Some(1) { 2 } else { 1 };
    let asked = requests.iter().map(|name| Asked {
        workflow: if *name == "two" { "two" } else { "one" },
        lifetime_ms: if *name == "short" { 900 } else { 2 * LONG_MS },
        entry,
    });
    asked.collect()
}

/// Goes through all runs; fails with the actions that lead to what is broken, when a run
/// that should exist does not, or when there are suspiciously few situations.
#[track_caller]
fn explore(requests: &[&'static str], evil: &[Option<usize>], bounds: Bounds, least: usize) {
    let start =
        |evil: &Option<usize>| Start { asked: asked(requests, *evil), evil: *evil, seed: 1 };
    let starts = evil.iter().map(start).collect();
    let checker = Runs { starts, bounds, hook: None }.checker().spawn_dfs().join();
    println!(
        "{requests:?}, evil {evil:?}, {bounds:?}: {} situations, {} steps, longest run {}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth()
    );
    let found = checker
        .discovery(NOTHING_BROKEN)
        .map(|path| (path.last_state().broken(), path.into_actions()));
    assert!(found.is_none(), "{found:#?}");
    checker.assert_properties();
    assert!(checker.unique_state_count() >= least, "too few situations");
}

fn every_place() -> Vec<Option<usize>> {
    (0..NODES).map(Some).collect()
}

#[test]
fn two_requests_and_a_silent_node_at_every_place() {
    explore(&["two", "one"], &every_place(), NONE, 200);
}

#[test]
fn two_requests_and_an_evil_act_at_any_moment() {
    explore(&["two", "one"], &[Some(0), Some(3)], Bounds { evil_acts: 1, ..NONE }, 4_000);
}

#[test]
fn two_requests_and_a_run_that_fails_or_never_ends() {
    explore(&["two", "one"], &[None], Bounds { troubles: 1, ..NONE }, 1_000);
}

#[test]
fn two_requests_and_a_late_block_at_any_moment() {
    explore(&["two", "one"], &[None], Bounds { delays: 1, ..NONE }, 3_000);
}

#[test]
fn two_requests_and_a_restart_at_any_moment() {
    explore(&["one", "one"], &[None], Bounds { restarts: 1, ..NONE }, 800);
}

#[test]
fn two_requests_and_a_node_that_hears_of_blocks_late() {
    explore(&["one", "one"], &[None, Some(0)], Bounds { lags: 1, ..NONE }, 500);
}

#[test]
fn one_request_two_evil_acts_at_every_place() {
    explore(&["two"], &every_place(), Bounds { evil_acts: 2, ..NONE }, 1_500);
}

#[test]
fn one_request_and_all_that_can_go_wrong_once() {
    let bounds = Bounds { delays: 1, troubles: 1, evil_acts: 1, ..NONE };
    explore(&["two"], &[Some(0)], bounds, 2_000);
}

#[test]
fn a_request_with_little_time_ends_all_the_same() {
    explore(&["short", "one"], &[Some(0)], Bounds { evil_acts: 1, ..NONE }, 500);
}
