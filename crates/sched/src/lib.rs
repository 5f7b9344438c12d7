//! Schedulers: which node runs which task (PROTOCOL §6; paper III-B, eq. 6–13).
//!
//! [`plan`] takes a [`Problem`] (open tasks, nodes as the ledger shows them), a scheduler's
//! name and a seed, and gives a [`Placement`] with the reasons for each choice, or the task
//! that fits nowhere and why, node by node. A plan is one node's proposal: validators check
//! it by the rules C1–C7 and never run a scheduler, so floats and chance are welcome here.
//! What C7 asks is known here, too ([`NetworkRules`]): no plan leaves that breaks a policy.
//!
//! Invariants: equal problem, name and seed give an equal placement; replicas of a task run
//! on distinct nodes; no node gets more than it has available (eq. 6).

mod board;
mod draw;
mod greedy;
mod load;
mod network_rules;
mod placement;
mod problem;
mod schedulers;
mod search;

#[cfg(test)]
mod tests;

pub use load::{LOAD_FLOOR, load, weight};
pub use network_rules::NetworkRules;
pub use placement::{Candidate, Explanation, Placement, PlanError};
pub use problem::{NodeState, Problem, TaskNeed};
pub use schedulers::{NAMES, Scheduler, find, plan};
