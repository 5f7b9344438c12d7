//! How far apart everybody is, and how well messages travel.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A connection from one node to another. The simulated network delivers what goes over one
/// link in order, and counts latencies in whole milliseconds (rounded down, once drawn).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Mean time that a message takes.
    #[serde(rename = "latency_us", with = "crate::spans")]
    pub latency: Duration,
    /// Its standard deviation.
    #[serde(rename = "jitter_us", with = "crate::spans")]
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

    /// The same link in that weather.
    pub(crate) fn under(self, weather: &Weather) -> Self {
        Self {
            latency: self.latency,
            jitter: self.jitter.max(weather.jitter),
            loss_per_mille: self.loss_per_mille.max(weather.loss_per_mille),
        }
    }
}

/// How messages fare on every link, beside what the link itself does to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weather {
    /// Messages in 1,000 that get lost.
    pub loss_per_mille: u16,
    /// Standard deviation of the time that a message takes.
    #[serde(rename = "jitter_us", with = "crate::spans")]
    pub jitter: Duration,
    /// Messages in 1,000 between agents that come twice.
    pub twice_per_mille: u16,
    /// Messages in 1,000 between agents that are overtaken by later ones.
    pub late_per_mille: u16,
    /// By how much they are late, at most.
    #[serde(rename = "late_us", with = "crate::spans")]
    pub late: Duration,
}

/// How far apart everybody is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Links {
    /// Between any two nodes, unless told otherwise.
    pub nodes: Link,
    /// The zone of each node, by index; none: there are no zones.
    pub zones: Vec<u16>,
    /// Between two nodes of one zone.
    pub near: Link,
    /// From one node to another (indices), in that direction.
    pub special: Vec<(usize, usize, Link)>,
    /// From a device to a node, and back.
    #[serde(rename = "device_us", with = "crate::spans")]
    pub device: Duration,
    /// Until bytes that a node stores are durable.
    #[serde(rename = "disk_us", with = "crate::spans")]
    pub disk: Duration,
}

impl Default for Links {
    fn default() -> Self {
        Self {
            nodes: Link::sound(Duration::from_millis(5)),
            zones: Vec::new(),
            near: Link::sound(Duration::from_millis(5)),
            special: Vec::new(),
            device: Duration::from_micros(12_200),
            disk: Duration::from_millis(1),
        }
    }
}

const PER_MILLE_MAX: u16 = 1_000;

impl Link {
    pub(super) const fn flawless(&self) -> bool {
        self.loss_per_mille <= PER_MILLE_MAX
    }
}

impl Weather {
    pub(super) fn flawless(&self) -> bool {
        [self.loss_per_mille, self.twice_per_mille, self.late_per_mille]
            .iter()
            .all(|rate| *rate <= PER_MILLE_MAX)
    }
}

impl Links {
    /// The link from one node to another.
    pub(crate) fn between(&self, from: usize, to: usize) -> Link {
        let special = self.special.iter().find(|(a, b, _)| (*a, *b) == (from, to));
        if let Some((_, _, link)) = special {
            return *link;
        }
        let zones = self.zones.get(from).zip(self.zones.get(to));
        if zones.is_some_and(|(a, b)| a == b) { self.near } else { self.nodes }
    }

    pub(super) fn flawless(&self, nodes: usize) -> bool {
        let known = |node: &usize| *node < nodes;
        let mut special = self.special.iter();
        self.nodes.flawless()
            && self.near.flawless()
            && special.all(|(from, to, link)| known(from) && known(to) && link.flawless())
    }
}
