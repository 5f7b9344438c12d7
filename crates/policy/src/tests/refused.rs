//! Expressions that are no policies, and what is said of them.

use super::compile;
use crate::{Compiled, PolicyError};
use trustmesh_types::{
    PolicyId, limits,
    policy::{Policy, PolicyScope},
};

fn refusal(scope: PolicyScope, expression: &str) -> String {
    match compile(scope, expression) {
        Ok(_) => panic!("{expression} is taken"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_no_policy_is_refused_with_a_reason() {
    for (expression, part) in [
        ("1", "type int"),
        ("nodes", "list of node"),
        ("x == 1", "no variable `x` in scope `plan`; there are: request, workflow"),
        ("node.arch == 'x'", "no variable `node`"),
        (".nodes == 1", "no variable"),
        ("request.nonce == 1", "no field `nonce` of a request"),
        ("nodes.all(n, n.zone == 'a')", "no field `zone` of a node"),
        ("size(nodes) > 1.5", "floating-point"),
        ("size(nodes) > 1e3", "floating-point"),
        ("size(nodes) > 1u", "unsigned"),
        ("request.device == null", "null"),
        ("request.device.matches('a+')", "regular expression"),
        ("timestamp('x') == 1", "clock"),
        ("duration('1s') == 1", "clock"),
        ("int('1') == 1", "conversion"),
        ("math.greatest(1, 2) == 2", "no function `greatest`"),
        ("now() == 1", "no function `now`"),
        ("size() == 1", "`size` takes"),
        ("size(nodes, nodes) == 1", "`size` takes a list or a string; it got list of node"),
        ("size(nodes) == '3'", "`==` takes two bools, ints or strings; it got int, string"),
        ("nodes == nodes", "it got list of node"),
        ("nodes.exists(n, n == n)", "it got node, node"),
        ("true < false", "two ints or two strings"),
        ("'a' + 'b' == 'ab'", "`+` takes two ints"),
        ("!1", "`!` takes a bool"),
        ("1 && true", "`&&` takes two bools"),
        ("true ? 1 : 'a'", "`? :` takes a bool, then two values of one type"),
        ("size(nodes) / 0 == 1", "divided by 0"),
        ("nodes[0].arch == 'x'", "labels are looked up"),
        ("nodes.all(n, n.labels.all(k, k == 'a'))", "look labels up by name"),
        ("request.all(n, true)", "goes over a list"),
        ("nodes.all(n, 1)", "condition is a bool"),
        ("nodes.all(nodes, true)", "choose another name"),
        ("nodes.all(n, nodes.all(n, true))", "choose another name"),
        ("nodes.all(a, nodes.all(b, nodes.all(c, true)))", "loops inside each other"),
        ("nodes.map(n, workflow.tasks).size() == 1", "can't make a list"),
        ("nodes.map(n, n.labels).size() == 1", "can't make a list"),
        ("size([]) == 0", "list without elements"),
        ("size([1, 'a']) == 2", "one type"),
        ("size([[1]]) == 1", "can't have elements"),
        ("has(request.device)", "labels only"),
        ("request.device.x == 1", "a string has no fields"),
        ("nodes.all(n, 1 in n.labels)", "`in` takes"),
        ("nodes.all(n, n in nodes)", "`in` takes"),
        ("distinct(nodes).size() == 1", "`distinct` takes"),
        ("sum(['a']) == 1", "`sum` takes"),
        ("1 == ", "line 1"),
        ("true true", "line 1"),
        ("(true", "line 1"),
        ("nodes.all(1, true)", "line 1"),
        ("9223372036854775808 > 1", "line 1"),
        ("nodes.?x == 1", "line 1"),
        ("a.{}", "maps and messages"),
    ] {
        let got = refusal(PolicyScope::Plan, expression);
        assert!(got.contains(part), "{expression}: {got}");
    }
    for (expression, part) in [
        ("nodes.size() == 1", "no variable `nodes` in scope `assignment`"),
        ("node.tasks == 1", "no field `tasks` of a node in scope `assignment`"),
        ("node.planned_cpu_millis == 1", "no field"),
        ("assignments.size() == 1", "no variable"),
    ] {
        let got = refusal(PolicyScope::Assignment, expression);
        assert!(got.contains(part), "{expression}: {got}");
    }
}

#[test]
fn messages_are_one_line() {
    let with = |message: &str| {
        Compiled::new(&Policy {
            id: PolicyId::new("p").unwrap(),
            scope: PolicyScope::Plan,
            expression: "true".into(),
            message: message.into(),
        })
    };
    assert!(with("stay in zone a").is_ok());
    for message in ["", "  ", "a\nb", &"x".repeat(limits::POLICY_MESSAGE_BYTES_MAX + 1)] {
        assert!(matches!(with(message), Err(PolicyError::Message { .. })), "{message:?}");
    }
}
