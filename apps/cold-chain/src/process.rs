//! Stage 1, *process-sensor-data*: cleans a window and describes it.
//!
//! Cleaning drops a reading whose timestamp can't be read, whose temperature is missing,
//! non-finite or absurd (outside −100 to 150 °C), or whose timestamp came before (the first
//! of equals stays); a humidity outside 0 to 100 % loses only itself. Each drop is counted.
//! What is left is in order of time.
//!
//! Stability index, 1 for a flat line and towards 0 for a wild one:
//! `1 / (1 + (std + |slope · span|) / 2 K)` over the temperatures, span in hours.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::{Deserialize, Serialize};

use crate::command::NoParams;
use crate::reading::{Reading, Unit, Window};
use crate::statistics::{ChannelStatistics, of_points, rounded};
use crate::{AppError, Envelope, time};

const ABSURD_BELOW_CELSIUS: f64 = -100.0;
const ABSURD_ABOVE_CELSIUS: f64 = 150.0;
const STABILITY_SCALE_KELVIN: f64 = 2.0;

/// A reading that passed cleaning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// `YYYY-MM-DD HH:MM:SS`.
    pub timestamp: String,
    /// In the window's unit.
    pub temperature: f64,
    /// Relative humidity in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub humidity: Option<f64>,
}

/// The stretch of time a window covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Timestamp of the first kept reading.
    pub from: String,
    /// Timestamp of the last kept reading.
    pub to: String,
    /// Kept readings.
    pub readings: usize,
    /// Median seconds from one reading to the next; 0 for a single one.
    pub interval_s: i64,
}

/// What cleaning did. `received` is `kept` and all drops together, save `humidity_dropped`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cleaning {
    /// Readings in the request.
    pub received: usize,
    /// Readings kept.
    pub kept: usize,
    /// Dropped: timestamp absent or unreadable.
    pub unreadable_timestamp: usize,
    /// Dropped: no temperature.
    pub missing: usize,
    /// Dropped: temperature NaN or infinite.
    pub non_finite: usize,
    /// Dropped: no such temperature exists where sensors live.
    pub absurd: usize,
    /// Dropped: an earlier reading has the same timestamp.
    pub duplicate: usize,
    /// Kept readings whose humidity was unusable and left out.
    pub humidity_dropped: usize,
}

/// Statistics by channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// In the window's unit.
    pub temperature: ChannelStatistics,
    /// In percent; absent if no reading has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub humidity: Option<ChannelStatistics>,
}

/// The output of this stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Processed {
    /// The sensor's name.
    pub sensor: String,
    /// The unit of its temperatures.
    pub unit: Unit,
    /// The time covered.
    pub window: Span,
    /// What was dropped and why.
    pub cleaning: Cleaning,
    /// Per channel.
    pub statistics: Statistics,
    /// In (0, 1]; 1 is flat.
    pub stability_index: f64,
    /// The kept readings in order of time.
    pub readings: Vec<Sample>,
}

/// The stage as the mesh runs it.
///
/// # Errors
/// When the input isn't one window or nothing of it is usable.
pub fn stage(envelope: &Envelope) -> Result<Processed, AppError> {
    let NoParams {} = envelope.params()?;
    process(&Window::from_json(envelope.document()?)?)
}

/// Cleans and describes a window.
///
/// # Errors
/// [`AppError::NoUsableReading`] when cleaning leaves nothing.
pub fn process(window: &Window) -> Result<Processed, AppError> {
    let (samples, cleaning) = clean(window);
    let none_left = || AppError::NoUsableReading { received: cleaning.received };
    let (first_s, _) = samples.first_key_value().ok_or_else(none_left)?;
    let (last_s, _) = samples.last_key_value().ok_or_else(none_left)?;
    let (first_s, last_s) = (*first_s, *last_s);
    let hours = |at: i64| (at - first_s) as f64 / 3600.0;
    let temperatures: Vec<_> =
        samples.iter().map(|(at, sample)| (hours(*at), sample.temperature)).collect();
    let humidities: Vec<_> =
        samples.iter().filter_map(|(at, sample)| Some((hours(*at), sample.humidity?))).collect();
    let temperature = of_points(&temperatures).ok_or_else(none_left)?;
    let statistics = Statistics { temperature, humidity: of_points(&humidities) };
    Ok(Processed {
        sensor: window.sensor.clone(),
        unit: window.unit,
        window: Span {
            from: time::format(first_s),
            to: time::format(last_s),
            readings: samples.len(),
            interval_s: median_interval_s(&samples),
        },
        stability_index: stability(&temperature, hours(last_s), window.unit),
        cleaning,
        statistics,
        readings: samples.into_values().collect(),
    })
}

