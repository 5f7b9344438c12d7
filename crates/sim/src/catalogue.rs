//! The scenarios that are played again and again: by the tests, and by `trustmesh sim`.

use crate::{
    scenario::{Fault, Link, Scenario},
    workflows,
};
use std::time::Duration;

/// A kind of scenario, for any number of nodes.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    make: fn(u16, u32) -> Scenario,
}

impl Kind {
    /// The scenario with that many nodes and requests.
    #[must_use]
    pub fn scenario(&self, nodes: u16, requests: u32) -> Scenario {
        (self.make)(nodes, requests)
    }
}

/// All kinds.
pub const KINDS: [Kind; 6] = [
    Kind { name: "calm", about: "nothing goes wrong", make: calm },
    Kind { name: "dead-node", about: "a node dies and stays dead", make: dead_node },
    Kind {
        name: "silent-planner",
        about: "the node that is designated first never says its plans, for a while",
        make: silent_planner,
    },
    Kind { name: "loss", about: "5 % of all messages get lost, for a while", make: loss },
    Kind { name: "restart", about: "a node is killed amid requests and comes back", make: restart },
    Kind { name: "failing-app", about: "an application fails wherever it runs", make: failing_app },
];

/// The kind of a name.
#[must_use]
pub fn catalogue(name: &str) -> Option<Kind> {
    KINDS.into_iter().find(|kind| kind.name == name)
}

fn calm(nodes: u16, requests: u32) -> Scenario {
    Scenario::new("calm", nodes, vec![workflows::chain(), workflows::diamond()], requests)
}

fn dead_node(nodes: u16, requests: u32) -> Scenario {
    let last = usize::from(nodes.saturating_sub(1));
    let workflows = vec![workflows::chain(), workflows::diamond()];
    Scenario::new("dead-node", nodes, workflows, requests).with(100, Fault::Crash(last))
}

fn silent_planner(nodes: u16, requests: u32) -> Scenario {
    Scenario::new("silent-planner", nodes, vec![workflows::chain()], requests)
        .with(0, Fault::Silence(0))
        .with(6_000, Fault::Speak(0))
}

fn loss(nodes: u16, requests: u32) -> Scenario {
    let sound = Link::sound(Duration::from_millis(5));
    let lossy = Link { jitter: Duration::from_millis(1), loss_per_mille: 50, ..sound };
    Scenario::new("loss", nodes, vec![workflows::chain(), workflows::diamond()], requests)
        .with(0, Fault::Links(lossy))
        .with(8_000, Fault::Links(sound))
}

fn restart(nodes: u16, requests: u32) -> Scenario {
    let workflows = vec![workflows::slow(), workflows::diamond()];
    Scenario::new("restart", nodes, workflows, requests)
        .with(500, Fault::Crash(1))
        .with(3_000, Fault::Start(1))
}

fn failing_app(nodes: u16, requests: u32) -> Scenario {
    let workflows = vec![workflows::failing(), workflows::chain()];
    Scenario::new("failing-app", nodes, workflows, requests)
}
