//! The least loaded node that fits (eq. 11); of equals, the one of the lowest key.

use super::Scheduler;
use crate::{
    greedy,
    placement::{Candidate, Placement, PlanError},
    problem::Problem,
};

/// No chance at all: equal ledgers give equal plans.
pub(super) struct LeastLoaded;

impl LeastLoaded {
    pub(super) const NAME: &'static str = "least_loaded";
}

impl Scheduler for LeastLoaded {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn place(&self, problem: &Problem, seed: [u8; 32]) -> Result<Placement, PlanError> {
        let rule: greedy::Rule = |turn| {
            let first = order(turn.candidates).first().copied();
            (0..turn.candidates.len()).map(|at| f64::from(u8::from(Some(at) == first))).collect()
        };
        greedy::place(problem, rule, seed)
    }
}

/// Positions of the candidates, least loaded first; candidates come by key, and the sort is
/// stable.
pub(super) fn order(candidates: &[Candidate]) -> Vec<usize> {
    let mut positions: Vec<(usize, f64)> =
        candidates.iter().enumerate().map(|(at, c)| (at, c.load)).collect();
    positions.sort_by(|a, b| a.1.total_cmp(&b.1));
    positions.into_iter().map(|(at, _)| at).collect()
}
