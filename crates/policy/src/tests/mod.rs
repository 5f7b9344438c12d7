//! Expressions that are taken, and what they say; expressions that are refused, and why;
//! hostile text; the same answers as CEL's own interpreter.

mod bounds;
mod hostile;
mod reference;
mod refused;
mod values;

use crate::{Compiled, NodeFacts, PlanFacts, PolicyError, RequestFacts, TaskFacts, Verdict};
use std::collections::BTreeMap;
use trustmesh_types::{
    PolicyId,
    policy::{Policy, PolicyScope},
    resources::{MIB, Resources},
};

fn compile(scope: PolicyScope, expression: &str) -> Result<Compiled, PolicyError> {
    Compiled::new(&Policy {
        id: PolicyId::new("p").unwrap(),
        scope,
        expression: expression.into(),
        message: "keep to it".into(),
    })
}

fn task(id: &str) -> TaskFacts {
    TaskFacts {
        id: id.into(),
        app: format!("app-{id}"),
        level: 1,
        replicas: 2,
        timeout_ms: 5_000,
        requirements: Resources { cpu_millis: 100, memory_bytes: 64 * MIB, disk_bytes: 0 },
    }
}

fn node(name: &str, labels: &[(&str, &str)]) -> NodeFacts {
    let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    NodeFacts {
        key: format!("key-{name}"),
        name: name.into(),
        labels: labels.collect::<BTreeMap<_, _>>(),
        arch: "x86_64".into(),
        capacity: Resources { cpu_millis: 1_000, memory_bytes: 1_024 * MIB, disk_bytes: 7 },
        available: Resources { cpu_millis: 600, memory_bytes: 512 * MIB, disk_bytes: 7 },
        reserved: Resources { cpu_millis: 300, memory_bytes: 256 * MIB, disk_bytes: 0 },
        misses: 3,
        ..NodeFacts::default()
    }
}

fn request() -> RequestFacts {
    RequestFacts {
        workflow: "cold-chain".into(),
        device: "d1".into(),
        input_bytes: 2_000,
        persist: true,
    }
}

/// Tasks a and b with two replicas each, on nodes of vendors x, x, y and zones 1, 2, 1; a
/// fourth node is not used.
fn plan() -> PlanFacts {
    let nodes = vec![
        node("n1", &[("vendor", "x"), ("zone", "1")]),
        node("unused", &[("vendor", "z")]),
        node("n2", &[("vendor", "x"), ("zone", "2")]),
        node("n3", &[("vendor", "y"), ("zone", "1"), ("clearance", "secret")]),
    ];
    PlanFacts::new(request(), vec![task("a"), task("b")], nodes, &[(0, 0), (0, 3), (1, 2), (1, 3)])
}

fn says(scope: PolicyScope, expression: &str) -> Verdict {
    match compile(scope, expression) {
        Ok(compiled) => compiled.check(&plan()),
        Err(error) => panic!("{expression}: {error}"),
    }
}
