//! What came of one seed.

use crate::{
    outcome::{End, Outcome},
    scenario::Scenario,
    world::run,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

/// A property that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// Its name in PROTOCOL §8; `panic` when the world itself broke down, `setup` when it
    /// never got ready.
    pub property: String,
    /// What was seen.
    pub what: String,
}

/// What came of one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The seed.
    pub seed: u64,
    /// The scenario's name.
    pub scenario: String,
    /// How many nodes there were.
    pub nodes: u16,
    /// The ways in which nodes were evil, and how many were so.
    pub evil: BTreeMap<String, u16>,
    /// Requests by how they ended for their devices.
    pub ends: BTreeMap<String, u64>,
    /// Final blocks.
    pub blocks: u64,
    /// Virtual time.
    pub virtual_ms: f64,
    /// Time that it took to play.
    pub wall_ms: f64,
    /// Digest of everything that agents and devices did; equal seeds give equal ones.
    pub trace: Option<String>,
    /// What did not hold.
    pub broken: Vec<Broken>,
}

impl Verdict {
    /// Plays a scenario. A world that panics is a verdict as well.
    #[must_use]
    pub fn of(scenario: &Scenario, seed: u64) -> Self {
        let began = Instant::now();
        let played = catch_unwind(AssertUnwindSafe(|| run(scenario, seed)));
        let mut evil = BTreeMap::new();
        for (_, deviation) in &scenario.evil {
            *evil.entry(deviation.name().to_owned()).or_insert(0) += 1;
        }
        let mut verdict = Self {
            seed,
            scenario: scenario.name.clone(),
            nodes: scenario.nodes,
            evil,
            ends: BTreeMap::new(),
            blocks: 0,
            virtual_ms: 0.0,
            wall_ms: began.elapsed().as_secs_f64() * 1_000.0,
            trace: None,
            broken: Vec::new(),
        };
        let broken = |property: &str, what: String| Broken { property: property.to_owned(), what };
        match played {
            Ok(Ok(outcome)) => verdict.take(&outcome),
            Ok(Err(error)) => verdict.broken.push(broken("setup", error.to_string())),
            Err(panic) => verdict.broken.push(broken("panic", said(panic.as_ref()))),
        }
        verdict
    }

    fn take(&mut self, outcome: &Outcome) {
        for request in &outcome.requests {
            let end = match request.end {
                End::Delivered => "delivered",
                End::Failed(_) => "failed",
                End::Refused(_) => "refused",
                End::Unended => "unended",
            };
            *self.ends.entry(end.to_owned()).or_insert(0) += 1;
        }
        self.blocks = outcome.blocks;
        self.virtual_ms = outcome.lasted_ms;
        self.trace = Some(outcome.trace_digest.to_string());
        self.broken = outcome
            .violations
            .iter()
            .map(|v| Broken { property: v.property.to_owned(), what: v.what.clone() })
            .collect();
    }

    /// Whether every property held.
    #[must_use]
    pub const fn held(&self) -> bool {
        self.broken.is_empty()
    }
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no words").to_owned()
}
