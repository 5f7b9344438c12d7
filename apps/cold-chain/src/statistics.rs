//! Statistics of one channel over one window.
//!
//! Standard deviation is the sample's (n − 1), MAD the median of absolute deviations from
//! the median (unscaled), slope the least-squares one per hour. Every figure is rounded to
//! six decimals, so that outputs stay short. Only +, −, ×, ÷ and √ are used: IEEE 754 makes
//! those equal on every machine.

use serde::{Deserialize, Serialize};

/// The statistics of one channel, in the channel's unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ChannelStatistics {
    /// Values they are made from.
    pub count: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation; 0 for a single value.
    pub std: f64,
    /// Least value.
    pub min: f64,
    /// Greatest value.
    pub max: f64,
    /// Median; the mean of the middle two for an even count.
    pub median: f64,
    /// Median absolute deviation from the median, unscaled.
    pub mad: f64,
    /// Least-squares slope in units per hour; 0 when all values share one time.
    pub slope_per_hour: f64,
}

/// Statistics of `(hours, value)` points; `None` if there is none.
pub(crate) fn of_points(points: &[(f64, f64)]) -> Option<ChannelStatistics> {
    let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    let median = median(&values)?;
    let deviations: Vec<f64> = values.iter().map(|v| (v - median).abs()).collect();
    let mad = self::median(&deviations)?;
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    let std = if values.len() > 1 { (squares / (count - 1.0)).sqrt() } else { 0.0 };
    Some(ChannelStatistics {
        count: values.len(),
        mean: rounded(mean),
        std: rounded(std),
        min: rounded(values.iter().copied().fold(f64::INFINITY, f64::min)),
        max: rounded(values.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
        median: rounded(median),
        mad: rounded(mad),
        slope_per_hour: rounded(slope(points, mean)),
    })
}

/// Six decimals, and never a negative zero.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6 + 0.0
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(*upper);
    }
    let lower = sorted.get(sorted.len() / 2 - 1)?;
    Some((lower + upper) / 2.0)
}

fn slope(points: &[(f64, f64)], mean_value: f64) -> f64 {
    let mean_hours = points.iter().map(|(hours, _)| hours).sum::<f64>() / points.len() as f64;
    let (mut covariance, mut variance) = (0.0, 0.0);
    for (hours, value) in points {
        covariance += (hours - mean_hours) * (value - mean_value);
        variance += (hours - mean_hours) * (hours - mean_hours);
    }
    if variance > 0.0 { covariance / variance } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worked_by_hand() {
        let points = [(0.0, 1.0), (1.0, 3.0), (2.0, 5.0), (3.0, 11.0)];
        let got = of_points(&points).unwrap();
        assert_eq!((got.count, got.mean, got.median), (4, 5.0, 4.0));
        assert_eq!((got.min, got.max, got.mad), (1.0, 11.0, 2.0));
        assert_eq!(got.std, rounded((56.0_f64 / 3.0).sqrt()));
        assert_eq!(got.slope_per_hour, 3.2);
    }

    #[test]
    fn degenerate_windows() {
        assert_eq!(of_points(&[]), None);
        let one = of_points(&[(0.0, -0.0)]).unwrap();
        assert_eq!((one.std, one.mad, one.slope_per_hour), (0.0, 0.0, 0.0));
        assert!(one.min.is_sign_positive());
    }
}
