//! A campaign: many seeds, each drawn into a scenario and played, on as many threads as there
//! are cores (one world is one thread). It can stop after any world and go on later.
//!
//! - `verdict`: what came of one seed;
//! - `record`: what came of all so far, in a form that can be kept;
//! - `workers`: the threads;
//! - `shrink`: from a failing scenario to the least that still fails.

mod record;
mod shrink;
mod verdict;
mod workers;

pub use record::{Asked, Record, Tally};
pub use shrink::{Shrunk, shrink};
pub use verdict::{Broken, Verdict};
pub use workers::{Stop, play_all};
