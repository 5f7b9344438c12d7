//! *process-sensor-data*: cleans a window of readings and describes it.
//!
//! One JSON object on stdin, one on stdout; the work is in `cold_chain::process`.

use std::process::ExitCode;

fn main() -> ExitCode {
    cold_chain::command::run(cold_chain::process::stage)
}
