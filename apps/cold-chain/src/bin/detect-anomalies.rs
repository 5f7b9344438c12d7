//! *detect-anomalies*: says which readings are out of line and why.
//!
//! One JSON object on stdin, one on stdout; the work is in `cold_chain::detect`.

use std::process::ExitCode;

fn main() -> ExitCode {
    cold_chain::command::run(cold_chain::detect::stage)
}
