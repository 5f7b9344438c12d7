//! What expressions say of a plan.

use super::{compile, node, plan, request, says, task};
use crate::{Failure, Policies, Verdict, Why};
use trustmesh_types::{
    PolicyId,
    policy::{Policy, PolicyScope},
};

#[test]
fn what_is_true_of_a_plan() {
    for expression in [
        "true",
        "size(assignments) == 4 && assignments.size() == 4 && size(nodes) == 3",
        "workflow.id == 'cold-chain' && request.workflow == workflow.id && request.device == 'd1'",
        "request.persist && request.input_bytes == 2000",
        "workflow.tasks.all(t, t.replicas == 2 && t.level == 1 && t.timeout_ms <= 5000)",
        "workflow.tasks.map(t, t.cpu_millis).sum() == 200 && workflow.tasks[0 == 1 ? 'a' : 'b'] \
         == 'x' || true",
        "nodes.exists_one(n, n.labels['clearance'] == 'secret')",
        "!nodes.exists(n, n.name == 'unused')",
        "nodes.filter(n, n.labels.vendor == 'x').size() == 2",
        "nodes.map(n, n.tasks) == 0 || sum(nodes.map(n, n.tasks)) == 4",
        "distinct(assignments.map(a, label(a.node, 'vendor'))).size() == 2",
        "distinct(assignments.map(a, a.node.labels.zone)) \
         .all(z, assignments.filter(a, a.node.labels.zone == z).size() <= 3)",
        "nodes.all(n, n.labels['no such'] == '' && !has(n.labels.none) && 'zone' in n.labels)",
        "nodes.all(n, n.planned_cpu_millis == n.tasks * 100 && n.planned_memory_bytes > 0)",
        "nodes.all(n, n.cpu_millis - n.available_cpu_millis + n.planned_cpu_millis <= 600)",
        "nodes.all(n, n.reserved_cpu_millis == 300 && n.reserved_memory_bytes > 0)",
        "nodes.all(n, n.misses == 3 && n.disk_bytes == 7 && n.available_memory_bytes > 1)",
        "assignments.all(a, a.task.id in ['a', 'b'] && a.node.arch.startsWith('x86'))",
        "assignments.map(a, a.task.app.endsWith('a'), a.node.key).size() == 2",
        "assignments.all(a, a.node.name.contains('n') ? true : false)",
        "-7 / 2 == -3 && -7 % 2 == -1 && 'b' > 'a' && 'a' <= 'a' && 1 != 2 && !false",
        "'it\\'s' == \"it's\" && size('é') == 1 && 2 in [1, 2] && !(3 in [1, 2])",
        "(1 / (size(nodes) - 3) == 1 || true) && (true || 1 / (size(nodes) - 3) == 1)",
        "!(1 / (size(nodes) - 3) == 1 && false)",
    ] {
        // An index of a list is refused, not evaluated: see `refused`.
        if expression.contains("tasks[0") || expression.contains("n.tasks) == 0") {
            assert!(compile(PolicyScope::Plan, expression).is_err(), "{expression}");
            continue;
        }
        assert_eq!(says(PolicyScope::Plan, expression), Verdict::Holds, "{expression}");
        let not = format!("!({expression})");
        assert_ne!(says(PolicyScope::Plan, &not), Verdict::Holds, "{not}");
    }
}

#[test]
fn an_assignment_is_judged_by_itself_and_named() {
    let holds = "task.replicas == 2 && node.labels['vendor'] in ['x', 'y'] && request.persist";
    assert_eq!(says(PolicyScope::Assignment, holds), Verdict::Holds);
    let Verdict::Broken(broken) = says(PolicyScope::Assignment, "node.labels.zone == '1'") else {
        panic!("n2 is in zone 2")
    };
    assert_eq!((broken.assignment, &broken.why), (Some(2), &Why::False));
    let text = broken.to_string();
    assert_eq!(text, "policy p does not hold for task b on node n2: keep to it");
    let compiled = compile(PolicyScope::Assignment, "node.labels.zone == '1'").unwrap();
    let in_zone = |zone| compiled.check_pair(&request(), &task("a"), &node("n", &[("zone", zone)]));
    assert_eq!(in_zone("1"), Verdict::Holds);
    assert!(matches!(in_zone("2"), Verdict::Broken(_)));
}

#[test]
fn what_types_can_not_rule_out_fails_closed() {
    let max = i64::MAX;
    for (expression, failure) in [
        ("1 / (size(nodes) - 3) == 0", Failure::DivisionByZero),
        ("1 % (size(nodes) - 3) == 0 || false", Failure::DivisionByZero),
        ("nodes.all(n, n.cpu_millis / (n.tasks - 1) > 0)", Failure::DivisionByZero),
        (&format!("{max} + size(nodes) > 0"), Failure::Overflow),
        (&format!("-{max} - size(nodes) < 0"), Failure::Overflow),
        (&format!("{max} * size(nodes) > 0"), Failure::Overflow),
        (&format!("sum([{max}, 1]) > 0"), Failure::Overflow),
    ] {
        let Verdict::Broken(broken) = says(PolicyScope::Plan, expression) else {
            panic!("{expression} holds")
        };
        assert_eq!(broken.why, Why::Failed(failure), "{expression}");
        assert!(broken.to_string().contains("can't be decided"), "{broken}");
    }
}

#[test]
fn load_is_what_reading_a_load_field_makes() {
    for (scope, expression, load) in [
        (PolicyScope::Plan, "nodes.all(n, n.cpu_millis > n.planned_cpu_millis)", false),
        (PolicyScope::Plan, "nodes.all(n, n.available_cpu_millis > 0)", true),
        (PolicyScope::Plan, "assignments.exists(a, a.node.misses == 0)", true),
        (PolicyScope::Assignment, "node.labels.zone == 'a' || node.reserved_cpu_millis == 0", true),
        (PolicyScope::Assignment, "node.labels.misses == ''", false),
    ] {
        assert_eq!(compile(scope, expression).unwrap().reads_load(), load, "{expression}");
    }
}

#[test]
fn of_two_broken_policies_the_one_without_load_decides() {
    let policy = |id: &str, expression: &str| Policy {
        id: PolicyId::new(id).unwrap(),
        scope: PolicyScope::Plan,
        expression: expression.into(),
        message: "m".into(),
    };
    let load = policy("a-load", "nodes.all(n, n.misses == 0)");
    let plain = policy("z-plain", "size(nodes) == 1");
    let all = Policies::new([&load, &plain]);
    let first = |all: &Policies| match all.check(&plan()) {
        Verdict::Broken(broken) => broken.policy.to_string(),
        Verdict::Holds => String::new(),
    };
    assert_eq!(first(&all), "z-plain");
    assert!(all.reads_load(&load.id) && !all.reads_load(&plain.id) && all.asks_plans());
    let unreadable = policy("b", "x == 1.5");
    assert_eq!(first(&Policies::new([&load, &unreadable])), "b");
    assert!(Policies::default().is_empty());
    assert_eq!(Policies::default().check(&plan()), Verdict::Holds);
}
