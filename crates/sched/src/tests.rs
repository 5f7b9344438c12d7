//! Schedulers against the paper's equations, by hand and by statistics; and under policies.

mod policies;

use crate::{NAMES, NodeState, PlanError, Problem, TaskNeed, load, plan, weight};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use trustmesh_types::{
    AppId, PublicKey, TaskId,
    records::Runtime,
    resources::{MIB, Resources},
};

fn amount(cpu_millis: u64, memory_mib: u64) -> Resources {
    Resources { cpu_millis, memory_bytes: memory_mib * MIB, disk_bytes: 0 }
}

fn node(n: u8, available: Resources) -> NodeState {
    NodeState {
        key: PublicKey([n; 32]),
        name: format!("node-{n}"),
        capacity: amount(1_000, 1_000),
        available,
        runtimes: vec![Runtime::Wasm],
        worker: true,
        quarantined: false,
        live: true,
    }
}

fn task(name: &str, level: u32, requirements: Resources) -> TaskNeed {
    TaskNeed {
        id: TaskId::new(name).unwrap(),
        level,
        app: AppId::new("app").unwrap(),
        requirements,
        runtime: Runtime::Wasm,
        replicas: 1,
        blocked: None,
        unfit: BTreeMap::new(),
    }
}

fn problem(nodes: Vec<NodeState>, tasks: Vec<TaskNeed>) -> Problem {
    Problem { tasks, nodes, ..Problem::default() }
}

fn seed(n: u32) -> [u8; 32] {
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&n.to_le_bytes());
    seed
}

/// Four nodes with loads 0, 0.25, 0.5 and 0.75.
fn graded() -> Vec<NodeState> {
    (0..4u8)
        .map(|n| node(n + 1, amount(1_000 - 250 * u64::from(n), 1_000 - 250 * u64::from(n))))
        .collect()
}

#[test]
fn worked_example_of_equations_11_to_13() {
    // load = ½·(250/1000) + ½·(500/1000) = 0.375; weight = 1/0.475.
    let loaded = load(&amount(750, 500), &amount(1_000, 1_000));
    assert!((loaded - 0.375).abs() < 1e-12);
    assert!((weight(loaded) - 2.105_263_157_894_737).abs() < 1e-12);
    // Loads 0 and 0.5 weigh 10 and 1/0.6: probabilities 6/7 and 1/7.
    let nodes = vec![node(1, amount(1_000, 1_000)), node(2, amount(500, 500))];
    let placed =
        plan(&problem(nodes, vec![task("t", 0, amount(1, 1))]), "lcdwrr", seed(1)).unwrap();
    let odds: Vec<f64> = placed.explanation[0].candidates.iter().map(|c| c.probability).collect();
    assert!((odds[0] - 6.0 / 7.0).abs() < 1e-12 && (odds[1] - 1.0 / 7.0).abs() < 1e-12);
}

/// Pearson's chi-square of 10⁵ seeded draws against eq. 12 and 13; 16.27 is the 99.9 %
/// quantile for three degrees of freedom.
#[test]
fn lcdwrr_draws_by_equation_13() {
    let problem = problem(graded(), vec![task("t", 0, amount(1, 1))]);
    let weights: Vec<f64> = (0..4u8).map(|n| 1.0 / (0.25 * f64::from(n) + 0.1)).collect();
    let total: f64 = weights.iter().sum();
    let draws = 100_000u32;
    let mut counts: BTreeMap<PublicKey, f64> = BTreeMap::new();
    for n in 0..draws {
        let placed = plan(&problem, "lcdwrr", seed(n)).unwrap();
        *counts.entry(placed.assignments[0].nodes[0]).or_default() += 1.0;
    }
    let chi_square: f64 = weights
        .iter()
        .enumerate()
        .map(|(at, weight)| {
            let expected = weight / total * f64::from(draws);
            let key = PublicKey([u8::try_from(at).unwrap() + 1; 32]);
            let seen = counts.get(&key).copied().unwrap_or(0.0);
            (seen - expected).powi(2) / expected
        })
        .sum();
    assert!(chi_square < 16.27, "chi-square {chi_square}, counts {counts:?}");
}

#[test]
fn lcdwrr3_never_takes_the_fourth() {
    let problem = problem(graded(), vec![task("t", 0, amount(1, 1))]);
    let taken: BTreeSet<PublicKey> = (0..2_000)
        .map(|n| plan(&problem, "lcdwrr3", seed(n)).unwrap().assignments[0].nodes[0])
        .collect();
    assert_eq!(taken, [1, 2, 3].map(|n| PublicKey([n; 32])).into());
}

#[test]
fn least_loaded_counts_what_the_plan_has_placed() {
    let nodes = vec![node(1, amount(1_000, 1_000)), node(2, amount(900, 900))];
    let tasks = vec![task("a", 0, amount(300, 300)), task("b", 1, amount(300, 300))];
    let placed = plan(&problem(nodes, tasks), "least_loaded", seed(0)).unwrap();
    let taken: Vec<PublicKey> = placed.assignments.iter().map(|a| a.nodes[0]).collect();
    assert_eq!(taken, [PublicKey([1; 32]), PublicKey([2; 32])]);
}

