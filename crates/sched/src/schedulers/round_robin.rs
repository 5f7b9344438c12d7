//! Each run on the next node by key, around the network; the seed says where to start, so
//! that the plans of many requests spread too.

use super::Scheduler;
use crate::{
    greedy::{self, Turn},
    placement::{Placement, PlanError},
    problem::Problem,
};
use trustmesh_types::PublicKey;

/// Knows nothing of load beyond whether a task fits.
pub(super) struct RoundRobin;

impl RoundRobin {
    pub(super) const NAME: &'static str = "round_robin";
}

impl Scheduler for RoundRobin {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn place(&self, problem: &Problem, seed: [u8; 32]) -> Result<Placement, PlanError> {
        greedy::place(problem, odds, seed)
    }
}

/// The first candidate at or after the cursor, around the ring of all nodes.
fn odds(turn: &Turn<'_>) -> Vec<f64> {
    let nodes = turn.keys.len().max(1);
    let cursor = match turn.last.and_then(|last| turn.keys.binary_search(&last).ok()) {
        Some(at) => at + 1,
        None => (turn.start % nodes as u64) as usize,
    };
    let steps = |key: &PublicKey| match turn.keys.binary_search(key) {
        Ok(at) => (at + nodes - cursor % nodes) % nodes,
        Err(_) => nodes,
    };
    let next = turn.candidates.iter().map(|c| c.node).min_by_key(steps);
    turn.candidates.iter().map(|c| f64::from(u8::from(Some(c.node) == next))).collect()
}
