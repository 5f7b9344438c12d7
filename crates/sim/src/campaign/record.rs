//! What came of a campaign so far: enough to report it, and to go on with it.

use super::verdict::Verdict;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Version of the record.
const RECORD_VERSION: u8 = 1;
/// Failing seeds that are kept in full.
const FAILURES_MAX: usize = 100;

/// What a campaign was asked for. Two campaigns that were asked for the same play the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The kind of scenarios; all kinds when `None`.
    pub scenario: Option<String>,
    /// Nodes; drawn when `None`.
    pub nodes: Option<u16>,
    /// Evil nodes; drawn when `None`.
    pub byzantine: Option<u16>,
    /// The first seed.
    pub first_seed: u64,
    /// How many seeds.
    pub seeds: u64,
}

/// Sums over worlds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Worlds.
    pub worlds: u64,
    /// Worlds in which a property broke.
    pub broken: u64,
    /// Requests by how they ended for their devices.
    pub ends: BTreeMap<String, u64>,
    /// Final blocks.
    pub blocks: u64,
    /// Virtual time.
    pub virtual_seconds: f64,
    /// Time of a thread that it took.
    pub wall_seconds: f64,
}

impl Tally {
    fn add(&mut self, verdict: &Verdict) {
        self.worlds += 1;
        self.broken += u64::from(!verdict.held());
        for (end, count) in &verdict.ends {
            *self.ends.entry(end.clone()).or_insert(0) += count;
        }
        self.blocks += verdict.blocks;
        self.virtual_seconds += verdict.virtual_ms / 1_000.0;
        self.wall_seconds += verdict.wall_ms / 1_000.0;
    }
}

/// A campaign so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    version: u8,
    /// What was asked for.
    pub asked: Asked,
    /// Every seed below this, from the first on, is done.
    pub done_below: u64,
    /// Seeds from there on that are done too: worlds end in any order.
    pub done_beyond: BTreeSet<u64>,
    /// Over all worlds.
    pub all: Tally,
    /// By scenario.
    pub scenarios: BTreeMap<String, Tally>,
    /// By number of nodes.
    pub sizes: BTreeMap<u16, Tally>,
    /// Worlds with evil nodes, by how they were evil.
    pub deviations: BTreeMap<String, u64>,
    /// Worlds in which a property broke, lowest seed first; the first hundred that were met.
    pub failures: Vec<Verdict>,
}

impl Record {
    /// A campaign that has not begun.
    #[must_use]
    pub fn new(asked: Asked) -> Self {
        Self {
            version: RECORD_VERSION,
            done_below: asked.first_seed,
            asked,
            done_beyond: BTreeSet::new(),
            all: Tally::default(),
            scenarios: BTreeMap::new(),
            sizes: BTreeMap::new(),
            deviations: BTreeMap::new(),
            failures: Vec::new(),
        }
    }

    /// Why a stored record can't be gone on with, if it can't.
    #[must_use]
    pub fn misfit(&self, asked: &Asked) -> Option<String> {
        if self.version != RECORD_VERSION {
            let got = self.version;
            return Some(format!("it has version {got}, this program writes {RECORD_VERSION}"));
        }
        // More seeds of the same campaign is going on with it.
        let same = Asked { seeds: asked.seeds, ..self.asked.clone() } == *asked;
        (!same).then(|| "it is of a campaign that was asked for otherwise".to_owned())
    }

    /// Seeds that are not done.
    pub fn open(&self) -> impl Iterator<Item = u64> {
        let end = self.asked.first_seed.saturating_add(self.asked.seeds);
        (self.done_below..end).filter(|seed| !self.done_beyond.contains(seed))
    }

    /// Adds what came of a seed.
    pub fn add(&mut self, verdict: Verdict) {
        self.done_beyond.insert(verdict.seed);
        while self.done_beyond.remove(&self.done_below) {
            self.done_below += 1;
        }
        self.all.add(&verdict);
        self.scenarios.entry(verdict.scenario.clone()).or_default().add(&verdict);
        self.sizes.entry(verdict.nodes).or_default().add(&verdict);
        for deviation in verdict.evil.keys() {
            *self.deviations.entry(deviation.clone()).or_insert(0) += 1;
        }
        if !verdict.held() && self.failures.len() < FAILURES_MAX {
            let at = self.failures.partition_point(|failure| failure.seed < verdict.seed);
            self.failures.insert(at, verdict);
        }
    }

    /// Whether every property held so far.
    #[must_use]
    pub const fn held(&self) -> bool {
        self.all.broken == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::Broken;

    fn asked(seeds: u64) -> Asked {
        Asked { scenario: None, nodes: None, byzantine: None, first_seed: 10, seeds }
    }

    fn verdict(seed: u64, broken: bool) -> Verdict {
        let failure = Broken { property: "S3".to_owned(), what: "seen".to_owned() };
        Verdict {
            seed,
            scenario: "calm".to_owned(),
            nodes: 4,
            evil: BTreeMap::new(),
            ends: BTreeMap::from([("delivered".to_owned(), 2)]),
            blocks: 5,
            virtual_ms: 1_500.0,
            wall_ms: 100.0,
            trace: None,
            broken: if broken { vec![failure] } else { Vec::new() },
        }
    }

    #[test]
    fn a_record_knows_what_is_left_whatever_the_order() {
        let mut record = Record::new(asked(6));
        for seed in [12, 10, 15] {
            record.add(verdict(seed, seed == 15));
        }
        assert_eq!((record.done_below, record.open().collect::<Vec<_>>()), (11, vec![11, 13, 14]));
        assert!(!record.held());
        let text = serde_json::to_string(&record).unwrap();
        let mut again: Record = serde_json::from_str(&text).unwrap();
        assert_eq!(again, record);
        for seed in [11, 13, 14] {
            again.add(verdict(seed, seed == 13));
        }
        assert_eq!((again.done_below, again.open().next()), (16, None));
        let failing: Vec<u64> = again.failures.iter().map(|f| f.seed).collect();
        assert_eq!(failing, [13, 15]);
        assert_eq!((again.all.worlds, again.all.ends["delivered"]), (6, 12));
    }

    #[test]
    fn a_record_is_gone_on_with_only_as_it_was_asked_for() {
        let record = Record::new(asked(6));
        assert_eq!(record.misfit(&asked(6)), None);
        assert_eq!(record.misfit(&asked(60)), None);
        let other = Asked { nodes: Some(7), ..asked(6) };
        assert!(record.misfit(&other).is_some());
    }
}
