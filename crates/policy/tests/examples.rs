//! The examples of `examples/policies`: each compiles, holds of one plan there and breaks by
//! the other.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use trustmesh_policy::{Compiled, PlanFacts, PlanFile, Policies, Verdict, Why};
use trustmesh_types::policy::Policy;

macro_rules! example {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../examples/policies/", $name, ".yaml")))
    };
}

const POLICIES: [(&str, &str); 5] = [
    example!("vendor-distribution"),
    example!("replica-vendors"),
    example!("utilisation-cap"),
    example!("geographic-placement"),
    example!("clearance"),
];

fn plan(text: &str) -> PlanFacts {
    let file: PlanFile = serde_saphyr::from_str(text).unwrap();
    file.facts().unwrap()
}

fn spread() -> PlanFacts {
    plan(include_str!("../../../examples/policies/plans/spread.yaml"))
}

fn one_vendor() -> PlanFacts {
    plan(include_str!("../../../examples/policies/plans/one-vendor.yaml"))
}

#[test]
fn each_example_holds_of_one_plan_and_is_broken_by_the_other() {
    for (name, text) in POLICIES {
        let policy: Policy = serde_saphyr::from_str(text).unwrap();
        assert_eq!(policy.id.as_str(), name);
        let compiled = Compiled::new(&policy).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(compiled.reads_load(), name == "utilisation-cap", "{name}");
        assert_eq!(compiled.check(&spread()), Verdict::Holds, "{name}");
        let Verdict::Broken(broken) = compiled.check(&one_vendor()) else { panic!("{name} holds") };
        assert_eq!(broken.why, Why::False, "{name}");
        assert!(broken.to_string().contains(&policy.message), "{broken}");
    }
}

#[test]
fn all_examples_can_be_set_together() {
    let policies: Vec<Policy> =
        POLICIES.iter().map(|(_, text)| serde_saphyr::from_str(text).unwrap()).collect();
    assert_eq!(Policies::new(&policies).check(&spread()), Verdict::Holds);
}

#[test]
fn a_plan_that_names_what_is_not_there_is_refused() {
    let text = include_str!("../../../examples/policies/plans/spread.yaml");
    for (from, to, part) in [
        ("nodes: [n1, n2]", "nodes: [n9]", "no node \"n9\" in `nodes:`; there are: n1, n2, n3"),
        ("task: process,", "task: paint,", "no task \"paint\""),
    ] {
        let file: PlanFile = serde_saphyr::from_str(&text.replace(from, to)).unwrap();
        let error = file.facts().unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    assert!(serde_saphyr::from_str::<PlanFile>("nodes: []\nzones: []").is_err());
}
