//! Every way of being evil above the engine (PROTOCOL §9), each in a small world: the attack
//! really happens, it is harmless, and what PROTOCOL §4 calls a fault is charged to the evil
//! node and to nobody else, with the next node designated in the same block.

#![expect(clippy::unwrap_used, reason = "a world that can't be built fails its test")]

use std::collections::BTreeSet;
use trustmesh_sim::{
    Deviation, End, Outcome, Outsider, Scenario, chain, diamond, heavy, replicated, run, slow,
};
use trustmesh_types::workflow::Workflow;

/// What the ledger says to an attack.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Charged {
    /// Nothing: it is no fault, or nobody can prove who did it.
    Never,
    /// A fault, by the code of the rule.
    With(&'static str),
    /// A fault, if the others see the evidence in time; of anybody else never.
    Perhaps,
}

fn mesh(deviation: Deviation, nodes: u16, evil: &[usize], workflows: Vec<Workflow>) -> Scenario {
    let mut scenario = Scenario::new(deviation.name(), nodes, workflows, 6);
    scenario.parameters.execution_grace_ms = 500;
    scenario.parameters.signer_transactions_per_block_max = 32;
    for node in evil {
        scenario = scenario.with_evil(*node, deviation);
    }
    scenario
}

/// Plays it; everything must be well, and the attack must have happened.
fn harmless(scenario: &Scenario, seed: u64) -> Outcome {
    let outcome = run(scenario, seed).unwrap();
    let name = format!("{} with {} nodes, seed {seed}", scenario.name, scenario.nodes);
    assert_eq!(outcome.violations, [], "{name}");
    let ends: Vec<&End> = outcome.requests.iter().map(|request| &request.end).collect();
    assert!(ends.iter().all(|end| **end == End::Delivered), "{name}: {ends:?}");
    let acts = |who: &str| {
        let prefix = format!("{who}: ");
        let of = outcome.evil_acts.iter().filter(|(what, _)| what.starts_with(&prefix));
        of.map(|(_, count)| count).sum::<u64>()
    };
    let evil = scenario.evil.iter().map(|(_, deviation)| deviation.name());
    for who in evil.chain(scenario.outsiders.iter().map(|outsider| outsider.name())) {
        assert!(acts(who) > 0, "{name}: {who} did nothing: {:?}", outcome.evil_acts);
    }
    outcome
}

fn attack_in(scenario: &Scenario, seed: u64, charged: Charged) -> Outcome {
    let outcome = harmless(scenario, seed);
    let name = &scenario.name;
    let evil: BTreeSet<Option<usize>> = scenario.evil.iter().map(|(node, _)| Some(*node)).collect();
    for charge in &outcome.charges {
        assert!(evil.contains(&charge.node), "{name}: {charge:?}");
        assert_eq!(charge.ended, charge.passed_on, "{name}: {charge:?}");
        assert!(charged != Charged::Never, "{name}: {charge:?}");
        if let Charged::With(code) = charged {
            assert_eq!(charge.code, code, "{name}: {charge:?}");
        }
    }
    let expected = matches!(charged, Charged::With(_));
    assert!(!expected || !outcome.charges.is_empty(), "{name}: nobody is charged");
    outcome
}

/// One evil node of four: the one that is designated first among equals.
fn attack(deviation: Deviation, workflows: Vec<Workflow>, charged: Charged) -> Outcome {
    attack_in(&mesh(deviation, 4, &[0], workflows), 1, charged)
}

/// The charged designee's request went to another node at once.
fn passed_on_at_once(outcome: &Outcome) {
    let ended: usize = outcome.charges.iter().map(|charge| charge.ended).sum();
    assert!(ended > 0, "{:?}", outcome.charges);
}

fn acts(outcome: &Outcome, what: &str) -> u64 {
    outcome.evil_acts.get(what).copied().unwrap_or(0)
}

