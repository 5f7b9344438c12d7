//! What a compute node does next: inputs to effects (PROTOCOL §4, §5, §7, §9; DESIGN "One
//! binary, one flow").
//!
//! [`Agent::step`] takes one [`Input`] (a finalized block, a message, an answer, a tick) and
//! gives the [`Effect`]s that the driver or the simulator carries out. The agent *reconciles*:
//! for each open request that concerns this node it compares the newest ledger state with
//! what it holds in memory, and asks for what is missing. A duty may so be called at any
//! time and any number of times; a restart is only a call with an empty memory.
//!
//! Invariants: no clock, randomness, I/O or hash-map order; nothing from outside is believed
//! before its signature or digest is checked; every collection is bounded (`limits`).
//!
//! - `agent`: the step, and who handles which input;
//! - `core`, `agenda`, `blobs`, `peers`, `work`: memory and bookkeeping;
//! - `duties`: one module per thing that a node does;
//! - `explained`: why a plan is as it is, for people;
//! - `envelope`: the JSON object that an application reads.

mod agenda;
mod agent;
mod blobs;
mod core;
mod duties;
mod early;
mod effect;
mod envelope;
mod explained;
mod input;
mod limits;
mod peers;
mod work;

pub use agent::Agent;
pub use effect::{Answer, BlobKind, Delivery, Effect, Obtain, RunSpec, Start};
pub use explained::{Choice, Explained, Fit, Misfit, Verdict};
pub use input::{Bytes, Config, Input, RunId, RunOutput, Ticket};
