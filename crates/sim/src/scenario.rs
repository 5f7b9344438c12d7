//! What to play: nodes, links, faults, requests. A scenario and a seed make one world.
//!
//! Times are virtual. Faults and requests are counted from when the mesh is ready:
//! applications deployed, devices registered, every node's resources on the ledger.

use crate::deviation::Deviation;
use std::time::Duration;
use trustmesh_types::{genesis::Parameters, workflow::Workflow};

/// A connection from one node to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Mean time that a message takes.
    pub latency: Duration,
    /// Its standard deviation.
    pub jitter: Duration,
    /// Messages in 1,000 that get lost.
    pub loss_per_mille: u16,
}

impl Link {
    /// A sound link.
    #[must_use]
    pub const fn sound(latency: Duration) -> Self {
        Self { latency, jitter: Duration::ZERO, loss_per_mille: 0 }
    }
}

/// How far apart everybody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    /// Between any two nodes, unless told otherwise.
    pub nodes: Link,
    /// From one node to another (indices), in that direction.
    pub special: Vec<(usize, usize, Link)>,
    /// From a device to a node, and back.
    pub device: Duration,
    /// Until bytes that a node stores are durable.
    pub disk: Duration,
}

impl Default for Links {
    fn default() -> Self {
        Self {
            nodes: Link::sound(Duration::from_millis(5)),
            special: Vec::new(),
            device: Duration::from_micros(12_200),
            disk: Duration::from_millis(1),
        }
    }
}

/// Something that goes wrong, or is put right. Nodes are indices; node 0 has the lowest
/// public key, so that among equals it is designated first (PROTOCOL §4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A node's process is killed. What was durable stays.
    Crash(usize),
    /// It is started again from what was durable.
    Start(usize),
    /// A node never says its plans: neither confirms nor declines.
    Silence(usize),
    /// It says them again.
    Speak(usize),
    /// Every link becomes like this.
    Links(Link),
    /// The link from one node to another becomes like this; `None` cuts it.
    Link(usize, usize, Option<Link>),
}

/// A fault and when it happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timed {
    /// After the mesh is ready.
    pub after: Duration,
    /// What happens.
    pub fault: Fault,
}

/// What devices ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// Created before; requests take them in turn.
    pub workflows: Vec<Workflow>,
    /// How many devices there are; they send in turn.
    pub devices: u16,
    /// How many requests are sent.
    pub requests: u32,
    /// Between two sends; each is moved by up to as much again, by the seed.
    pub interval: Duration,
    /// From a request's making to its deadline.
    pub lifetime: Duration,
}

/// What to play.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// A name for people.
    pub name: String,
    /// How many nodes there are, each with every role.
    pub nodes: u16,
    /// The network's parameters.
    pub parameters: Parameters,
    /// How far apart everybody is.
    pub links: Links,
    /// What goes wrong.
    pub faults: Vec<Timed>,
    /// Which nodes are evil, and how; a node may be so in several ways.
    pub evil: Vec<(usize, Deviation)>,
    /// What devices ask for.
    pub workload: Workload,
}

impl Scenario {
    /// A mesh where nothing goes wrong, with `requests` requests.
    #[must_use]
    pub fn new(name: &str, nodes: u16, workflows: Vec<Workflow>, requests: u32) -> Self {
        Self {
            name: name.to_owned(),
            nodes,
            parameters: Parameters::default(),
            links: Links::default(),
            faults: Vec::new(),
            evil: Vec::new(),
            workload: Workload {
                workflows,
                devices: 3,
                requests,
                interval: Duration::from_millis(150),
                lifetime: Duration::from_secs(30),
            },
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
    pub fn evil(mut self, node: usize, deviation: Deviation) -> Self {
        self.evil.push((node, deviation));
        self
    }

    /// What is wrong with it, if anything.
    pub(crate) fn flaw(&self) -> Option<String> {
        let nodes = usize::from(self.nodes);
        let known = |node: &usize| *node < nodes;
        let sound = |link: &Link| link.loss_per_mille <= 1_000;
        if self.workload.workflows.is_empty() || self.workload.devices == 0 {
            return Some("a workload needs a workflow and a device".to_owned());
        }
        let special = self.links.special.iter();
        let mut links = special.map(|(a, b, link)| known(a) && known(b) && sound(link));
        let faults = self.faults.iter().map(|timed| match &timed.fault {
            Fault::Crash(n) | Fault::Start(n) | Fault::Silence(n) | Fault::Speak(n) => known(n),
            Fault::Links(link) => sound(link),
            Fault::Link(a, b, link) => known(a) && known(b) && link.iter().all(sound),
        });
        let fine =
            sound(&self.links.nodes) && links.all(|fine| fine) && faults.min() != Some(false);
        let fine = fine && self.evil.iter().all(|(node, _)| known(node));
        (!fine).then(|| format!("it names a node above {nodes} or a loss above 1,000 per mille"))
    }
}
