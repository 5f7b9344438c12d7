//! The model check of the schedule protocol (PROTOCOL §8; docs/model.md): every run of a
//! small network, within bounds, by `stateright`.
//!
//! The code under test is the real one: `State::execute` with signed transactions, and the
//! agents that nodes run. Four validators, one of which may be Byzantine, and two requests;
//! the checker chooses which transaction the next block holds, when the clock goes on, how
//! runs end, who restarts, and what the evil node does.
//!
//! - [`Runs`]: the model; [`Start`] and [`Bounds`] say which runs;
//! - [`Mesh`]: a situation; `setup`, `carry`, `blocks`: how it comes about;
//! - [`Act`]: what the evil node may do;
//! - [`Broken`]: what must never happen; `watch` and `judge` look for it.
//!
//! Invariants: a step is a pure function of situation and action; nothing here is on a
//! node's path.

mod blocks;
mod carry;
mod checked;
mod evil;
mod judge;
mod mesh;
mod setup;
mod watch;

pub use checked::{Action, Hook, LONG_MS, NOTHING_BROKEN, Ran, Runs};
pub use evil::{Act, Planned, Worked};
pub use mesh::{Bounds, Mesh};
pub use setup::{Asked, NODES, Start};
pub use watch::Broken;