fn clean(window: &Window) -> (BTreeMap<i64, Sample>, Cleaning) {
    let mut samples = BTreeMap::new();
    let mut count = Cleaning { received: window.readings.len(), ..Cleaning::default() };
    for reading in &window.readings {
        let Some(at) = time::parse(&reading.timestamp) else {
            count.unreadable_timestamp += 1;
            continue;
        };
        let Some(temperature) = reading.temperature else {
            count.missing += 1;
            continue;
        };
        if !temperature.is_finite() {
            count.non_finite += 1;
            continue;
        }
        let celsius = window.unit.to_celsius(temperature);
        if !(ABSURD_BELOW_CELSIUS..=ABSURD_ABOVE_CELSIUS).contains(&celsius) {
            count.absurd += 1;
            continue;
        }
        match samples.entry(at) {
            Entry::Occupied(_) => count.duplicate += 1,
            Entry::Vacant(free) => {
                let humidity = usable_humidity(reading, &mut count);
                free.insert(Sample {
                    timestamp: time::format(at),
                    temperature: rounded(temperature),
                    humidity,
                });
            }
        }
    }
    count.kept = samples.len();
    (samples, count)
}

fn usable_humidity(reading: &Reading, count: &mut Cleaning) -> Option<f64> {
    let humidity = reading.humidity?;
    if (0.0..=100.0).contains(&humidity) {
        return Some(rounded(humidity));
    }
    count.humidity_dropped += 1;
    None
}

fn median_interval_s(samples: &BTreeMap<i64, Sample>) -> i64 {
    let times = samples.keys();
    let mut gaps: Vec<i64> =
        times.clone().zip(times.skip(1)).map(|(earlier, later)| later - earlier).collect();
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).copied().unwrap_or(0)
}

fn stability(temperature: &ChannelStatistics, span_hours: f64, unit: Unit) -> f64 {
    let drift = (temperature.slope_per_hour * span_hours).abs();
    let scale = unit.difference(STABILITY_SCALE_KELVIN);
    rounded(1.0 / (1.0 + (temperature.std + drift) / scale))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn window(readings: serde_json::Value) -> Window {
        Window::from_json(&json!({"sensor": "s", "unit": "C", "readings": readings})).unwrap()
    }

    #[test]
    fn each_kind_of_bad_reading_is_counted() {
        let got = process(&window(json!([
            {"timestamp": "2026-01-01 00:02:00", "temperature": 6.0, "humidity": 61.0},
            {"timestamp": "2026-01-01 00:00:00", "temperature": 4.0, "humidity": 150.0},
            {"timestamp": "2026-01-01 00:00:00", "temperature": 9.0},
            {"timestamp": "2026-01-01 00:03:00"},
            {"timestamp": "2026-01-01 00:04:00", "temperature": "NaN"},
            {"timestamp": "2026-01-01 00:05:00", "temperature": 900.0},
            {"timestamp": "yesterday", "temperature": 5.0},
            {"timestamp": "2026-01-01 00:01:00", "temperature": 5.0},
        ])))
        .unwrap();
        let expected = Cleaning {
            received: 8,
            kept: 3,
            unreadable_timestamp: 1,
            missing: 1,
            non_finite: 1,
            absurd: 1,
            duplicate: 1,
            humidity_dropped: 1,
        };
        assert_eq!(got.cleaning, expected);
        let kept: Vec<_> = got.readings.iter().map(|s| s.temperature).collect();
        assert_eq!(kept, [4.0, 5.0, 6.0], "in order of time, first duplicate wins");
        assert_eq!(got.window.interval_s, 60);
        assert_eq!(got.statistics.temperature.slope_per_hour, 60.0);
        assert_eq!(got.statistics.humidity.unwrap().count, 1);
        // std 1, drift 2 over 2 minutes: 1 / (1 + 3 / 2).
        assert_eq!(got.stability_index, 0.4);
    }

    #[test]
    fn the_index_is_the_same_in_both_units() {
        let celsius = process(&window(json!([
            {"timestamp": "2026-01-01 00:00:00", "temperature": 4.0},
            {"timestamp": "2026-01-01 01:00:00", "temperature": 7.0},
        ])));
        let mut fahrenheit = window(json!([
            {"timestamp": "2026-01-01 00:00:00", "temperature": 39.2},
            {"timestamp": "2026-01-01 01:00:00", "temperature": 44.6},
        ]));
        fahrenheit.unit = Unit::F;
        let fahrenheit = process(&fahrenheit).unwrap();
        let difference = celsius.unwrap().stability_index - fahrenheit.stability_index;
        assert!(difference.abs() < 2e-6, "{difference}");
    }

    #[test]
    fn nothing_usable_and_unknown_params_are_refused() {
        let error = process(&window(json!([{"temperature": 1.0}]))).unwrap_err();
        assert_eq!(error, AppError::NoUsableReading { received: 1 });
        let envelope = Envelope { params: json!({"threshold": 1}), ..Envelope::default() };
        let error = stage(&envelope).unwrap_err().to_string();
        assert!(error.contains("threshold"), "{error}");
    }
}
