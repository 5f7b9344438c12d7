//! Percentiles of measured times, and a request's overhead.
//!
//! Times are microseconds. Percentiles are nearest-rank: a value that was measured, never
//! one in between.

use serde::Serialize;

/// The times of one request that came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// From before the submission to the checked result.
    pub round_trip_us: u64,
    /// Time that applications ran along the critical path.
    pub task_us: u64,
}

impl Sample {
    /// What the framework adds: the round trip without the applications' own time.
    pub const fn overhead_us(&self) -> u64 {
        self.round_trip_us.saturating_sub(self.task_us)
    }
}

/// Median and tail in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half of the values are at most this.
    pub p50: f64,
    /// 99 in 100 are at most this.
    pub p99: f64,
}

impl Percentiles {
    /// Of times in microseconds; zeros when there are none.
    pub fn of(times_us: impl Iterator<Item = u64>) -> Self {
        let mut sorted: Vec<u64> = times_us.collect();
        sorted.sort_unstable();
        Self { p50: millis(rank(&sorted, 50)), p99: millis(rank(&sorted, 99)) }
    }
}

fn rank(sorted: &[u64], percent: usize) -> u64 {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(0)
}

/// Milliseconds to the hundredth.
fn millis(micros: u64) -> f64 {
    (micros as f64 / 10.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let hundred = Percentiles::of((1..=100u64).map(|ms| ms * 1_000));
        assert_eq!(hundred, Percentiles { p50: 50.0, p99: 99.0 });
        assert_eq!(Percentiles::of([7_000].into_iter()), Percentiles { p50: 7.0, p99: 7.0 });
        assert_eq!(Percentiles::of([].into_iter()), Percentiles { p50: 0.0, p99: 0.0 });
    }

    #[test]
    fn overhead_is_what_the_tasks_do_not_take() {
        assert_eq!(Sample { round_trip_us: 2_000, task_us: 1_101 }.overhead_us(), 899);
    }
}
