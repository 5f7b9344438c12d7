//! Least-Connected Dynamic Weighted Round Robin (eq. 9–13), and the variant of the authors'
//! code, which keeps the three least loaded nodes before it draws.

use super::{Scheduler, least_loaded::order};
use crate::{
    greedy::{self, Turn},
    placement::{Placement, PlanError},
    problem::Problem,
};

/// Nodes that `lcdwrr3` draws among.
const NODES_KEPT: usize = 3;

/// Draws among all nodes that fit.
pub(super) struct Lcdwrr;

/// Draws among the three least loaded nodes that fit.
pub(super) struct Lcdwrr3;

impl Lcdwrr {
    pub(super) const NAME: &'static str = "lcdwrr";
}

impl Lcdwrr3 {
    pub(super) const NAME: &'static str = "lcdwrr3";
}

impl Scheduler for Lcdwrr {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn place(&self, problem: &Problem, seed: [u8; 32]) -> Result<Placement, PlanError> {
        greedy::place(problem, |turn| odds(turn, usize::MAX), seed)
    }
}

impl Scheduler for Lcdwrr3 {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn place(&self, problem: &Problem, seed: [u8; 32]) -> Result<Placement, PlanError> {
        greedy::place(problem, |turn| odds(turn, NODES_KEPT), seed)
    }
}

/// P = w / Σ w (eq. 13) over the `keep` least loaded; zero for the rest.
fn odds(turn: &Turn<'_>, keep: usize) -> Vec<f64> {
    let mut kept = order(turn.candidates);
    kept.truncate(keep);
    let weights: Vec<f64> = turn
        .candidates
        .iter()
        .enumerate()
        .map(|(at, c)| if kept.contains(&at) { c.weight } else { 0.0 })
        .collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| w / sum).collect()
}
