//! Network-defined rules: CEL expressions, and the files of policies and plans.
//!
//! Beside what all targets check: the same policy gives the same verdict twice, and no
//! expression takes longer than its steps.

use crate::{Decoder, choose, memory::bounded, samples};
use std::sync::LazyLock;
use trustmesh_policy::{Compiled, PlanFacts, PlanFile};
use trustmesh_types::{
    PolicyId,
    policy::{Policy, PolicyScope},
};

/// What the first byte chooses from.
pub const DECODERS: &[Decoder] = &[
    ("of assignments", of_assignments),
    ("of plans", of_plans),
    ("policy file", policy_file),
    ("plan file", plan_file),
];

static PLAN: LazyLock<PlanFacts> = LazyLock::new(|| {
    let file: PlanFile = serde_saphyr::from_str(samples::PLAN).expect("the sample is a plan");
    file.facts().expect("the sample names what it has")
});

static POLICIES: LazyLock<Vec<Compiled>> = LazyLock::new(|| {
    let compile = |(scope, text): &(PolicyScope, &str)| {
        Compiled::new(&policy(*scope, text)).expect("the sample is a policy")
    };
    samples::EXPRESSIONS.iter().map(compile).collect()
});

/// One input.
pub fn run(data: &[u8]) {
    choose(DECODERS, data);
}

fn policy(scope: PolicyScope, expression: &str) -> Policy {
    Policy {
        id: PolicyId::new("p").expect("a name"),
        scope,
        expression: expression.to_owned(),
        message: "as the network wants it".to_owned(),
    }
}

fn ask(policy: &Policy, bytes: usize) {
    let Ok(compiled) = bounded("policy", bytes, || Compiled::new(policy)) else { return };
    let verdict = bounded("verdict", bytes, || compiled.check(&PLAN));
    assert_eq!(verdict, compiled.check(&PLAN), "two verdicts of one policy");
    let _ = (compiled.labels().len(), compiled.reads_load(), format!("{verdict:?}"));
}

fn of_assignments(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        ask(&policy(PolicyScope::Assignment, text), bytes.len());
    }
}

fn of_plans(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        ask(&policy(PolicyScope::Plan, text), bytes.len());
    }
}

fn policy_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let read = || serde_saphyr::from_str::<Policy>(text);
    if let Ok(policy) = bounded("policy file", bytes.len(), read) {
        ask(&policy, bytes.len());
    }
}

fn plan_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let read = || serde_saphyr::from_str::<PlanFile>(text);
    let Ok(file) = bounded("plan file", bytes.len(), read) else { return };
    let Ok(facts) = bounded("facts", bytes.len(), || file.facts()) else { return };
    for policy in POLICIES.iter() {
        assert_eq!(policy.check(&facts), policy.check(&facts), "two verdicts of one policy");
    }
}
