//! What a scheduler is, and which ones there are.

use super::{
    lcdwrr::{Lcdwrr, Lcdwrr3},
    least_loaded::LeastLoaded,
    round_robin::RoundRobin,
};
use crate::{
    placement::{Placement, PlanError},
    problem::Problem,
};

/// Places a problem's tasks. Pure: chance comes from the seed alone.
pub trait Scheduler: Send + Sync {
    /// The name that workflows and genesis parameters use.
    fn name(&self) -> &'static str;

    /// Places every task.
    ///
    /// # Errors
    /// [`PlanError::Infeasible`] when a task fits nowhere.
    fn place(&self, problem: &Problem, seed: [u8; 32]) -> Result<Placement, PlanError>;
}

static ALL: [&dyn Scheduler; 4] = [&Lcdwrr, &Lcdwrr3, &LeastLoaded, &RoundRobin];

/// Names of all schedulers, the default first.
pub const NAMES: [&str; 4] = [Lcdwrr::NAME, Lcdwrr3::NAME, LeastLoaded::NAME, RoundRobin::NAME];

/// The scheduler of a name.
///
/// # Errors
/// [`PlanError::UnknownScheduler`], which names those there are.
pub fn find(name: &str) -> Result<&'static dyn Scheduler, PlanError> {
    ALL.into_iter().find(|s| s.name() == name).ok_or_else(|| PlanError::UnknownScheduler {
        name: name.chars().take(80).collect(),
        known: NAMES.join(", "),
    })
}

/// Plans with the scheduler of a name.
///
/// # Errors
/// [`PlanError`].
pub fn plan(problem: &Problem, scheduler: &str, seed: [u8; 32]) -> Result<Placement, PlanError> {
    find(scheduler)?.place(problem, seed)
}
