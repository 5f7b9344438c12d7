//! What a long run shows: pure arithmetic over its windows.

use super::{super::report::Figure, Window};
use serde::Serialize;

/// Growth of the disk in the second half that is no growth: headers and certificates stay.
const GROWTH_BYTES_PER_BLOCK_MAX: f64 = 1_000.0;
/// Latency and memory at the end, as a multiple of those at the beginning.
const RATIO_MAX: f64 = 1.1;

/// The figures that count.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Bytes per block that the disk grows by in the second half.
    pub disk_growth_bytes_per_block: f64,
    /// Resident memory at the end by that at a quarter.
    pub memory_ratio: f64,
    /// Median time of a transaction in the last window by that in the first.
    pub latency_ratio: f64,
    /// Whether all are within their bounds.
    pub passed: bool,
}

impl Verdict {
    /// Of a run's windows.
    pub fn of(windows: &[Window]) -> Self {
        let at = |share: usize| windows.get(windows.len().saturating_sub(1) * share / 4);
        let (Some(first), Some(quarter), Some(half), Some(last)) = (at(0), at(1), at(2), at(4))
        else {
            return Self::judged(f64::NAN, f64::NAN, f64::NAN);
        };
        let grown = last.disk.total_bytes as f64 - half.disk.total_bytes as f64;
        let blocks = last.blocks.saturating_sub(half.blocks).max(1) as f64;
        let median = |window: &Window| window.transaction_ms.p50.unwrap_or(f64::NAN);
        Self::judged(
            grown / blocks,
            last.resident_mb / quarter.resident_mb,
            median(last) / median(first),
        )
    }

    /// What is not a number passes no bound.
    fn judged(growth: f64, memory: f64, latency: f64) -> Self {
        let hundredths = |value: f64| (value * 100.0).round() / 100.0;
        Self {
            disk_growth_bytes_per_block: growth.round(),
            memory_ratio: hundredths(memory),
            latency_ratio: hundredths(latency),
            passed: growth <= GROWTH_BYTES_PER_BLOCK_MAX
                && memory <= RATIO_MAX
                && latency <= RATIO_MAX,
        }
    }

    /// As people read it.
    pub fn figures(&self) -> [Figure; 3] {
        let growth = self.disk_growth_bytes_per_block;
        [
            Figure::at_most("disk, second half", growth, GROWTH_BYTES_PER_BLOCK_MAX, "bytes/block"),
            Figure::at_most("memory, end by quarter", self.memory_ratio, RATIO_MAX, "x"),
            Figure::at_most("latency, end by begin", self.latency_ratio, RATIO_MAX, "x"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{commands::bench::footprint::Footprint, statistics::Percentiles};

    fn window(blocks: u64, total_bytes: u64, resident_mb: f64, p50_ms: u64) -> Window {
        let times = || Percentiles::of([p50_ms * 1_000].into_iter());
        Window {
            blocks,
            disk: Footprint { total_bytes, ..Footprint::default() },
            resident_mb,
            transaction_ms: times(),
            request_ms: times(),
        }
    }

    #[test]
    fn a_run_passes_only_when_disk_memory_and_latency_level_off() {
        let run = |disk: u64, memory: f64, latency_ms: u64| {
            let bytes = [1_000_000, 9_000_000, 20_000_000, 20_200_000, 20_000_000 + disk];
            let mut windows: Vec<Window> = (0..5_u64)
                .zip(bytes)
                .map(|(n, bytes)| window(100 + n * 10_000, bytes, 50.0, 20))
                .collect();
            *windows.last_mut().unwrap() = window(40_100, 20_000_000 + disk, memory, latency_ms);
            Verdict::of(&windows)
        };
        let good = run(8_000_000, 54.0, 22);
        assert!(good.passed, "{good:?}");
        assert!((good.disk_growth_bytes_per_block - 400.0).abs() < 1e-9);
        for (what, bad) in [
            ("disk", run(40_000_000, 54.0, 22)),
            ("memory", run(8_000_000, 60.0, 22)),
            ("latency", run(8_000_000, 54.0, 23)),
        ] {
            assert!(!bad.passed, "{what}: {bad:?}");
        }
        assert!(!Verdict::of(&[]).passed);
    }
}
