//! What commands print: one value on standard output, for people or for programs.
//!
//! Invariant: standard output holds the answer alone; progress, notes and errors go to
//! standard error, and progress bars only to a terminal.

mod printer;
mod progress;
mod table;
pub mod units;

pub use printer::{Format, Printer};
pub use progress::Progress;
pub use table::Table;
