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

/// Median and tail in milliseconds; nothing (`null`) where nothing was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half of the values are at most this.
    pub p50: Option<f64>,
    /// 99 in 100 are at most this.
    pub p99: Option<f64>,
}

impl Percentiles {
    /// Of times in microseconds.
    pub fn of(times_us: impl Iterator<Item = u64>) -> Self {
        let mut sorted: Vec<u64> = times_us.collect();
        sorted.sort_unstable();
        Self { p50: rank(&sorted, 50).map(millis), p99: rank(&sorted, 99).map(millis) }
    }

    /// Both for people.
    pub fn text(&self) -> String {
        match (self.p50, self.p99) {
            (Some(p50), Some(p99)) => format!("p50 {p50:.1} ms, p99 {p99:.1} ms"),
            _ => "-".to_owned(),
        }
    }
}

fn rank(sorted: &[u64], percent: usize) -> Option<u64> {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied()
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
        assert_eq!(hundred, Percentiles { p50: Some(50.0), p99: Some(99.0) });
        assert_eq!(hundred.text(), "p50 50.0 ms, p99 99.0 ms");
        let one = Percentiles::of([7_000].into_iter());
        assert_eq!(one, Percentiles { p50: Some(7.0), p99: Some(7.0) });
    }

    #[test]
    fn what_was_not_measured_is_not_zero() {
        let none = Percentiles::of([].into_iter());
        assert_eq!(none.text(), "-");
        let json = serde_json::to_value(none).unwrap();
        assert_eq!(json, serde_json::json!({"p50": null, "p99": null}));
    }

    #[test]
    fn overhead_is_what_the_tasks_do_not_take() {
        assert_eq!(Sample { round_trip_us: 2_000, task_us: 1_101 }.overhead_us(), 899);
    }
}
