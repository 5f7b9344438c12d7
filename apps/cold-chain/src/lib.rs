//! The cold-chain applications: sensor readings in, alerts out, in three stages.
//!
//! Source: the paper's evaluation scenario (sensor processing, anomaly detection, alert
//! generation). Each stage is a pure function of one JSON object; the three binaries only
//! wire it to stdin and stdout, so the same code runs natively in tests and as a WASI
//! module in the mesh. Formulas and parameters are described in `apps/README.md`.
//!
//! Invariants: equal input gives equal output bytes (no clock, randomness or hash order),
//! and no input makes a stage panic; what it can't use it refuses with an [`AppError`].
//! Temperatures are in the window's own [`Unit`], humidity in percent, times in seconds.

pub mod alert;
pub mod command;
pub mod detect;
mod error;
#[cfg(feature = "host")]
pub mod host;
pub mod process;
pub mod reading;
mod risk;
mod simulate;
mod statistics;
#[cfg(test)]
mod tests;
mod time;

pub use command::Envelope;
pub use error::AppError;
pub use reading::{Reading, Unit, Window};
pub use risk::{RiskPoints, Severity};
pub use simulate::simulate;
pub use statistics::ChannelStatistics;
