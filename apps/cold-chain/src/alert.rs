//! Stage 3, *generate-alerts*: what a person should be told, and how urgent it is.
//!
//! An alert stands for a broken operator limit: one per channel and side, with all of the
//! window's readings beyond it, scored by [`RiskPoints`]. Readings that only the robust
//! statistic found are *observations*: counted, not alerted, because a process may move
//! within its limits. Where the workflow sets no limit for a channel there is nothing else
//! to go by, so there they raise one alert, of severity info at most. Both come out empty
//! for a quiet window.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::command::NoParams;
use crate::detect::{Anomaly, Channel, Report, Rule};
use crate::risk::{Excursion, RiskPoints, Severity};
use crate::{AppError, Envelope};

/// The most reports one task takes, from as many predecessors.
pub const REPORTS_MAX: usize = 16;

/// Something a person should know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// From the risk.
    pub severity: Severity,
    /// 0 to 100.
    pub risk: f64,
    /// Where the risk comes from.
    pub risk_points: RiskPoints,
    /// What, in a few words.
    pub title: String,
    /// Why, as a sentence with the figures.
    pub reason: String,
    /// The sensor's name.
    pub sensor: String,
    /// What was measured.
    pub channel: Channel,
    /// Which rule it stands for.
    pub rule: Rule,
    /// Timestamp of the first reading concerned.
    pub from: String,
    /// Timestamp of the last reading concerned.
    pub to: String,
    /// Readings concerned.
    pub readings: usize,
    /// Runs of consecutive readings among them.
    pub episodes: usize,
    /// Time they stand for: readings × the window's median interval.
    pub duration_s: i64,
    /// The value farthest out.
    pub worst: f64,
}

/// The output of this stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alerts {
    /// Highest risk first; empty if all is well.
    pub alerts: Vec<Alert>,
    /// Of all alerts; absent if there is none.
    pub highest_severity: Option<Severity>,
    /// Readings that only the robust statistic found, where limits are set and kept.
    pub observations: usize,
    /// One line for a log or a screen.
    pub summary: String,
}

/// The stage as the mesh runs it.
///
/// # Errors
/// When the input isn't 1 to [`REPORTS_MAX`] outputs of stage 2.
pub fn stage(envelope: &Envelope) -> Result<Alerts, AppError> {
    let NoParams {} = envelope.params()?;
    let mut reports = Vec::new();
    for (index, document) in envelope.documents(REPORTS_MAX)?.into_iter().enumerate() {
        let report = Report::deserialize(document).map_err(|error| AppError::Malformed {
            part: format!("report {}", index + 1),
            detail: format!("{error}; expected the output of detect-anomalies"),
        })?;
        reports.push(report);
    }
    Ok(generate(&reports))
}

/// Turns reports into alerts.
#[must_use]
pub fn generate(reports: &[Report]) -> Alerts {
    let mut alerts = Vec::new();
    let mut observations = 0;
    for report in reports {
        for channel in [Channel::Temperature, Channel::Humidity] {
            for rule in [Rule::AboveMax, Rule::BelowMin] {
                alerts.extend(alert_for(report, channel, rule));
            }
            if report.params.limits(channel) == (None, None) {
                alerts.extend(alert_for(report, channel, Rule::RobustZ));
            } else {
                observations += observed(report, channel);
            }
        }
    }
    // Stable: equal risks stay in order of report, channel and rule.
    alerts.sort_by(|a, b| b.severity.cmp(&a.severity).then(b.risk.total_cmp(&a.risk)));
    let highest_severity = alerts.first().map(|alert| alert.severity);
    let summary = summary(reports, &alerts, observations);
    Alerts { alerts, highest_severity, observations, summary }
}

fn alert_for(report: &Report, channel: Channel, rule: Rule) -> Option<Alert> {
    let mine: Vec<&Anomaly> = report
        .anomalies
        .iter()
        .filter(|anomaly| anomaly.channel == channel && anomaly.rule == rule)
        .collect();
    let (first, last) = (mine.first()?, mine.last()?);
    let worst =
        mine.iter().max_by(|a, b| a.excess.total_cmp(&b.excess).then(b.index.cmp(&a.index)))?;
    let episodes = episodes(&mine);
    let points = RiskPoints::of(&Excursion {
        channel,
        unit: report.unit,
        // |z| is no excess over a limit: what only the statistic found scores nothing here.
        worst_excess: if rule == Rule::RobustZ { 0.0 } else { worst.excess },
        readings: mine.len(),
        window_readings: report.window.readings,
        episodes,
        stability_index: report.stability_index,
    });
    let risk = points.total();
    let severity = match rule {
        Rule::RobustZ => Severity::Info,
        _ => Severity::of_risk(risk),
    };
    Some(Alert {
        severity,
        risk,
        risk_points: points,
        title: title(report, channel, rule),
        reason: format!(
            "{} of {} readings in {}, worst at {}: {}",
            mine.len(),
            report.window.readings,
            counted(episodes, "episode"),
            worst.timestamp,
            worst.reason
        ),
        sensor: report.sensor.clone(),
        channel,
        rule,
        from: first.timestamp.clone(),
        to: last.timestamp.clone(),
        readings: mine.len(),
        episodes,
        duration_s: i64::try_from(mine.len())
            .unwrap_or(i64::MAX)
            .saturating_mul(report.window.interval_s),
        worst: worst.value,
    })
}

