//! What goes wrong, and when.

use super::links::{Link, Weather};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Something that goes wrong, or is put right. Nodes are indices; node 0 has the lowest
/// public key, so that among equals it is designated first (PROTOCOL §4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// A node's process is killed. What was durable stays; what was on its way there is lost.
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
    /// These nodes can't reach the others, nor the others them.
    Part(Vec<usize>),
    /// The others hear nothing from these nodes, but these hear the others.
    Mute(Vec<usize>),
    /// Every cut made by `Part` and `Mute` heals.
    Heal,
    /// Messages on every link fare like this.
    Weather(Weather),
    /// A node's clock jumps: from now on it is so many milliseconds ahead.
    Clock(usize, i64),
}

impl Fault {
    pub(super) fn flawless(&self, nodes: usize) -> bool {
        let known = |node: &usize| *node < nodes;
        match self {
            Self::Crash(n) | Self::Start(n) | Self::Silence(n) | Self::Speak(n) => known(n),
            Self::Clock(n, _) => known(n),
            Self::Links(link) => link.flawless(),
            Self::Link(a, b, link) => known(a) && known(b) && link.iter().all(Link::flawless),
            Self::Part(group) | Self::Mute(group) => group.iter().all(known),
            Self::Heal => true,
            Self::Weather(weather) => weather.flawless(),
        }
    }
}

/// A fault and when it happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timed {
    /// After the mesh is ready.
    #[serde(rename = "after_us", with = "crate::spans")]
    pub after: Duration,
    /// What happens.
    pub fault: Fault,
}

/// A clock that is wrong: its node reads the time from it, for its agent and its ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockError {
    /// The node.
    pub node: usize,
    /// How far it is ahead when the node starts, in milliseconds.
    pub ahead_ms: i64,
    /// How much faster it runs, in millionths.
    pub drift_ppm: i32,
}
