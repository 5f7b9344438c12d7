//! Size and steps are bounded.

use super::{compile, node, request, task};
use crate::{Failure, PlanFacts, PolicyError, Verdict, Why};
use trustmesh_types::{limits, policy::PolicyScope};

/// A plan of so many assignments, of one task, over eight nodes.
fn large(assignments: usize) -> PlanFacts {
    let nodes: Vec<_> = (0..8).map(|n| node(&format!("n{n}"), &[("vendor", "x")])).collect();
    let pairs: Vec<(usize, usize)> = (0..assignments).map(|at| (0, at % 8)).collect();
    PlanFacts::new(request(), vec![task("a")], nodes, &pairs)
}

#[test]
fn sizes_have_a_limit() {
    let sum = |terms: usize| format!("{} == 0", vec!["1"; terms].join("+"));
    assert!(compile(PolicyScope::Plan, &sum(20)).is_ok());
    assert!(matches!(
        compile(PolicyScope::Plan, &sum(60)),
        Err(PolicyError::TooLarge { max: limits::POLICY_DEPTH_MAX, .. })
    ));
    let wide = |terms: usize| vec!["true"; terms].join("||");
    assert!(compile(PolicyScope::Plan, &wide(100)).is_ok());
    assert!(matches!(
        compile(PolicyScope::Plan, &wide(140)),
        Err(PolicyError::TooLarge { max: limits::POLICY_NODES_MAX, .. })
    ));
}

#[test]
fn steps_have_a_limit_and_fail_closed_above() {
    let squared = "assignments.all(a, assignments.all(b, a.node.arch == b.node.arch))";
    let compiled = compile(PolicyScope::Plan, squared).unwrap();
    assert_eq!(compiled.check(&large(60)), Verdict::Holds);
    let Verdict::Broken(broken) = compiled.check(&large(1_024)) else { panic!("over the bound") };
    assert_eq!(broken.why, Why::Failed(Failure::Steps));
    // What would decide does not help, and neither does swallowing the failure.
    let compiled = compile(PolicyScope::Plan, &format!("{squared} || true")).unwrap();
    assert!(matches!(compiled.check(&large(1_024)), Verdict::Broken(_)));
    // The count is of the whole plan, not of each assignment.
    let each = (0..20).map(|n| format!("node.arch != '{n}'")).collect::<Vec<_>>().join("&&");
    let compiled = compile(PolicyScope::Assignment, &each).unwrap();
    assert_eq!(compiled.check(&large(64)), Verdict::Holds);
    assert!(matches!(compiled.check(&large(1_024)), Verdict::Broken(_)));
}

#[test]
fn a_share_of_vendors_is_counted_within_the_limit_for_any_plan() {
    let share = "distinct(nodes.map(n, n.labels['vendor'])).all(v, \
        nodes.filter(n, n.labels['vendor'] == v).map(n, n.tasks).sum() * 2 <= size(assignments))";
    let compiled = compile(PolicyScope::Plan, share).unwrap();
    let Verdict::Broken(broken) = compiled.check(&large(1_024)) else { panic!("one vendor") };
    assert_eq!(broken.why, Why::False);
}
