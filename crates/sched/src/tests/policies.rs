//! Schedulers under network-defined rules: no plan leaves that breaks one.

use super::{amount, node, problem, seed, task};
use crate::{NAMES, NetworkRules, PlanError, Problem, TaskNeed, plan};
use proptest::prelude::*;
use std::collections::BTreeMap;
use trustmesh_policy::{NodeFacts, Policies, RequestFacts, TaskFacts};
use trustmesh_types::{
    PolicyId, PublicKey,
    policy::{Policy, PolicyScope},
};

/// Labels of nodes 1 to 8: four zones of two nodes; vendors x, x, x, x, x, y, y, z.
const ZONES: [&str; 8] = ["a", "a", "b", "b", "c", "c", "d", "d"];
const VENDORS: [&str; 8] = ["x", "x", "x", "x", "x", "y", "y", "z"];

fn asked(tasks: Vec<TaskNeed>, policies: &[(PolicyScope, &str)]) -> Problem {
    let nodes: Vec<_> = (1..=8).map(|n| node(n, amount(1_000, 1_000))).collect();
    let labels = |n: usize| {
        let (zone, vendor) = (ZONES[n].to_owned(), VENDORS[n].to_owned());
        BTreeMap::from([("zone".to_owned(), zone), ("vendor".to_owned(), vendor)])
    };
    let told = nodes.iter().enumerate().map(|(n, node)| {
        let facts = NodeFacts {
            key: node.key.to_string(),
            name: node.name.clone(),
            labels: labels(n),
            capacity: node.capacity,
            available: node.available,
            ..NodeFacts::default()
        };
        (node.key, facts)
    });
    let policies: Vec<Policy> = policies
        .iter()
        .enumerate()
        .map(|(at, (scope, expression))| Policy {
            id: PolicyId::new(&format!("p{at}")).unwrap(),
            scope: *scope,
            expression: (*expression).into(),
            message: "the message".into(),
        })
        .collect();
    let facts = |task: &TaskNeed| TaskFacts {
        id: task.id.to_string(),
        app: task.app.to_string(),
        level: task.level,
        replicas: task.replicas,
        timeout_ms: 1_000,
        requirements: task.requirements,
    };
    let rules = NetworkRules {
        policies: Policies::new(&policies),
        request: RequestFacts::default(),
        tasks: tasks.iter().map(facts).collect(),
        nodes: told.collect(),
    };
    assert!(rules.check(&[]).is_ok() || rules.policies.asks_plans());
    Problem { rules, ..problem(nodes, tasks) }
}

fn tasks(count: u32, replicas: u8) -> Vec<TaskNeed> {
    let one = |n: u32| task(&format!("t{n}"), n / 3, amount(100, 100));
    (0..count).map(|n| TaskNeed { replicas, ..one(n) }).collect()
}

#[test]
fn a_pair_that_a_policy_refuses_is_no_candidate_and_says_why() {
    let in_c = (PolicyScope::Assignment, "task.id != 't1' || node.labels['zone'] == 'c'");
    for name in NAMES {
        for n in 0..50 {
            let placed = plan(&asked(tasks(3, 1), &[in_c]), name, seed(n)).unwrap();
            let why = placed.explanation.iter().find(|e| e.task.as_str() == "t1").unwrap();
            assert!([5, 6].contains(&why.chosen.0[0]), "{name}");
            assert_eq!((why.candidates.len(), why.unfit.len()), (2, 6), "{name}");
            assert!(why.unfit[0].reason.contains("policy p0"), "{}", why.unfit[0].reason);
            assert!(why.unfit[0].reason.contains("the message"), "{}", why.unfit[0].reason);
        }
    }
    let nowhere = (PolicyScope::Assignment, "node.labels['zone'] == 'moon'");
    let refused = plan(&asked(tasks(1, 1), &[nowhere]), "lcdwrr", seed(0)).unwrap_err();
    assert!(refused.to_string().contains("policy p0"), "{refused}");
}

