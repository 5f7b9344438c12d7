//! What to play: nodes, links, faults, requests. A scenario and a seed make one world.
//!
//! Times are virtual. Faults, operations and requests are counted from when the mesh is
//! ready: applications deployed, devices registered, every node's resources on the ledger.
//! A scenario has a text form (JSON, spans in microseconds), so that any can be kept and
//! replayed.

mod faults;
mod links;
mod workload;

pub use faults::{ClockError, Fault, Timed};
pub use links::{Link, Links, Weather};
pub use workload::{Operation, TimedOperation, Workload};

use crate::{adversary::Outsider, deviation::Deviation};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use trustmesh_types::{
    genesis::{Parameters, faults_tolerated},
    workflow::Workflow,
};

/// What to play.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// A name for people.
    pub name: String,
    /// How many nodes there are, each with every role but for the workers.
    pub nodes: u16,
    /// How many of them, the last ones, only follow the chain and run tasks.
    #[serde(default, skip_serializing_if = "none")]
    pub workers: u16,
    /// The network's parameters.
    pub parameters: Parameters,
    /// How far apart everybody is.
    pub links: Links,
    /// What goes wrong.
    pub faults: Vec<Timed>,
    /// Which nodes are evil, and how; a node may be so in several ways.
    pub evil: Vec<(usize, Deviation)>,
    /// Who else tries what only members may.
    pub outsiders: Vec<Outsider>,
    /// Nodes whose clocks are wrong.
    pub clocks: Vec<ClockError>,
    /// When the last fault has healed: from then on the network is synchronous, all nodes but
    /// those lost for good are up, and only evil nodes misbehave.
    #[serde(rename = "heals_us", with = "crate::spans")]
    pub heals: Duration,
    /// What devices ask for, and what operators do meanwhile.
    pub workload: Workload,
}

impl Scenario {
    /// A mesh where nothing goes wrong, with `requests` requests.
    #[must_use]
    pub fn new(name: &str, nodes: u16, workflows: Vec<Workflow>, requests: u32) -> Self {
        Self {
            name: name.to_owned(),
            nodes,
            workers: 0,
            parameters: Parameters::default(),
            links: Links::default(),
            faults: Vec::new(),
            evil: Vec::new(),
            outsiders: Vec::new(),
            clocks: Vec::new(),
            heals: Duration::ZERO,
            workload: Workload::new(workflows, requests),
        }
    }

    /// The same with one more fault.
    #[must_use]
    pub fn with(mut self, after_ms: u64, fault: Fault) -> Self {
        self.faults.push(Timed { after: Duration::from_millis(after_ms), fault });
        self
    }

    /// The same with one more evil node.
    #[must_use]
    pub fn with_evil(mut self, node: usize, deviation: Deviation) -> Self {
        self.evil.push((node, deviation));
        self
    }

    /// The same with so many of the nodes workers and no more.
    #[must_use]
    pub const fn with_workers(mut self, workers: u16) -> Self {
        self.workers = workers;
        self
    }

    /// Nodes that vote.
    #[must_use]
    pub const fn validators(&self) -> u16 {
        self.nodes.saturating_sub(self.workers)
    }

    /// Faulty validators that a mesh of this size tolerates (f).
    #[must_use]
    pub fn tolerated(&self) -> usize {
        faults_tolerated(self.validators().into())
    }

    /// Nodes that crash and are never started again.
    #[must_use]
    pub fn lost(&self) -> Vec<usize> {
        let mut faults: Vec<&Timed> = self.faults.iter().collect();
        faults.sort_by_key(|timed| timed.after);
        let mut down = std::collections::BTreeSet::new();
        for timed in faults {
            match timed.fault {
                Fault::Crash(node) => down.insert(node),
                Fault::Start(node) => down.remove(&node),
                _ => continue,
            };
        }
        down.into_iter().collect()
    }

    /// What is wrong with it, if anything.
    pub(crate) fn flaw(&self) -> Option<String> {
        let nodes = usize::from(self.nodes);
        if nodes == 0 || self.workload.workflows.is_empty() || self.workload.devices == 0 {
            return Some("it needs a node, a workflow and a device".to_owned());
        }
        if self.validators() == 0 {
            return Some(format!("none of its {nodes} nodes is a validator"));
        }
        let known = |node: &usize| *node < nodes;
        let all_known = self.evil.iter().all(|(node, _)| known(node))
            && self.clocks.iter().all(|clock| known(&clock.node));
        let links_fine = self.links.flawless(nodes);
        let faults_fine = self.faults.iter().all(|timed| timed.fault.flawless(nodes));
        if !(all_known && links_fine && faults_fine) {
            return Some(format!("it names a node above {nodes} or a rate above 1,000 per mille"));
        }
        self.workload.flaw()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn none(count: &u16) -> bool {
    *count == 0
}
