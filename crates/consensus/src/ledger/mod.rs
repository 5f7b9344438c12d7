//! The chain's states: the newest final one, and those of executed blocks above it.
//!
//! A validator executes before it votes and a leader builds on a parent that is not final
//! yet, so each executed block's state is kept under its digest until finality folds it in
//! or drops it (PROTOCOL §2). A state's clone is O(1).

mod delivery;
mod execute;
mod recovery;
mod snapshot;
mod tree;

pub(crate) use delivery::{Delivery, Incoming as FinalBlock, Observer, snapshot};
pub(crate) use execute::{execute, state_after};
pub(crate) use recovery::{Chain, RecoveryError, recover, stored};
pub(crate) use snapshot::{Snapshots, read_frame};
pub(crate) use tree::{Executed, Ledger};