/// Policies that plans can keep to, from easy to hard to meet by chance.
const KEPT: [&str; 8] = [
    "distinct(nodes.map(n, n.labels['vendor'])).all(v, nodes.filter(n, n.labels['vendor'] == v)\
     .map(n, n.tasks).sum() * 2 <= size(assignments))",
    "distinct(nodes.map(n, n.labels['zone'])).size() == 1",
    "distinct(nodes.map(n, n.labels['zone'])).size() == 4",
    "nodes.all(n, n.tasks <= 1)",
    "size(nodes) == 1",
    "nodes.all(n, n.labels.vendor == 'y' || n.labels.vendor == 'z')",
    "assignments.exists(a, a.task.id == 't0' && a.node.labels.zone == 'd') && \
     assignments.exists(a, a.task.id == 't5' && a.node.labels.vendor == 'z')",
    "nodes.all(n, (n.cpu_millis - n.available_cpu_millis + n.planned_cpu_millis) * 100 \
     <= n.cpu_millis * 10)",
];

#[test]
fn plans_keep_to_policies_that_chance_alone_would_not_meet() {
    for expression in KEPT {
        for name in NAMES {
            for n in 0..10 {
                let asked = asked(tasks(6, 1), &[(PolicyScope::Plan, expression)]);
                let placed = plan(&asked, name, seed(n));
                let placed = placed.unwrap_or_else(|e| panic!("{name}, {n}: {expression}: {e}"));
                assert_eq!(asked.rules.check(&placed.assignments), Ok(()), "{expression}");
                assert_eq!(placed.explanation.len(), 6);
                assert_eq!(plan(&asked, name, seed(n)).unwrap(), placed, "the seed decides");
            }
        }
    }
}

#[test]
fn what_no_plan_keeps_to_is_infeasible_and_named() {
    let sees_three = "size(nodes) == 3 && nodes.all(n, n.tasks == 1)";
    for expression in [sees_three, "false", "1 / (size(nodes) - size(nodes)) == 1"] {
        for name in NAMES {
            let asked = asked(tasks(6, 1), &[(PolicyScope::Plan, expression)]);
            match plan(&asked, name, seed(1)).unwrap_err() {
                PlanError::Infeasible { unfit, .. } => {
                    assert_eq!(unfit.len(), 8);
                    assert!(unfit[0].reason.contains("policy p0"), "{}", unfit[0].reason);
                    assert!(unfit[0].reason.contains("the message"), "{}", unfit[0].reason);
                }
                other => panic!("{other}"),
            }
        }
    }
}

#[test]
fn room_that_is_missing_is_not_blamed_on_a_policy() {
    let mut full = asked(tasks(1, 1), &[(PolicyScope::Plan, "size(nodes) == 1")]);
    full.tasks[0].requirements = amount(2_000, 1);
    let refused = plan(&full, "lcdwrr", seed(0)).unwrap_err().to_string();
    assert!(refused.contains("left") && !refused.contains("policy"), "{refused}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn no_plan_leaves_that_breaks_a_policy(
        count in 1u32..8,
        replicas in 1u8..4,
        chosen in proptest::collection::vec(0..KEPT.len(), 1..4),
        n in any::<u32>(),
    ) {
        let policies: Vec<_> = chosen.iter().map(|at| (PolicyScope::Plan, KEPT[*at])).collect();
        let asked = asked(tasks(count, replicas), &policies);
        for name in NAMES {
            if let Ok(placed) = plan(&asked, name, seed(n)) {
                prop_assert_eq!(asked.rules.check(&placed.assignments), Ok(()));
                for assignment in &placed.assignments {
                    let mut nodes: Vec<PublicKey> = assignment.nodes.clone();
                    nodes.sort_unstable();
                    nodes.dedup();
                    prop_assert_eq!(nodes.len(), usize::from(replicas));
                }
            }
        }
    }
}
