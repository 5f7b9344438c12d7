//! The risk score of an excursion, and the severity it stands for.
//!
//! `risk = 40·E + 30·D + 15·N + 15·I`, 0 to 100, one decimal, where each part is 0 to 1:
//! - E, worst excess over the limit ÷ 5 K (temperature) or 15 % (humidity);
//! - D, readings out of limits ÷ readings of the window, the share of time spent outside;
//! - N, separate episodes ÷ 3, a door that won't stay shut;
//! - I, 1 − stability index.
//!
//! Severity: critical from 60, warning from 25, info below. So a brief overshoot informs,
//! goods that got far too warm for a moment or a little too warm for long warn, and both
//! together are critical.

use serde::{Deserialize, Serialize};

use crate::detect::Channel;
use crate::reading::Unit;

const EXCESS_POINTS: f64 = 40.0;
const DURATION_POINTS: f64 = 30.0;
const EPISODE_POINTS: f64 = 15.0;
const INSTABILITY_POINTS: f64 = 15.0;
const EXCESS_SCALE_KELVIN: f64 = 5.0;
const EXCESS_SCALE_PERCENT: f64 = 15.0;
const EPISODES_SCALE: f64 = 3.0;
const WARNING_FROM: f64 = 25.0;
const CRITICAL_FROM: f64 = 60.0;

/// How much an alert matters, rising.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Look at it.
    Warning,
    /// Act now.
    Critical,
}

impl Severity {
    /// The severity of a risk of 0 to 100.
    #[must_use]
    pub fn of_risk(risk: f64) -> Self {
        if risk >= CRITICAL_FROM {
            Self::Critical
        } else if risk >= WARNING_FROM {
            Self::Warning
        } else {
            Self::Info
        }
    }

    /// As written in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What an excursion looked like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Excursion {
    pub channel: Channel,
    pub unit: Unit,
    pub worst_excess: f64,
    pub readings: usize,
    pub window_readings: usize,
    pub episodes: usize,
    pub stability_index: f64,
}

/// Where a risk comes from: the points of each part, one decimal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RiskPoints {
    /// Of 40: how far over the limit.
    pub excess: f64,
    /// Of 30: share of the window outside.
    pub duration: f64,
    /// Of 15: separate episodes.
    pub episodes: f64,
    /// Of 15: instability of the window.
    pub instability: f64,
}

impl RiskPoints {
    pub(crate) fn of(excursion: &Excursion) -> Self {
        let scale = match excursion.channel {
            Channel::Temperature => excursion.unit.difference(EXCESS_SCALE_KELVIN),
            Channel::Humidity => EXCESS_SCALE_PERCENT,
        };
        let share = excursion.readings as f64 / excursion.window_readings.max(1) as f64;
        Self {
            excess: points(EXCESS_POINTS, excursion.worst_excess / scale),
            duration: points(DURATION_POINTS, share),
            episodes: points(EPISODE_POINTS, excursion.episodes as f64 / EPISODES_SCALE),
            instability: points(INSTABILITY_POINTS, 1.0 - excursion.stability_index),
        }
    }

    /// Their sum, 0 to 100.
    #[must_use]
    pub fn total(&self) -> f64 {
        one_decimal(self.excess + self.duration + self.episodes + self.instability)
    }
}

fn points(most: f64, part: f64) -> f64 {
    one_decimal(most * part.clamp(0.0, 1.0))
}

fn one_decimal(value: f64) -> f64 {
    (value * 10.0).round() / 10.0 + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVERSHOOT: Excursion = Excursion {
        channel: Channel::Temperature,
        unit: Unit::C,
        worst_excess: 1.0,
        readings: 1,
        window_readings: 30,
        episodes: 1,
        stability_index: 0.8,
    };

    #[test]
    fn each_part_is_bounded_and_the_whole_is_100() {
        let worst = Excursion {
            worst_excess: 1e9,
            readings: 99,
            episodes: 99,
            stability_index: 0.0,
            ..OVERSHOOT
        };
        assert_eq!(RiskPoints::of(&worst).total(), 100.0);
    }

    #[test]
    fn severity_follows_excess_and_duration() {
        let risk = |excursion: Excursion| RiskPoints::of(&excursion).total();
        // 8 + 1 + 5 + 3.
        assert_eq!(risk(OVERSHOOT), 17.0);
        let fahrenheit = Excursion { unit: Unit::F, worst_excess: 1.8, ..OVERSHOOT };
        assert_eq!(risk(fahrenheit), 17.0, "the same in both units");
        let far = Excursion { worst_excess: 6.0, ..OVERSHOOT };
        let long = Excursion { readings: 15, ..OVERSHOOT };
        let both = Excursion { readings: 15, ..far };
        assert_eq!(Severity::of_risk(risk(OVERSHOOT)), Severity::Info);
        assert_eq!(Severity::of_risk(risk(far)), Severity::Warning);
        assert_eq!(Severity::of_risk(risk(long)), Severity::Warning);
        assert_eq!(Severity::of_risk(risk(both)), Severity::Critical);
    }
}