#[test]
fn round_robin_goes_around() {
    let tasks = ["a", "b", "c", "d"].map(|t| task(t, 0, amount(1, 1))).to_vec();
    let placed = plan(&problem(graded(), tasks), "round_robin", seed(3)).unwrap();
    let taken: BTreeSet<PublicKey> = placed.assignments.iter().map(|a| a.nodes[0]).collect();
    assert_eq!(taken.len(), 4);
}

#[test]
fn what_fits_nowhere_is_explained_node_by_node() {
    let mut nodes = graded();
    nodes[0].live = false;
    nodes[1].worker = false;
    let mut full = problem(nodes, vec![task("t", 0, amount(600, 1))]);
    full.barred.push(PublicKey([4; 32]));
    for name in NAMES {
        match plan(&full, name, seed(1)).unwrap_err() {
            PlanError::Infeasible { task, unfit } => {
                assert_eq!(task.as_str(), "t");
                assert_eq!(unfit.len(), 4);
                assert!(unfit.iter().all(|u| !u.reason.is_empty()));
            }
            other => panic!("{other}"),
        }
    }
    let unknown = plan(&full, "best", seed(1)).unwrap_err().to_string();
    assert!(unknown.contains("lcdwrr3") && unknown.contains("best"), "{unknown}");
}

#[test]
fn every_node_is_taken_or_it_is_said_why_not() {
    let mut nodes = graded();
    nodes[3].quarantined = true;
    for name in NAMES {
        let asked = problem(nodes.clone(), vec![task("t", 0, amount(1, 1))]);
        let placed = plan(&asked, name, seed(7)).unwrap();
        let [why] = placed.explanation.as_slice() else { panic!("{:?}", placed.explanation) };
        assert_eq!((why.candidates.len(), why.unfit.len()), (3, 1), "{name}");
        assert!(why.unfit[0].reason.contains("quarantined"), "{name}");
        let chosen = why.candidates.iter().find(|c| c.node == why.chosen).unwrap();
        assert!(why.why().contains(&chosen.name), "{}", why.why());
        for candidate in &why.candidates {
            let drawn = candidate.probability > 0.0;
            assert_eq!(candidate.why_not().contains("probability"), drawn, "{name}");
        }
    }
}

#[test]
fn nodes_to_avoid_are_taken_only_where_no_other_fits() {
    let mut asked = problem(graded(), vec![task("t", 0, amount(1, 1))]);
    asked.avoid = [1, 2, 3].map(|n| PublicKey([n; 32])).to_vec();
    for n in 0..200 {
        let placed = plan(&asked, "lcdwrr", seed(n)).unwrap();
        assert_eq!(placed.assignments[0].nodes, [PublicKey([4; 32])]);
    }
    asked.avoid.push(PublicKey([4; 32]));
    assert!(plan(&asked, "lcdwrr", seed(0)).is_ok());
}

proptest! {
    #[test]
    fn plans_are_complete_fit_and_repeatable(
        free in proptest::collection::vec((0u64..1_000, 0u64..1_000), 1..7),
        needs in proptest::collection::vec((1u64..400, 1u64..400, 0u32..3, 1u8..3), 1..6),
        n in any::<u32>(),
    ) {
        let nodes: Vec<NodeState> = free
            .iter()
            .enumerate()
            .map(|(at, (cpu, mib))| node(u8::try_from(at).unwrap() + 1, amount(*cpu, *mib)))
            .collect();
        let tasks: Vec<TaskNeed> = needs
            .iter()
            .enumerate()
            .map(|(at, (cpu, mib, level, replicas))| TaskNeed {
                replicas: *replicas,
                ..task(&format!("t{at}"), *level, amount(*cpu, *mib))
            })
            .collect();
        let problem = problem(nodes.clone(), tasks.clone());
        for name in NAMES {
            let first = plan(&problem, name, seed(n));
            prop_assert_eq!(&first, &plan(&problem, name, seed(n)));
            let Ok(placed) = first else { continue };
            prop_assert_eq!(placed.assignments.len(), tasks.len());
            let mut used: BTreeMap<PublicKey, Resources> = BTreeMap::new();
            for assignment in &placed.assignments {
                let need = tasks.iter().find(|t| t.id == assignment.task).unwrap();
                let distinct: BTreeSet<&PublicKey> = assignment.nodes.iter().collect();
                prop_assert_eq!(distinct.len(), usize::from(need.replicas));
                prop_assert_eq!(assignment.level, need.level);
                for key in &assignment.nodes {
                    let sum = used.entry(*key).or_default();
                    *sum = sum.plus(need.requirements);
                }
            }
            for (key, sum) in used {
                let available = nodes.iter().find(|n| n.key == key).unwrap().available;
                prop_assert!(sum.fits(&available));
            }
        }
    }
}

#[test]
fn the_ledger_knows_the_schedulers_there_are() {
    assert_eq!(NAMES, trustmesh_types::workflow::SCHEDULERS);
}
