//! Durations as people write them: `500ms`, `10s`, `2m`, `1h`; whole numbers only.

use std::time::Duration;

/// A text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{got:?} is not a duration: write a whole number and a unit, as in 500ms, 10s, 2m or 1h")]
pub struct DurationError {
    /// What was given, cut to 40 characters.
    pub got: String,
}

/// Reads a duration.
///
/// # Errors
/// [`DurationError`].
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let error = || DurationError { got: text.chars().take(40).collect() };
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| error())?;
    let factor_ms = match unit.trim_start() {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err(error()),
    };
    number.checked_mul(factor_ms).map(Duration::from_millis).ok_or_else(error)
}

/// Writes milliseconds as [`parse`] reads them, in the largest unit that leaves no rest.
#[must_use]
pub fn text(millis: u64) -> String {
    let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let unit = units.into_iter().find(|(factor, _)| millis > 0 && millis.is_multiple_of(*factor));
    unit.map_or_else(
        || format!("{millis}ms"),
        |(factor, unit)| format!("{}{unit}", millis / factor),
    )
}

#[cfg(test)]
mod tests {
    use super::{parse, text};

    #[test]
    fn what_is_written_reads_back() {
        for (ms, want) in
            [(0, "0ms"), (999, "999ms"), (2_500, "2500ms"), (60_000, "1m"), (86_400_000, "24h")]
        {
            assert_eq!(text(ms), want);
            assert_eq!(parse(want).unwrap().as_millis(), u128::from(ms));
        }
    }

    #[test]
    fn whole_numbers_with_a_unit() {
        let table = [("500ms", 500), ("10s", 10_000), (" 2 m ", 120_000), ("1h", 3_600_000)];
        for (text, want_ms) in table {
            assert_eq!(parse(text).unwrap().as_millis(), want_ms, "{text}");
        }
        for bad in ["", "10", "s", "-1s", "1.5s", "10 parsecs", "99999999999999999999s"] {
            let error = parse(bad).unwrap_err().to_string();
            assert!(error.contains("500ms"), "{bad}: {error}");
        }
        assert!(parse("18446744073709551615h").is_err());
    }
}
