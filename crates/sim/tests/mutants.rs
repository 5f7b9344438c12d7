//! The judge can fail: each check that is left out of the code under test is noticed in a
//! world that attacks what it guards. What the model check notices beside stands in its own
//! tests.

#![expect(clippy::unwrap_used, reason = "a world that can't be built fails its test")]

use std::time::Duration;
use trustmesh_sim::{Deviation as D, Scenario, chain, diamond, heavy, run, slow};
use trustmesh_types::{
    mutants::{Mutant, mutate},
    workflow::Workflow,
};

/// Seeds that a mutant may take to be noticed.
const SEEDS: u64 = 6;

fn mesh(evil: &[(usize, D)], workflows: Vec<Workflow>) -> Scenario {
    let mut scenario = Scenario::new("mutant", 4, workflows, 6);
    scenario.parameters.execution_grace_ms = 500;
    scenario.workload.lifetime = Duration::from_secs(10);
    scenario.workload.probes = 1;
    evil.iter().fold(scenario, |it, (node, deviation)| it.with_evil(*node, *deviation))
}

/// What the judge says of a world in which something is left out; the properties that break.
fn broken(mutant: Option<Mutant>, scenario: &Scenario) -> Vec<&'static str> {
    let _mutated = mutant.map(mutate);
    for seed in 1..=SEEDS {
        let outcome = run(scenario, seed).unwrap();
        if !outcome.violations.is_empty() {
            return outcome.violations.iter().map(|it| it.property).collect();
        }
    }
    Vec::new()
}

/// Noticed as one of these, and only because of what is left out.
#[track_caller]
fn noticed(mutant: Mutant, scenario: &Scenario, as_one_of: &[&str]) {
    assert_eq!(broken(None, scenario), [""; 0], "{mutant:?}: it is broken as it is");
    let found = broken(Some(mutant), scenario);
    assert!(found.iter().any(|it| as_one_of.contains(it)), "{mutant:?}: {found:?}");
}

#[test]
fn plans_of_others_are_noticed() {
    let scenario = mesh(&[(3, D::UninvitedPlanner)], vec![chain()]);
    noticed(Mutant::C1Off, &scenario, &["S3"]);
}

#[test]
fn late_plans_are_noticed() {
    let scenario = mesh(&[(0, D::LatePlanner)], vec![slow()]);
    noticed(Mutant::C2Off, &scenario, &["S2", "S4"]);
}

#[test]
fn incomplete_plans_are_noticed() {
    let scenario = mesh(&[(0, D::IncompletePlanner)], vec![chain()]);
    noticed(Mutant::C3Off, &scenario, &["C3"]);
}

#[test]
fn wrong_levels_are_noticed() {
    let scenario = mesh(&[(0, D::LevelPlanner)], vec![chain()]);
    noticed(Mutant::C4Off, &scenario, &["C4"]);
}

#[test]
fn overbooked_nodes_are_noticed() {
    let scenario = mesh(&[(0, D::OverCapacityPlanner)], vec![heavy()]);
    noticed(Mutant::C6Off, &scenario, &["S6"]);
}

#[test]
fn reservations_that_are_kept_are_noticed() {
    noticed(Mutant::ReservationsKept, &mesh(&[], vec![chain()]), &["S1", "S6"]);
}

#[test]
fn replays_are_noticed() {
    let scenario = mesh(&[(0, D::Replayer)], vec![chain()]);
    noticed(Mutant::ReplayAccepted, &scenario, &["S4"]);
}

#[test]
fn bytes_of_another_digest_are_noticed() {
    let mut scenario = mesh(&[(0, D::LyingStore)], vec![chain(), diamond()]);
    scenario.workload.requests = 12;
    noticed(Mutant::BlobUnchecked, &scenario, &["S7", "S9", "L1"]);
}

#[test]
fn a_generation_deadline_that_never_fires_is_noticed() {
    let scenario = mesh(&[(0, D::SilentPlanner)], vec![chain()]);
    noticed(Mutant::GenerationNeverDue, &scenario, &["L1"]);
}

#[test]
fn an_execution_deadline_that_never_fires_is_noticed() {
    let scenario = mesh(&[(0, D::NoOutput)], vec![chain()]);
    noticed(Mutant::ExecutionNeverDue, &scenario, &["L1"]);
}

#[test]
fn a_request_deadline_that_never_fires_is_noticed() {
    let mut scenario = mesh(&[], vec![slow()]);
    scenario.workload.lifetime = Duration::from_millis(250);
    scenario.workload.probes = 0;
    noticed(Mutant::RequestNeverDue, &scenario, &["L1"]);
}

#[test]
fn done_tasks_that_are_forgotten_are_noticed() {
    let mut scenario = mesh(&[(0, D::NoOutput)], vec![slow(), diamond()]);
    scenario.workload.requests = 12;
    noticed(Mutant::DoneForgotten, &scenario, &["C3"]);
}
