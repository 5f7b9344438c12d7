//! Stage 2, *detect-anomalies*: which readings are out of line, by which rule, and why.
//!
//! Two rules beside each other, per channel:
//! - **operator limits** (`above_max`, `below_min`): the workflow's parameters
//!   `temperature_min/max` and `humidity_min/max`, in the window's own unit and percent. A
//!   value on the limit is within it.
//! - **robust statistic** (`robust_z`): `z = 0.6745 · (x − median) / max(MAD, floor)` with
//!   `|z| > threshold` (default 3.5, Iglewicz and Hoaglin). The floor, 0.05 K or 0.5 %, is
//!   about a sensor's resolution: without it a flat window (MAD 0) would flag any flicker.
//!   Windows of fewer than 5 values are too short for it.

use serde::{Deserialize, Serialize};

use crate::process::{Processed, Span};
use crate::reading::Unit;
use crate::statistics::{ChannelStatistics, rounded};
use crate::{AppError, Envelope};

const THRESHOLD_DEFAULT: f64 = 3.5;
/// Scales the MAD of a normal distribution to its standard deviation.
const MAD_TO_SIGMA: f64 = 0.6745;
const ROBUST_COUNT_MIN: usize = 5;
const TEMPERATURE_MAD_FLOOR_KELVIN: f64 = 0.05;
const HUMIDITY_MAD_FLOOR_PERCENT: f64 = 0.5;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// In the window's unit.
    Temperature,
    /// Relative, in percent.
    Humidity,
}

impl Channel {
    /// How a value of this channel is followed by its unit.
    pub(crate) fn symbol(self, unit: Unit) -> &'static str {
        match self {
            Self::Temperature => unit.symbol(),
            Self::Humidity => "%",
        }
    }
}

/// Which rule found an anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Over the operator's upper limit.
    AboveMax,
    /// Under the operator's lower limit.
    BelowMin,
    /// Far from the window's median by its own spread.
    RobustZ,
}

/// The workflow's parameters: limits (each may be absent) and the robust threshold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectParams {
    /// Lowest good temperature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature_min: Option<f64>,
    /// Highest good temperature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature_max: Option<f64>,
    /// Lowest good humidity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub humidity_min: Option<f64>,
    /// Highest good humidity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub humidity_max: Option<f64>,
    /// Robust z beyond which a reading is an anomaly; 3.5 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
}

impl DetectParams {
    /// Lower and upper limit of a channel.
    #[must_use]
    pub fn limits(&self, channel: Channel) -> (Option<f64>, Option<f64>) {
        match channel {
            Channel::Temperature => (self.temperature_min, self.temperature_max),
            Channel::Humidity => (self.humidity_min, self.humidity_max),
        }
    }

    fn check(&self) -> Result<(), AppError> {
        let refuse = |detail: String| Err(AppError::Parameter { detail });
        for (name, channel) in
            [("temperature", Channel::Temperature), ("humidity", Channel::Humidity)]
        {
            if let (Some(min), Some(max)) = self.limits(channel)
                && min >= max
            {
                return refuse(format!("{name}_min {min} must be less than {name}_max {max}"));
            }
        }
        match self.threshold {
            Some(threshold) if !(threshold > 0.0 && threshold.is_finite()) => {
                refuse(format!("threshold {threshold} must be greater than 0"))
            }
            _ => Ok(()),
        }
    }
}

/// One reading that one rule found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// The reading's place in the cleaned window, from 0.
    pub index: usize,
    /// When it was taken.
    pub timestamp: String,
    /// What was measured.
    pub channel: Channel,
    /// The measured value.
    pub value: f64,
    /// Which rule fired.
    pub rule: Rule,
    /// How far over the limit in the channel's unit, or `|z|`.
    pub excess: f64,
    /// Why, as a sentence.
    pub reason: String,
}

/// The output of this stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The sensor's name.
    pub sensor: String,
    /// The unit of its temperatures.
    pub unit: Unit,
    /// The time covered.
    pub window: Span,
    /// From stage 1; 1 is flat.
    pub stability_index: f64,
    /// The parameters applied, the threshold filled in.
    pub params: DetectParams,
    /// What was found, by channel, then time, then rule.
    pub anomalies: Vec<Anomaly>,
}

/// The stage as the mesh runs it.
///
/// # Errors
/// When the input isn't stage 1's output or a parameter is unusable.
pub fn stage(envelope: &Envelope) -> Result<Report, AppError> {
    let params: DetectParams = envelope.params()?;
    let processed =
        Processed::deserialize(envelope.document()?).map_err(|error| AppError::Malformed {
            part: "data".to_owned(),
            detail: format!("{error}; expected the output of process-sensor-data"),
        })?;
    detect(&processed, params)
}

