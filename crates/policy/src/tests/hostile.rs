//! Text that somebody made up to break the parser, the checker or the stack.

use super::{compile, plan};
use crate::{Failure, Verdict, Why};
use proptest::prelude::*;
use trustmesh_types::{limits::POLICY_EXPRESSION_BYTES_MAX as BYTES_MAX, policy::PolicyScope};

/// On a stack as small as any thread has: what recursed without bound would end the test.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(512 * 1024);
    thread.spawn(work).unwrap().join().unwrap();
}

#[test]
fn deep_text_is_refused_and_no_stack_overflows() {
    on_a_small_stack(|| {
        let fill = |part: &str| part.repeat(BYTES_MAX / part.len());
        for part in [
            "(",
            "[",
            "((",
            "!",
            "-",
            "!-",
            "- ",
            "a.",
            "a?",
            "a?b:",
            "1+",
            "a[",
            "a(",
            "f(a,",
            "!(",
            "a&&",
            "a||",
            "'x'",
            "a in ",
            ")",
            "nodes.all(n,",
            "nodes.map(n,n).",
            "x.f().",
            "1<",
            "a?b:(",
            "has(",
            "-(-",
            "[1,",
            "1*-",
            "..",
            "a ? ",
            "\\",
            "'",
            "\"\\",
        ] {
            let text = fill(part);
            assert!(compile(PolicyScope::Plan, &text).is_err(), "{part}");
            let tail = format!("{}1", text.get(..text.len() - 1).unwrap_or_default());
            assert!(compile(PolicyScope::Plan, &tail).is_err(), "{part}");
        }
    });
}

/// Pieces that expressions are made of.
const PIECES: [&str; 58] = [
    "nodes",
    "assignments",
    "workflow",
    "request",
    ".tasks",
    ".node",
    ".task",
    ".labels",
    ".zone",
    "[",
    "]",
    "(",
    ")",
    "'a'",
    "\"b\"",
    "1",
    "0",
    "-",
    "!",
    "+",
    "*",
    "/",
    "%",
    "==",
    "!=",
    "<",
    "<=",
    "&&",
    "||",
    "?",
    ":",
    ",",
    " in ",
    ".all(n,",
    ".exists(m,",
    ".map(k,",
    ".filter(n,",
    ".exists_one(m,",
    "size(",
    "sum(",
    "distinct(",
    "label(",
    "has(",
    "n",
    "m",
    "k",
    "true",
    "false",
    "null",
    "1.5",
    "2u",
    ".matches(",
    ".cpu_millis",
    ".misses",
    " ",
    "{",
    "é",
    "''",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_judged_without_panic(text in ".{0,200}") {
        let _ = compile(PolicyScope::Plan, &text);
        let _ = compile(PolicyScope::Assignment, &text);
    }

    #[test]
    fn pieces_in_any_order_are_judged_and_asked_without_panic(
        pieces in proptest::collection::vec(0..PIECES.len(), 0..60),
    ) {
        let text: String = pieces.iter().filter_map(|at| PIECES.get(*at)).copied().collect();
        for scope in [PolicyScope::Plan, PolicyScope::Assignment] {
            if let Ok(compiled) = compile(scope, &text) {
                let once = compiled.check(&plan());
                prop_assert_eq!(&once, &compiled.check(&plan()));
                let confused = match &once {
                    Verdict::Broken(broken) => broken.why == Why::Failed(Failure::Type),
                    Verdict::Holds => false,
                };
                prop_assert!(!confused, "{}", text);
            }
        }
    }
}
