//! What processes use, from `/proc` (proc(5)): cpu time, resident memory, bytes written.

use crate::failure::{Done, Failure};
use serde::Serialize;
use std::{fs, time::Duration};
use tokio::time::Instant;

/// Clock ticks per second in `/proc/<pid>/stat`: USER_HZ, 100 on Linux whatever the kernel's
/// own rate.
const TICKS_PER_SECOND: f64 = 100.0;

/// Counters of a process at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counters {
    cpu_ticks: u64,
    written_bytes: u64,
    resident_kib: u64,
}

/// What one node used over a while.
#[derive(Debug, Clone, Serialize)]
pub struct Usage {
    /// Percent of one core.
    pub cpu_percent: f64,
    /// KB (1,000 bytes) written to disk per second.
    pub written_kb_per_s: f64,
    /// Resident memory in MB (1,000,000 bytes) at the end.
    pub resident_mb: f64,
}

/// Watches processes for a while.
pub async fn over(pids: &[u32], span: Duration) -> Done<Vec<Usage>> {
    let start = Instant::now();
    let before = pids.iter().map(|pid| counters(*pid)).collect::<Done<Vec<_>>>()?;
    tokio::time::sleep(span).await;
    let seconds = start.elapsed().as_secs_f64().max(0.001);
    let after = pids.iter().map(|pid| counters(*pid)).collect::<Done<Vec<_>>>()?;
    Ok(before.iter().zip(&after).map(|(before, after)| usage(before, after, seconds)).collect())
}

fn usage(before: &Counters, after: &Counters, seconds: f64) -> Usage {
    let ticks = after.cpu_ticks.saturating_sub(before.cpu_ticks) as f64;
    let written = after.written_bytes.saturating_sub(before.written_bytes) as f64;
    Usage {
        cpu_percent: hundredths(ticks / TICKS_PER_SECOND / seconds * 100.0),
        written_kb_per_s: hundredths(written / 1_000.0 / seconds),
        resident_mb: hundredths(after.resident_kib as f64 * 1024.0 / 1_000_000.0),
    }
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn counters(pid: u32) -> Done<Counters> {
    let read = |file: &str| {
        fs::read_to_string(format!("/proc/{pid}/{file}"))
            .map_err(|e| Failure::failed(format!("node process {pid} can't be watched: {e}")))
    };
    let missing = || Failure::failed(format!("/proc/{pid} does not read as proc(5) says"));
    // The name, in parentheses, may hold anything; what follows it is split by blanks.
    let stat = read("stat")?;
    let (_, rest) = stat.rsplit_once(')').ok_or_else(missing)?;
    let fields: Vec<u64> =
        rest.split_whitespace().skip(11).take(2).filter_map(|text| text.parse().ok()).collect();
    let [user, system] = fields.as_slice() else { return Err(missing()) };
    Ok(Counters {
        cpu_ticks: user + system,
        written_bytes: number(&read("io")?, "write_bytes:").ok_or_else(missing)?,
        resident_kib: number(&read("status")?, "VmRSS:").ok_or_else(missing)?,
    })
}

fn number(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_can_be_read() {
        let own = counters(std::process::id()).unwrap();
        assert!(own.resident_kib > 0);
        assert!(counters(u32::MAX).is_err());
    }

    #[test]
    fn usage_is_per_second_and_per_core() {
        let before = Counters { cpu_ticks: 100, written_bytes: 0, resident_kib: 1 };
        let after = Counters { cpu_ticks: 110, written_bytes: 40_000, resident_kib: 1_000 };
        let used = usage(&before, &after, 2.0);
        assert!((used.cpu_percent - 5.0).abs() < 1e-9);
        assert!((used.written_kb_per_s - 20.0).abs() < 1e-9);
        assert!((used.resident_mb - 1.02).abs() < 1e-9);
    }
}