#[test]
fn a_plan_for_another_node_s_request_charges_its_signer() {
    // The last among equals, so that others are designated.
    let scenario = mesh(Deviation::UninvitedPlanner, 4, &[3], vec![chain()]);
    attack_in(&scenario, 1, Charged::With("not_designated"));
}

#[test]
fn a_designated_node_that_interferes_with_another_request_is_charged_and_passed_over() {
    let mut scenario = mesh(Deviation::Interferer, 4, &[0], vec![slow()]);
    scenario.workload.requests = 24;
    scenario.parameters.fault_limit = 100;
    let outcome = attack_in(&scenario, 1, Charged::With("not_designated"));
    passed_on_at_once(&outcome);
}

#[test]
fn a_plan_for_an_active_request_comes_to_nothing() {
    attack(Deviation::LatePlanner, vec![chain()], Charged::Never);
}

#[test]
fn a_broken_plan_charges_its_planner_and_the_next_node_plans_in_the_same_block() {
    for (deviation, code) in [
        (Deviation::IncompletePlanner, "incomplete_plan"),
        (Deviation::DoublingPlanner, "incomplete_plan"),
        (Deviation::LevelPlanner, "wrong_level"),
        (Deviation::UnknownNodePlanner, "ineligible_node"),
        (Deviation::PolicyBreaker, "policy_broken"),
    ] {
        let outcome = attack(deviation, vec![chain(), diamond()], Charged::With(code));
        passed_on_at_once(&outcome);
    }
}

#[test]
fn a_plan_above_what_a_node_attests_charges_its_planner() {
    let mut scenario = mesh(Deviation::OverCapacityPlanner, 4, &[0], vec![heavy()]);
    // One at a time, so that honest plans fit.
    scenario.workload.interval = std::time::Duration::from_millis(600);
    let outcome = attack_in(&scenario, 1, Charged::With("over_attested"));
    passed_on_at_once(&outcome);
}

#[test]
fn a_node_that_does_not_plan_is_passed_over_without_fault() {
    for deviation in [Deviation::SilentPlanner, Deviation::Decliner] {
        let outcome = attack(deviation, vec![chain()], Charged::Never);
        assert!(outcome.designations_in_vain > 0, "{deviation}");
    }
    attack(Deviation::SlowPlanner, vec![chain()], Charged::Never);
}

#[test]
fn of_two_plans_for_one_designation_one_counts() {
    attack(Deviation::TwoPlans, vec![chain(), diamond()], Charged::Never);
}

#[test]
fn a_node_that_takes_everything_and_does_nothing_is_done_without() {
    let scenario = mesh(Deviation::Hog, 4, &[0], vec![chain()]);
    let outcome = attack_in(&scenario, 1, Charged::Perhaps);
    assert!(acts(&outcome, "hog: does nothing") > 0);
    assert!(outcome.plans_abandoned > 0);
}

#[test]
fn transactions_that_are_replayed_or_forged_stand_in_no_block() {
    let outcome = attack(Deviation::Replayer, vec![chain()], Charged::Never);
    for what in ["again", "altered", "for another network", "expired"] {
        assert!(acts(&outcome, &format!("replayer: {what}")) > 0, "{what}");
    }
    attack(Deviation::Forger, vec![chain()], Charged::Never);
}

#[test]
fn a_flood_is_bounded_and_others_get_through() {
    attack(Deviation::Flooder, vec![chain()], Charged::Never);
}

#[test]
fn a_lying_report_harms_nobody_else() {
    attack(Deviation::LyingReporter, vec![chain(), diamond()], Charged::Never);
}

#[test]
fn wrong_outputs_are_outvoted_by_replicas() {
    for deviation in [Deviation::WrongOutput, Deviation::ColludingReplica] {
        attack(deviation, vec![replicated()], Charged::Perhaps);
    }
}

#[test]
fn a_single_worker_s_wrong_output_is_believed_and_no_more_than_that() {
    attack(Deviation::WrongOutput, vec![chain(), diamond()], Charged::Never);
}

