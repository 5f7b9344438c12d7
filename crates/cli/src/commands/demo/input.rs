//! What the demo's device sends: windows of 30 readings from a file or the simulator, and
//! the operator's limits that go with their unit.

use super::DemoArgs;
use crate::failure::{Done, Failure};
use cold_chain::{Unit, Window, host::windows_from_csv, simulate};
use serde_json::{Value, json};
use std::fs::File;

/// Readings per window.
pub const READINGS_PER_WINDOW: usize = 30;

/// The windows to send, in order, and the limits to send them against.
pub struct Input {
    /// One per request.
    pub windows: Vec<Window>,
    /// Parameters of *detect-anomalies*.
    pub limits: Value,
}

impl Input {
    /// Reads or simulates as the flags say.
    pub fn new(args: &DemoArgs) -> Done<Self> {
        let count = args.requests as usize;
        let windows = match &args.input {
            Some(path) => {
                let file = File::open(path).map_err(|e| Failure::unreadable(path, &e))?;
                let all = windows_from_csv(file, READINGS_PER_WINDOW)
                    .map_err(|e| Failure::usage(e).at(path.display()))?;
                chosen(&all, count)
            }
            None => (0..u64::from(args.requests))
                .map(|index| simulate(args.seed, index, READINGS_PER_WINDOW))
                .collect(),
        };
        let unit = windows.first().map_or(Unit::C, |window| window.unit);
        Ok(Self { windows, limits: limits(unit) })
    }
}

fn limits(unit: Unit) -> Value {
    match unit {
        Unit::C => json!({
            "temperature_min": 2, "temperature_max": 8, "humidity_min": 35, "humidity_max": 85,
        }),
        Unit::F => json!({ "temperature_min": 60, "temperature_max": 82 }),
    }
}

/// `count` windows: of each of `count` equal stretches the one that strays farthest; all of
/// them, over and over, when there are not enough.
fn chosen(all: &[Window], count: usize) -> Vec<Window> {
    if count >= all.len() {
        return all.iter().cycle().take(count).cloned().collect();
    }
    let median = median(all.iter().flat_map(temperatures));
    let strays = |window: &Window| {
        temperatures(window).map(|value| (value - median).abs()).fold(0.0, f64::max)
    };
    (0..count)
        .filter_map(|stretch| {
            let (from, to) = (stretch * all.len() / count, (stretch + 1) * all.len() / count);
            let windows = all.get(from..to)?.iter();
            windows.max_by(|a, b| strays(a).total_cmp(&strays(b))).cloned()
        })
        .collect()
}

fn temperatures(window: &Window) -> impl Iterator<Item = f64> + '_ {
    window.readings.iter().filter_map(|reading| reading.temperature)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cold_chain::Reading;

    fn window(value: f64) -> Window {
        let reading = Reading {
            timestamp: "2026-01-01 00:00:00".to_owned(),
            temperature: Some(value),
            humidity: None,
        };
        Window { sensor: "test".to_owned(), unit: Unit::F, readings: vec![reading] }
    }

    #[test]
    fn each_stretch_sends_its_farthest_window_in_order() {
        let all: Vec<Window> = [70.0, 71.0, 55.0, 70.0, 70.0, 90.0, 70.0, 69.0].map(window).into();
        let sent: Vec<f64> = chosen(&all, 2).iter().flat_map(temperatures).collect();
        assert_eq!(sent, [55.0, 90.0]);
        assert_eq!(chosen(&all, 8).len(), 8);
        assert_eq!(chosen(&all, 20).len(), 20);
        assert_eq!(chosen(&all, 1).len(), 1);
    }
}