/// Applies both rules to every reading of every channel.
///
/// # Errors
/// [`AppError::Parameter`] for limits out of order or a threshold not above 0.
pub fn detect(processed: &Processed, params: DetectParams) -> Result<Report, AppError> {
    params.check()?;
    let params =
        DetectParams { threshold: Some(params.threshold.unwrap_or(THRESHOLD_DEFAULT)), ..params };
    let mut anomalies = Vec::new();
    let statistics = &processed.statistics;
    for (channel, statistics, mad_floor) in [
        (
            Channel::Temperature,
            Some(statistics.temperature),
            processed.unit.difference(TEMPERATURE_MAD_FLOOR_KELVIN),
        ),
        (Channel::Humidity, statistics.humidity, HUMIDITY_MAD_FLOOR_PERCENT),
    ] {
        let Some(statistics) = statistics else {
            continue;
        };
        let check = ChannelCheck {
            symbol: channel.symbol(processed.unit),
            limits: params.limits(channel),
            threshold: params.threshold.unwrap_or(THRESHOLD_DEFAULT),
            mad: statistics.mad.max(mad_floor),
            statistics,
        };
        for (index, sample) in processed.readings.iter().enumerate() {
            let value = match channel {
                Channel::Temperature => Some(sample.temperature),
                Channel::Humidity => sample.humidity,
            };
            if let Some(value) = value {
                let found = [check.limit(value), check.robust(value)];
                anomalies.extend(found.into_iter().flatten().map(|(rule, excess, reason)| {
                    Anomaly {
                        index,
                        timestamp: sample.timestamp.clone(),
                        channel,
                        value,
                        rule,
                        excess: rounded(excess),
                        reason,
                    }
                }));
            }
        }
    }
    Ok(Report {
        sensor: processed.sensor.clone(),
        unit: processed.unit,
        window: processed.window.clone(),
        stability_index: processed.stability_index,
        params,
        anomalies,
    })
}

struct ChannelCheck {
    symbol: &'static str,
    limits: (Option<f64>, Option<f64>),
    threshold: f64,
    mad: f64,
    statistics: ChannelStatistics,
}

impl ChannelCheck {
    fn limit(&self, value: f64) -> Option<(Rule, f64, String)> {
        let symbol = self.symbol;
        match self.limits {
            (_, Some(max)) if value > max => Some((
                Rule::AboveMax,
                value - max,
                format!("{value:.2} {symbol} is {:.2} above the limit of {max}", value - max),
            )),
            (Some(min), _) if value < min => Some((
                Rule::BelowMin,
                min - value,
                format!("{value:.2} {symbol} is {:.2} below the limit of {min}", min - value),
            )),
            _ => None,
        }
    }

    fn robust(&self, value: f64) -> Option<(Rule, f64, String)> {
        if self.statistics.count < ROBUST_COUNT_MIN {
            return None;
        }
        let median = self.statistics.median;
        let z = MAD_TO_SIGMA * (value - median) / self.mad;
        (z.abs() > self.threshold).then(|| {
            let reason = format!(
                "{value:.2} {} is {z:.1} robust deviations from the window's median {median:.2}, \
                 more than {}",
                self.symbol, self.threshold
            );
            (Rule::RobustZ, z.abs(), reason)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::process;
    use crate::reading::{Reading, Window};
    use serde_json::json;

    fn processed(temperatures: &[f64]) -> Processed {
        let readings = temperatures.iter().enumerate().map(|(i, value)| Reading {
            timestamp: format!("2026-01-01 00:{i:02}:00"),
            temperature: Some(*value),
            humidity: Some(60.0),
        });
        process(&Window { sensor: "s".to_owned(), unit: Unit::C, readings: readings.collect() })
            .unwrap()
    }

    fn found(temperatures: &[f64], params: DetectParams) -> Vec<(usize, Rule)> {
        let report = detect(&processed(temperatures), params).unwrap();
        report.anomalies.iter().map(|a| (a.index, a.rule)).collect()
    }

    const LIMITS: DetectParams = DetectParams {
        temperature_min: Some(2.0),
        temperature_max: Some(8.0),
        humidity_min: None,
        humidity_max: None,
        threshold: None,
    };

    #[test]
    fn both_rules_fire_apart_and_together() {
        let calm = [5.0, 5.1, 4.9, 5.0, 5.2];
        assert_eq!(found(&calm, LIMITS), []);
        let spike = [5.0, 5.1, 4.9, 5.0, 9.0];
        let both = [(4, Rule::AboveMax), (4, Rule::RobustZ)];
        assert_eq!(found(&spike, LIMITS), both);
        assert_eq!(found(&spike, DetectParams::default()), both[1..]);
        let broad = [1.0, 4.0, 7.0, 5.0, 2.5];
        assert_eq!(found(&broad, LIMITS), [(0, Rule::BelowMin)]);
        assert_eq!(found(&[2.0, 8.0], LIMITS), [], "on the limit is within it");
    }

    #[test]
    fn a_flat_window_does_not_divide_by_its_mad() {
        let flat = |last| [5.0, 5.0, 5.0, 5.0, 5.0, last];
        // Floor 0.05 K: z passes 3.5 between 0.25 and 0.27 K from the median.
        assert_eq!(found(&flat(5.25), DetectParams::default()), []);
        let far = found(&flat(5.27), DetectParams::default());
        assert_eq!(far, [(5, Rule::RobustZ)]);
    }

    #[test]
    fn bad_parameters_and_documents_are_refused() {
        let data = serde_json::to_value(processed(&[5.0])).unwrap();
        for (params, data, part) in [
            (json!({"temperature_min": 9, "temperature_max": 8}), &data, "must be less than"),
            (json!({"threshold": 0}), &data, "greater than 0"),
            (json!({"treshold": 3}), &data, "treshold"),
            (json!({"threshold": "3"}), &data, "params: "),
            (json!([1]), &data, "params: "),
            (json!({}), &json!({"sensor": "s"}), "process-sensor-data"),
        ] {
            let envelope = Envelope { data: data.clone(), params, ..Envelope::default() };
            let error = stage(&envelope).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
