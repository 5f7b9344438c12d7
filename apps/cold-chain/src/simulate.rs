//! A seeded cold room: the default input of demos and benchmarks.
//!
//! Source: the paper's sensors, around 5 °C and 60 % humidity with spikes and drifts.
//! Window `i` is a function of (seed, i) alone, so windows can be made in any order and
//! again. Of ten windows, about one holds a spike (the door: some minutes well over 8 °C,
//! humidity up), one a drift (the compressor: out of limits by the end), one in 200
//! readings is lost; the rest stay within 2 to 8 °C.

use crate::reading::{READINGS_MAX, Reading, Unit, Window};
use crate::time;

const BASE_CELSIUS: f64 = 5.0;
const BASE_HUMIDITY_PERCENT: f64 = 60.0;
const INTERVAL_S: i64 = 60;
/// 2026-01-01 00:00:00.
const START_S: i64 = 1_767_225_600;
/// The thermostat's cycle, in readings.
const CYCLE_READINGS: u64 = 48;

enum Event {
    Calm,
    Spike { at: usize, length: usize, kelvin: f64 },
    Drift { from: usize, kelvin: f64 },
}

/// Window `window_index` of the sensor with this seed: one reading a minute, in °C.
/// `readings_per_window` is clamped to 1 to [`READINGS_MAX`].
#[must_use]
pub fn simulate(seed: u64, window_index: u64, readings_per_window: usize) -> Window {
    let count = readings_per_window.clamp(1, READINGS_MAX);
    let mut random = Random::new(seed, window_index);
    let event = random.event(count);
    let first = window_index.wrapping_mul(count as u64);
    let readings = (0..count)
        .map(|place| {
            let tick = first.wrapping_add(place as u64);
            let (kelvin, humid) = event.effect(place, count);
            let temperature = BASE_CELSIUS + cycle(tick) + 0.35 * random.noise() + kelvin;
            let humidity = BASE_HUMIDITY_PERCENT + 2.0 * random.noise() + humid;
            let lost = random.below(200) == 0;
            Reading {
                timestamp: timestamp(tick),
                temperature: (!lost).then(|| two_decimals(temperature)),
                humidity: (!lost).then(|| two_decimals(humidity.clamp(0.0, 100.0))),
            }
        })
        .collect();
    Window { sensor: "cold-room-1".to_owned(), unit: Unit::C, readings }
}

impl Event {
    /// What it adds to temperature (K) and humidity (%) at a place in the window.
    fn effect(&self, place: usize, count: usize) -> (f64, f64) {
        match *self {
            Self::Spike { at, length, kelvin } if (at..at + length).contains(&place) => {
                (kelvin, 2.0 * kelvin)
            }
            Self::Drift { from, kelvin } if place >= from => {
                let share = (place - from + 1) as f64 / (count - from) as f64;
                (kelvin * share, 0.0)
            }
            _ => (0.0, 0.0),
        }
    }
}

/// A triangle between −0.4 and 0.4 K.
fn cycle(tick: u64) -> f64 {
    let half = CYCLE_READINGS / 2;
    let phase = tick % CYCLE_READINGS;
    let distance = if phase < half { phase } else { CYCLE_READINGS - phase };
    0.8 * (distance as f64 / half as f64) - 0.4
}

fn timestamp(tick: u64) -> String {
    // Within the years a timestamp can hold, whatever the index.
    let minutes = i64::try_from(tick % 1_000_000_000).unwrap_or(0);
    time::format(START_S + minutes * INTERVAL_S)
}

fn two_decimals(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// SplitMix64: a counter through a mixing function, which is all a demo needs.
struct Random(u64);

impl Random {
    fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self(seed);
        let base = random.next();
        Self(base ^ stream.wrapping_mul(0xd6e8_feb8_6659_fd93))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = bound.max(1) as u64;
        // Less than `bound`, which came from a usize.
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    /// In [0, 1).
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Bell-shaped in [−2, 2], by summing: no logarithm that differs between machines.
    fn noise(&mut self) -> f64 {
        (0..4).map(|_| self.unit()).sum::<f64>() - 2.0
    }

    fn event(&mut self, count: usize) -> Event {
        let kind = self.below(10);
        let kelvin = self.unit();
        match kind {
            0 => Event::Spike {
                at: self.below(count),
                length: 1 + self.below(4),
                kelvin: 5.0 + 4.0 * kelvin,
            },
            1 => Event::Drift { from: self.below(count.div_ceil(2)), kelvin: 5.0 + 2.0 * kelvin },
            _ => Event::Calm,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::generate;
    use crate::detect::{DetectParams, detect};
    use crate::process::process;

    #[test]
    fn equal_seeds_give_equal_windows_and_others_differ() {
        assert_eq!(simulate(7, 3, 30), simulate(7, 3, 30));
        assert_ne!(simulate(7, 3, 30), simulate(8, 3, 30));
        assert_ne!(simulate(7, 3, 30), simulate(7, 4, 30));
        let last = simulate(7, 3, 30).readings[29].timestamp.clone();
        assert!(last < simulate(7, 4, 30).readings[0].timestamp);
    }

    #[test]
    fn odd_sizes_are_clamped_and_any_index_is_valid() {
        assert_eq!(simulate(0, 0, 0).readings.len(), 1);
        assert_eq!(simulate(0, 0, usize::MAX).readings.len(), READINGS_MAX);
        let far = process(&simulate(u64::MAX, u64::MAX, 30)).unwrap();
        assert_eq!(far.cleaning.unreadable_timestamp, 0);
    }

    #[test]
    fn about_a_fifth_of_the_windows_raise_alerts() {
        let limits = DetectParams {
            temperature_min: Some(2.0),
            temperature_max: Some(8.0),
            ..DetectParams::default()
        };
        let alerting = (0..1000)
            .map(|index| process(&simulate(42, index, 30)).unwrap())
            .map(|window| generate(&[detect(&window, limits).unwrap()]))
            .filter(|result| !result.alerts.is_empty())
            .count();
        assert!((150..=250).contains(&alerting), "{alerting} of 1000");
    }
}
