//! The same answers as CEL's own interpreter, on random expressions that both take, read by
//! the library's other parser.

use super::compile;
use crate::{Failure, PlanFacts, RequestFacts, Verdict, Why};
use proptest::prelude::*;
use trustmesh_types::policy::PolicyScope;

/// Random well-typed expressions over `request`, most of them with a value.
fn bools() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("request.persist".to_owned()),
        ints().prop_flat_map(|a| (Just(a), ints(), 0..6_usize)).prop_map(|(a, b, at)| {
            let operator = ["==", "!=", "<", "<=", ">", ">="].get(at).copied().unwrap_or("==");
            format!("{a} {operator} {b}")
        }),
        (texts(), texts(), 0..6_usize).prop_map(|(a, b, at)| match at {
            0 => format!("{a}.startsWith({b})"),
            1 => format!("{a}.endsWith({b})"),
            2 => format!("{a}.contains({b})"),
            3 => format!("{a} < {b}"),
            _ => format!("{a} == {b}"),
        }),
        (ints(), ints(), ints(), 0..7_usize).prop_map(|(a, b, c, at)| match at {
            0 => format!("{a} in [{b}, {c}]"),
            1 => format!("[{a}, {b}].all(x, x > {c})"),
            2 => format!("[{a}, {b}].exists(x, x == {c})"),
            3 => format!("[{a}, {b}, {c}].exists_one(x, x < 3)"),
            4 => format!("[{a}, {b}].filter(x, x > {c}).size() == 1"),
            5 => format!("[{a}, {b}].map(x, x * x).exists(y, y == {c})"),
            _ => format!("[{a}, {b}].map(x, x > {c}, x + 1).all(y, [{c}].all(z, z < y))"),
        }),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) || ({b})")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("({a}) ? ({b}) : ({c})")),
        ]
    })
}

fn ints() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (-5..20_i64).prop_map(|n| n.to_string()),
        Just("request.input_bytes".to_owned()),
        Just(i64::MAX.to_string()),
        texts().prop_map(|t| format!("size({t})")),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        (inner.clone(), inner, 0..5_usize).prop_map(|(a, b, at)| {
            let operator = ["+", "-", "*", "/", "%"].get(at).copied().unwrap_or("+");
            format!("({a} {operator} {b})")
        })
    })
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "[abé]{0,3}".prop_map(|t| format!("'{t}'")),
        Just("request.device".to_owned()),
        Just("\"a\\\"b\"".to_owned()),
    ]
}

/// A request as CEL's interpreter takes it: ours has no unsigned numbers.
#[derive(serde::Serialize)]
struct Request<'a> {
    device: &'a str,
    input_bytes: i64,
    persist: bool,
}

/// True, false or no value, by CEL's interpreter.
fn reference(expression: &str, facts: &RequestFacts) -> Option<bool> {
    let program = cel::Program::compile(expression).unwrap();
    let mut context = cel::Context::default();
    let input_bytes = i64::try_from(facts.input_bytes).unwrap();
    let request = Request { device: &facts.device, input_bytes, persist: facts.persist };
    context.add_variable("request", request).unwrap();
    match program.execute(&context) {
        Ok(cel::Value::Bool(value)) => Some(value),
        Ok(other) => panic!("{expression}: {other:?}"),
        Err(_) => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn expressions_mean_what_they_mean_in_cel(expression in bools(), input_bytes in 0..9_u32) {
        // Written-out division by zero is refused when a policy is set.
        let Ok(compiled) = compile(PolicyScope::Plan, &expression) else {
            prop_assume!(expression.contains("/ 0") || expression.contains("% 0"));
            return Ok(());
        };
        let facts = RequestFacts {
            workflow: "w".into(),
            device: "ab".into(),
            input_bytes: input_bytes.into(),
            persist: true,
        };
        let plan = PlanFacts::new(facts.clone(), vec![], vec![], &[]);
        let ours = match compiled.check(&plan) {
            Verdict::Holds => Some(true),
            Verdict::Broken(broken) if broken.why == Why::False => Some(false),
            Verdict::Broken(broken) => {
                prop_assert_ne!(broken.why, Why::Failed(Failure::Type));
                None
            }
        };
        prop_assert_eq!(ours, reference(&expression, &facts), "{}", expression);
    }
}
