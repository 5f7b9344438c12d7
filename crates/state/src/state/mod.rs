//! The state of the ledger after a block, and what can be read of it.
//!
//! - `core`: the state itself;
//! - `genesis`: the first one;
//! - `views`: typed reading;
//! - `snapshot`: the state as bytes.

mod core;
mod genesis;
mod snapshot;
mod views;

#[cfg(test)]
mod tests;

pub use self::core::{Finalized, State};
pub use views::{DeviceView, NodeView};
