//! The simulator: a whole mesh in one thread and in virtual time (PROTOCOL §8; DESIGN "One
//! binary, one flow").
//!
//! [`run`] builds a world from a [`Scenario`] and one seed: the real ledger on the engine's
//! deterministic runtime and simulated network, the real state, the real agents. What lies
//! outside them is played: disks, applications, devices, faults. Beside the world stands an
//! oracle that reads the final blocks by its own small rules and names what must never
//! happen, as [`Violation`]s.
//!
//! - [`Scenario`], [`Fault`], [`Workload`]: what to play; [`catalogue()`] has the usual ones;
//! - `world`: nodes, driver, devices, faults; `apps`: what applications compute;
//! - `oracle`: forks, transitions, reservations, results;
//! - [`Outcome`]: what came of it; [`simulated_latency`]: where a request's time goes.
//!
//! Invariants: everything derives from the seed, so equal seeds give equal traces; nothing
//! here is on a node's path, so a fault of the simulator can only show as a violation.

mod adversary;
mod apps;
mod catalogue;
mod derive;
mod deviation;
mod error;
mod latency;
mod oracle;
mod outcome;
mod scenario;
mod workflows;
mod world;

pub use catalogue::{KINDS, Kind, catalogue};
pub use deviation::Deviation;
pub use error::SimError;
pub use latency::{LatencyReport, Share, simulated_latency};
pub use oracle::Violation;
pub use outcome::{End, Outcome, Percentiles, Phases, RequestOutcome};
pub use scenario::{Fault, Link, Links, Scenario, Timed, Workload};
pub use workflows::{chain, diamond, failing, slow};
pub use world::run;
