//! *generate-alerts*: turns anomalies into alerts with a risk and a severity.
//!
//! One JSON object on stdin, one on stdout; the work is in `cold_chain::alert`.

use std::process::ExitCode;

fn main() -> ExitCode {
    cold_chain::command::run(cold_chain::alert::stage)
}