fn title(report: &Report, channel: Channel, rule: Rule) -> String {
    let name = match channel {
        Channel::Temperature => "temperature",
        Channel::Humidity => "humidity",
    };
    let symbol = channel.symbol(report.unit);
    match (rule, report.params.limits(channel)) {
        (Rule::AboveMax, (_, Some(max))) => format!("{name} above {max} {symbol}"),
        (Rule::BelowMin, (Some(min), _)) => format!("{name} below {min} {symbol}"),
        (Rule::AboveMax, _) => format!("{name} above its limit"),
        (Rule::BelowMin, _) => format!("{name} below its limit"),
        (Rule::RobustZ, _) => format!("{name} unlike the rest of its window"),
    }
}

/// Runs of readings that follow each other.
fn episodes(anomalies: &[&Anomaly]) -> usize {
    let breaks = anomalies
        .iter()
        .zip(anomalies.iter().skip(1))
        .filter(|(earlier, later)| later.index > earlier.index.saturating_add(1))
        .count();
    breaks + usize::from(!anomalies.is_empty())
}

/// Readings of a channel that the statistic found and no limit did.
fn observed(report: &Report, channel: Channel) -> usize {
    let indexes = |by_limit: bool| -> BTreeSet<usize> {
        report
            .anomalies
            .iter()
            .filter(|found| found.channel == channel)
            .filter(|found| (found.rule != Rule::RobustZ) == by_limit)
            .map(|found| found.index)
            .collect()
    };
    indexes(false).difference(&indexes(true)).count()
}

fn summary(reports: &[Report], alerts: &[Alert], observations: usize) -> String {
    let place = match reports {
        [one] => format!("{}, {} to {}", one.sensor, one.window.from, one.window.to),
        many => counted(many.len(), "report"),
    };
    let found = match alerts.first() {
        None => "no alert".to_owned(),
        Some(top) => format!(
            "{}, {}: {} (risk {:.1})",
            counted(alerts.len(), "alert"),
            top.severity.name(),
            top.title,
            top.risk
        ),
    };
    if observations == 0 {
        format!("{place}: {found}")
    } else {
        format!("{place}: {found}; {}", counted(observations, "observation"))
    }
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{DetectParams, detect};
    use crate::process::process;
    use crate::reading::{Reading, Unit, Window};
    use serde_json::json;

    fn report(temperatures: &[f64], params: DetectParams) -> Report {
        let readings = temperatures.iter().enumerate().map(|(i, value)| Reading {
            timestamp: format!("2026-01-01 00:{i:02}:00"),
            temperature: Some(*value),
            humidity: None,
        });
        let window =
            Window { sensor: "room".to_owned(), unit: Unit::C, readings: readings.collect() };
        detect(&process(&window).unwrap(), params).unwrap()
    }

    const LIMITS: DetectParams = DetectParams {
        temperature_min: Some(2.0),
        temperature_max: Some(8.0),
        humidity_min: None,
        humidity_max: None,
        threshold: None,
    };

    #[test]
    fn a_quiet_window_gives_an_empty_list() {
        let got = generate(&[report(&[5.0, 5.1, 4.9], LIMITS)]);
        assert_eq!((got.alerts.len(), got.highest_severity), (0, None));
        assert_eq!(got.summary, "room, 2026-01-01 00:00:00 to 2026-01-01 00:02:00: no alert");
    }

    #[test]
    fn one_alert_per_side_with_its_episodes() {
        let values = [5.0, 9.0, 9.5, 5.0, 10.0, 1.0, 5.0, 5.0];
        let got = generate(&[report(&values, LIMITS)]);
        let [above, below] = &got.alerts[..] else { panic!("{got:?}") };
        assert_eq!((above.rule, above.readings, above.episodes), (Rule::AboveMax, 3, 2));
        assert_eq!((above.worst, above.duration_s), (10.0, 180));
        assert_eq!(above.from, "2026-01-01 00:01:00");
        assert_eq!(above.to, "2026-01-01 00:04:00");
        assert_eq!(above.title, "temperature above 8 °C");
        assert_eq!((below.rule, below.readings), (Rule::BelowMin, 1));
        assert!(above.risk >= below.risk);
        assert_eq!(got.highest_severity, Some(above.severity));
    }

    #[test]
    fn the_statistic_alone_is_an_observation_where_limits_are_set() {
        let values = [5.0, 5.0, 5.0, 5.0, 5.0, 7.0];
        let got = generate(&[report(&values, LIMITS)]);
        assert_eq!((got.alerts.len(), got.observations), (0, 1));
        assert!(got.summary.ends_with("no alert; 1 observation"), "{}", got.summary);
        let got = generate(&[report(&values, DetectParams::default())]);
        assert_eq!((got.alerts.len(), got.observations), (1, 0));
        assert_eq!(got.alerts[0].severity, Severity::Info);
    }

    #[test]
    fn several_reports_are_taken_and_others_refused() {
        let calm = serde_json::to_value(report(&[5.0], LIMITS)).unwrap();
        let warm = serde_json::to_value(report(&[9.0], LIMITS)).unwrap();
        let mut envelope = Envelope::default();
        envelope.inputs.insert("a".to_owned(), calm.clone());
        envelope.inputs.insert("b".to_owned(), warm);
        assert_eq!(stage(&envelope).unwrap().alerts.len(), 1);
        envelope.inputs.insert("c".to_owned(), json!({"alerts": []}));
        let error = stage(&envelope).unwrap_err().to_string();
        assert!(error.starts_with("report 3: "), "{error}");
        envelope.inputs.insert("c".to_owned(), json!(vec![calm; 15]));
        let error = stage(&envelope).unwrap_err().to_string();
        assert!(error.contains("at most 16"), "{error}");
    }
}
