//! Who has to be designated (S1): f(N, R) of PROTOCOL §4 once more, in few lines and over an
//! account of its own: what each node attests, says that it has free, and has reserved; its
//! misses; whether it may be designated at all.

use super::books::Books;
use std::collections::{BTreeMap, BTreeSet};
use trustmesh_types::{
    PublicKey,
    genesis::{Genesis, Parameters},
    records::NodeInfo,
    resources::{MIB, ResourceReport, Resources},
};

/// What counts of a node.
#[derive(Debug)]
struct Entry {
    capacity: Resources,
    scheduler: bool,
    quarantined: bool,
    /// What something else uses on it, and until when this counts; block time.
    foreign: Option<(Resources, u64)>,
    misses: u32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Roster {
    nodes: BTreeMap<PublicKey, Entry>,
    weights: (u64, u64),
    lifetime_ms: u64,
    /// What holds from the next block on.
    next: Option<Parameters>,
}

impl Roster {
    pub(super) fn new(genesis: &Genesis) -> Self {
        let parameters = &genesis.parameters;
        let mut roster = Self {
            nodes: BTreeMap::new(),
            weights: (parameters.weight_cpu, parameters.weight_memory),
            lifetime_ms: parameters.snapshot_lifetime_ms(),
            next: None,
        };
        genesis.nodes.iter().for_each(|info| roster.admitted(info));
        roster
    }

    pub(super) fn knows(&self, node: &PublicKey) -> bool {
        self.nodes.contains_key(node)
    }

    /// What a node attests.
    pub(super) fn capacity(&self, node: &PublicKey) -> Resources {
        self.nodes.get(node).map_or(Resources::ZERO, |entry| entry.capacity)
    }

    pub(super) fn admitted(&mut self, info: &NodeInfo) {
        let (capacity, scheduler) = (info.capacity, info.roles.scheduler);
        let entry = Entry { capacity, scheduler, quarantined: false, foreign: None, misses: 0 };
        self.nodes.insert(info.key, entry);
    }

    pub(super) fn reported(&mut self, node: &PublicKey, report: &ResourceReport, now_ms: u64) {
        if let Some(entry) = self.nodes.get_mut(node) {
            let until_ms = now_ms.saturating_add(self.lifetime_ms);
            entry.foreign = Some((report.newest.foreign.at_most(entry.capacity), until_ms));
        }
    }

    /// It is barred for its faults, or no longer.
    pub(super) fn quarantined(&mut self, node: &PublicKey, quarantined: bool) {
        if let Some(entry) = self.nodes.get_mut(node) {
            entry.quarantined = quarantined;
        }
    }

    /// Operators change parameters.
    pub(super) fn parameters(&mut self, parameters: &Parameters) {
        self.next = Some(parameters.clone());
    }

    /// Another block begins: what was changed in the one before holds.
    pub(super) fn begin(&mut self) {
        if let Some(parameters) = self.next.take() {
            self.weights = (parameters.weight_cpu, parameters.weight_memory);
            self.lifetime_ms = parameters.snapshot_lifetime_ms();
        }
    }

    pub(super) fn expired(&mut self, node: &PublicKey) {
        if let Some(entry) = self.nodes.get_mut(node) {
            entry.foreign = None;
        }
    }

    /// It let its time to plan pass.
    pub(super) fn missed(&mut self, node: &PublicKey) {
        if let Some(entry) = self.nodes.get_mut(node) {
            entry.misses = entry.misses.saturating_add(1);
        }
    }

    /// A plan of its became Active.
    pub(super) fn planned(&mut self, node: &PublicKey) {
        if let Some(entry) = self.nodes.get_mut(node) {
            entry.misses = entry.misses.saturating_sub(1);
        }
    }

    /// Whose turn it is; `None` when nobody is left.
    pub(super) fn turn(
        &self,
        books: &Books,
        in_vain: &BTreeSet<PublicKey>,
        now_ms: u64,
    ) -> Option<PublicKey> {
        let mut best: Option<(u32, u128, PublicKey)> = None;
        for (key, entry) in &self.nodes {
            let Some((foreign, until_ms)) = entry.foreign else { continue };
            if !entry.scheduler || entry.quarantined || until_ms <= now_ms || in_vain.contains(key)
            {
                continue;
            }
            let free = entry.capacity.minus(books.reserved(key)).minus(foreign);
            let worth = u128::from(self.weights.0) * u128::from(free.cpu_millis)
                + u128::from(self.weights.1) * u128::from(free.memory_bytes / MIB);
            // Keys come lowest first, so only a better one takes its place.
            let better = best.is_none_or(|(misses, most, _)| {
                entry.misses < misses || (entry.misses == misses && worth > most)
            });
            if better {
                best = Some((entry.misses, worth, *key));
            }
        }
        best.map(|(_, _, key)| key)
    }
}
