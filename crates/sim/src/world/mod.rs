//! A world: nodes, devices and faults, built from a scenario and a seed, played to its end
//! and judged.
//!
//! - `cast`: keys and genesis; `mesh`: nodes; `network`: links between them; `setup`: what an
//!   operator does first;
//! - `driver`, `outbox`, `disk`, `arrivals`: what surrounds an agent; `device`: who asks, and
//!   `check`: what it believes; `operators`: what else is done meanwhile;
//! - `recorder`, `trace`, `timeline`, `traffic`: what is seen; `clock`: virtual time; `play`: the course of it all.

mod arrivals;
mod artifacts;
mod cast;
mod check;
mod clock;
mod device;
mod disk;
mod driver;
mod mesh;
mod network;
mod operators;
mod outbox;
mod play;
mod recorder;
mod setup;
mod strangers;
mod timeline;
mod trace;
mod traffic;

pub(crate) use cast::Cast;
pub(crate) use clock::now_ms;
pub(crate) use device::Asked;
pub(crate) use driver::{Heard, Local};
pub(crate) use mesh::{Door, Doors};
pub use play::run;
pub(crate) use play::{Watched, watch};
pub(crate) use recorder::{Marks, Recorder, Seen, Wire};
pub(crate) use timeline::Timeline;
pub(crate) use traffic::Traffic;
