//! Validators that are evil in agreement (PROTOCOL §9): every request ends, nobody honest is
//! charged, the ledger does not fork, and who contradicts itself is reported on the ledger.

#![expect(clippy::unwrap_used, reason = "a world that can't be built fails its test")]

use std::{collections::BTreeSet, time::Duration};
use trustmesh_sim::{Deviation, End, Outcome, Scenario, catalogue, chain, diamond, run};

/// Plays a mesh with these evil nodes; what must hold in every one of them holds.
fn play(nodes: u16, evil: &[(usize, Deviation)], requests: u32, seed: u64) -> Outcome {
    let mut scenario = Scenario::new("engine attack", nodes, vec![chain(), diamond()], requests);
    scenario.evil = evil.to_vec();
    // Close together, so that requests meet in blocks.
    scenario.workload.interval = Duration::from_millis(20);
    let outcome = run(&scenario, seed).unwrap();
    let name = format!("{evil:?} among {nodes}, seed {seed}");
    assert_eq!(outcome.violations, [], "{name}");
    let ends: Vec<&End> = outcome.requests.iter().map(|request| &request.end).collect();
    assert!(ends.iter().all(|end| **end == End::Delivered), "{name}: {ends:?}");
    for (_, deviation) in evil {
        let acts = outcome.evil_acts.get(deviation.name()).copied().unwrap_or(0);
        assert!(acts > 0, "{name}: {deviation} never happened");
    }
    let charged: BTreeSet<usize> = evil.iter().map(|(node, _)| *node).collect();
    assert!(outcome.reported_voters.is_subset(&charged), "{name}: an honest node is reported");
    outcome
}

/// One evil node of four, and two of seven.
fn alone_and_in_company(deviation: Deviation, company: Deviation) -> [Outcome; 2] {
    let alone = play(4, &[(2, deviation)], 6, 11);
    let both = play(7, &[(2, deviation), (5, company)], 4, 12);
    [alone, both]
}

#[test]
fn a_leader_that_equivocates_is_reported_on_the_ledger() {
    let leader = Deviation::EquivocatingLeader;
    let [alone, both] = alone_and_in_company(leader, leader);
    assert_eq!(alone.reported_voters, BTreeSet::from([2]));
    assert_eq!(both.reported_voters, BTreeSet::from([2, 5]));
}

#[test]
fn a_validator_that_votes_twice_is_reported_on_the_ledger() {
    // The seed says in which of the three ways it contradicts itself.
    for seed in 20..23 {
        let outcome = play(4, &[(1, Deviation::DoubleVoter)], 4, seed);
        assert_eq!(outcome.reported_voters, BTreeSet::from([1]), "seed {seed}");
    }
    let both = play(7, &[(1, Deviation::DoubleVoter), (3, Deviation::DoubleVoter)], 4, 23);
    assert_eq!(both.reported_voters, BTreeSet::from([1, 3]));
}

#[test]
fn a_leader_that_censors_only_delays() {
    let leader = Deviation::CensoringLeader;
    alone_and_in_company(leader, leader);
}

#[test]
fn a_leader_that_reorders_harms_nobody() {
    // Many requests, so that its blocks hold more than one transaction.
    let leader = Deviation::ReorderingLeader;
    play(4, &[(2, leader)], 12, 11);
    play(7, &[(2, leader), (5, leader)], 12, 12);
}

#[test]
fn a_leader_that_stalls_is_passed_over() {
    let leader = Deviation::StallingLeader;
    alone_and_in_company(leader, leader);
}

#[test]
fn blocks_with_an_invalid_transaction_are_refused_even_if_a_blind_voter_votes_for_them() {
    alone_and_in_company(Deviation::InvalidTransactionLeader, Deviation::BlindVoter);
}

#[test]
fn blocks_with_a_wrong_root_are_refused_even_if_a_blind_voter_votes_for_them() {
    alone_and_in_company(Deviation::StateRootLeader, Deviation::BlindVoter);
}

#[test]
fn blocks_out_of_time_are_refused_even_if_a_blind_voter_votes_for_them() {
    alone_and_in_company(Deviation::TimestampLeader, Deviation::BlindVoter);
}

#[test]
fn a_leader_that_floods_its_blocks_leaves_room_for_others() {
    let leader = Deviation::FloodingLeader;
    alone_and_in_company(leader, leader);
}

#[test]
fn garbage_on_every_channel_is_ignored() {
    let outcomes = alone_and_in_company(Deviation::Babbler, Deviation::Babbler);
    for outcome in outcomes {
        assert!(outcome.reported_voters.is_empty(), "garbage proves nothing");
    }
}

#[test]
fn an_honest_validator_contradicts_itself_neither_after_a_crash_nor_over_lossy_links() {
    for (kind, seed) in ["restart", "loss", "dead-node"].into_iter().zip(40..) {
        let scenario = catalogue(kind).unwrap().scenario(4, 6);
        let outcome = run(&scenario, seed).unwrap();
        assert_eq!(outcome.violations, [], "{kind}");
        assert!(outcome.reported_voters.is_empty(), "{kind}: {:?}", outcome.reported_voters);
    }
}

#[test]
fn a_committee_in_which_certificates_go_to_a_few_stays_live() {
    // Who misses votes needs a certificate of one of the few.
    let lossy = run(&catalogue("loss").unwrap().scenario(16, 2), 50).unwrap();
    assert_eq!(lossy.violations, []);
    assert!(lossy.requests.iter().all(|it| it.end == End::Delivered), "{:?}", lossy.requests);
    let evil = [1, 4, 7, 10, 13].map(|node| (node, Deviation::DoubleVoter));
    play(16, &evil, 2, 51);
}

#[test]
fn equal_seeds_give_equal_attacks() {
    let [first, again] = [(); 2].map(|()| play(4, &[(2, Deviation::EquivocatingLeader)], 3, 31));
    assert_eq!(first, again);
}
