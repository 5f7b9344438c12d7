//! The schedulers, a file each, behind one interface and found by name (CONTRIBUTING, "Add
//! a scheduler").

mod lcdwrr;
mod least_loaded;
mod registry;
mod round_robin;

pub use registry::{NAMES, Scheduler, find, plan};
