//! The schedules contract: a request's life from its device's signature to its result
//! (PROTOCOL §4).
//!
//! ```text
//!               confirm (C1–C6 hold)           finalize (evidence complete)
//!  Requested ────────────────────────▶ Active ────────────────────────▶ Finalized
//!    ▲  │ decline, fault, 3 rejected     │
//!    │  │ plans, generation timeout:     │ a task failed, or execution is overdue:
//!    │  └─ next designation, or wait     │ next designation, done tasks kept
//!    └───────────────────────────────────┘
//!  deadline passed, attempts used up ─▶ Failed      its device, an operator ─▶ Cancelled
//! ```
//!
//! - `request`: phase 1, and cancelling;
//! - `designation`: f(N, R) of eq. 2, and whose turn is next;
//! - `confirmation`, `rules` and `validation`: phase 3, C1 to C7;
//! - `refusal`: what a refused plan costs its planner;
//! - `execution`, `progress`, `finalization`, `evidence`: what workers sign, and what
//!   follows from it; `conflicts`: where they contradict each other;
//! - `deadlines`: what fires at the end of a block;
//! - `waiting`: requests that nobody can plan now;
//! - `lifecycle`: ending, releasing, retiring.
//!
//! What always holds:
//! - An open request is exactly one of: designated (a generation deadline runs), waiting
//!   (an entry in `Waiting`), Active. Each of them has its own deadline armed.
//! - A node's reservation is the sum of what Active plans hold on it (S6): only this
//!   contract moves both, by the same amount.
//! - Only nodes are named in `in_vain` and `barred`, each once: both are bounded by the
//!   membership.

mod confirmation;
mod conflicts;
mod deadlines;
mod designation;
mod evidence;
mod execution;
mod finalization;
mod lifecycle;
mod progress;
mod refusal;
mod request;
mod rules;
#[cfg(test)]
mod tests;
mod validation;
mod waiting;

pub use confirmation::confirm;
pub use conflicts::{difference, report_conflict};
pub use deadlines::end_block;
pub use designation::{Candidate, Weights, decline, designate};
pub use execution::report_failure;
pub use finalization::finalize;
pub use progress::record_progress;
pub use refusal::{pass_over, rejected};
pub use request::{cancel, submit};
