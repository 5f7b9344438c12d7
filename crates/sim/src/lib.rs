//! The simulator: a whole mesh in one thread and in virtual time (PROTOCOL §8; DESIGN "One
//! binary, one flow").
//!
//! [`run`] builds a world from a [`Scenario`] and one seed: the real ledger on the engine's
//! deterministic runtime and simulated network, the real state, the real agents. What lies
//! outside them is played: disks, applications, devices, faults. Beside the world stands an
//! oracle that reads the final blocks by its own small rules and names what must never
//! happen, as [`Violation`]s.
//!
//! - [`Scenario`], [`Fault`], [`Workload`]: what to play; [`catalogue()`] has the usual ones,
//!   and draws others from a seed;
//! - `world`: nodes, driver, devices, operators, faults; `apps`: what applications compute;
//! - [`Deviation`], [`Outsider`], `adversary`: who is evil, and how;
//! - `oracle`: who must be designated, transitions, reservations, results, endings;
//! - [`Outcome`]: what came of it; [`simulated_latency`]: where a request's time goes;
//! - [`simulated_scale`]: what a mesh sends, by its size;
//! - [`byzantine_experiment`]: how fast attacks are detected, and recovered from;
//! - [`campaign`]: any number of seeds on all cores, and the least that still fails.
//!
//! Invariants: everything derives from the seed, so equal seeds give equal traces; nothing
//! here is on a node's path, so a fault of the simulator can only show as a violation.

mod adversary;
mod apps;
mod byzantine;
pub mod campaign;
mod catalogue;
mod derive;
mod deviation;
mod dice;
mod draw;
mod error;
mod latency;
mod mixes;
mod oracle;
mod outcome;
mod scale;
mod scenario;
mod spans;
mod workflows;
mod world;

pub use adversary::Outsider;
pub use byzantine::{Attack, Experiment, Spread, byzantine_experiment};
pub use catalogue::{KINDS, Kind, catalogue};
pub use deviation::Deviation;
pub use draw::Terms;
pub use error::SimError;
pub use latency::{LatencyReport, Share, simulated_latency};
pub use mixes::{MIXES, Mix, mix};
pub use oracle::{Charge, Violation};
pub use outcome::{End, Outcome, Percentiles, Phases, RequestOutcome};
pub use scale::{Flow, ScalePoint, ScaleSize, simulated_scale};
pub use scenario::{
    ClockError, Fault, Link, Links, Operation, Scenario, Timed, TimedOperation, Weather, Workload,
};
pub use workflows::{chain, diamond, failing, heavy, replicated, slow};
pub use world::run;
