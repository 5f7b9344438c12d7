//! *noop*: passes `data` through unchanged.
//!
//! One JSON object on stdin, `{"data": …}` or `{"error": "…"}` on stdout.

use std::io::{Read, Write};
use std::process::ExitCode;

const INPUT_BYTES_MAX: u64 = 64 * 1024 * 1024;

fn main() -> ExitCode {
    let mut input = Vec::new();
    let read = std::io::stdin().lock().take(INPUT_BYTES_MAX).read_to_end(&mut input);
    let mut stdout = std::io::stdout().lock();
    let written = match (read, samples::data_of(&input)) {
        (Ok(_), Ok(data)) => {
            [&b"{\"data\":"[..], data, b"}"].into_iter().try_for_each(|part| stdout.write_all(part))
        }
        _ => stdout.write_all(b"{\"error\":\"input: expected a JSON object with data\"}"),
    };
    match written.and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