#[test]
fn outputs_that_nobody_gets_are_made_elsewhere() {
    for deviation in
        [Deviation::NoOutput, Deviation::OtherBytes, Deviation::HugeOutput, Deviation::Withholder]
    {
        attack(deviation, vec![chain()], Charged::Perhaps);
    }
}

#[test]
fn two_completions_of_one_task_lead_to_one_result() {
    attack(Deviation::TwoCompletions, vec![chain(), diamond()], Charged::Perhaps);
}

#[test]
fn a_finalizer_that_is_silent_or_lost_is_done_without() {
    for deviation in [Deviation::SilentFinalizer, Deviation::LostFinalizer] {
        let mut scenario = mesh(deviation, 4, &[0], vec![chain()]);
        // Enough that the evil node finalizes one.
        scenario.workload.requests = 20;
        attack_in(&scenario, 1, Charged::Never);
    }
}

#[test]
fn what_a_store_alters_swaps_drops_or_replays_is_fetched_elsewhere() {
    let mut scenario = mesh(Deviation::LyingStore, 4, &[0], vec![chain(), diamond()]);
    scenario.workload.requests = 40;
    let outcome = attack_in(&scenario, 1, Charged::Never);
    for what in ["does not keep", "alters", "swaps", "drops", "replays"] {
        assert!(acts(&outcome, &format!("lying-store: {what}")) > 0, "{what}");
    }
}

#[test]
fn another_artifact_is_recognised_by_its_digest() {
    let scenario = mesh(Deviation::ArtifactSwapper, 4, &[1], vec![chain()]);
    attack_in(&scenario, 1, Charged::Never);
}

#[test]
fn evidence_in_others_names_proves_nothing() {
    let outcome = attack(Deviation::EvidenceForger, vec![chain(), diamond()], Charged::Perhaps);
    for what in [
        "forges a completion",
        "forges receipts",
        "finalizes by forged evidence",
        "shows evidence about something else",
    ] {
        assert!(acts(&outcome, &format!("evidence-forger: {what}")) > 0, "{what}");
    }
}

#[test]
fn a_device_believes_no_result_by_one_node_s_word() {
    let mut scenario = mesh(Deviation::ResultRedirector, 4, &[0], vec![chain()]);
    scenario.workload.requests = 12;
    let outcome = attack_in(&scenario, 1, Charged::Never);
    assert!(outcome.results_refused > 0);
    for what in ["invents a result", "says that there is no result"] {
        assert!(acts(&outcome, &format!("result-redirector: {what}")) > 0, "{what}");
    }
}

#[test]
fn who_is_no_member_or_lacks_the_role_gets_nowhere() {
    for outsider in Outsider::ALL {
        let mut scenario = Scenario::new(outsider.name(), 4, vec![chain()], 3);
        scenario.outsiders = vec![outsider];
        let outcome = harmless(&scenario, 1);
        assert_eq!(outcome.charges, [], "{}", scenario.name);
    }
}

#[test]
fn two_of_seven_are_harmless_too_when_they_work_together() {
    for (deviation, workflows, charged) in [
        (Deviation::EvidenceForger, vec![chain()], Charged::Perhaps),
        (Deviation::LevelPlanner, vec![diamond()], Charged::With("wrong_level")),
        (Deviation::WrongOutput, vec![replicated()], Charged::Perhaps),
        (Deviation::LyingStore, vec![chain()], Charged::Never),
        (Deviation::ResultRedirector, vec![chain()], Charged::Never),
        (Deviation::Hog, vec![chain()], Charged::Perhaps),
    ] {
        attack_in(&mesh(deviation, 7, &[0, 1], workflows), 2, charged);
    }
}

#[test]
fn equal_seeds_give_equal_traces_with_evil_nodes_too() {
    let scenario = mesh(Deviation::LyingStore, 4, &[0], vec![chain()])
        .with_evil(0, Deviation::TwoPlans)
        .with_evil(0, Deviation::Replayer);
    let [first, again] = [3, 3].map(|seed| run(&scenario, seed).unwrap());
    assert_eq!(first, again);
}
