//! What only a host needs: windows of readings from a CSV file, and the built modules.
//!
//! A CSV has a header row with `timestamp`, one temperature column (`temperature_c`,
//! `temperature_f`, or `value`, which is °F as in the Numenta Anomaly Benchmark) and
//! optionally `humidity` in percent. Other columns are ignored. A plain `temperature` is
//! refused, since it names no unit. A value may be missing, but one that is there must be a
//! finite number, and every timestamp must be readable: a whole file of the wrong form shall
//! not look like data that was cleaned away. Line numbers in errors count from 1, the header
//! included; what a file holds is quoted cut to [`QUOTED_CHARS_MAX`] characters.

use crate::{
    reading::{READINGS_MAX, Reading, Unit, Window},
    time,
};
use std::io::Read;

/// The built `process-sensor-data` module.
pub const PROCESS_SENSOR_DATA: &[u8] = include_bytes!("../../modules/process-sensor-data.wasm");
/// The built `detect-anomalies` module.
pub const DETECT_ANOMALIES: &[u8] = include_bytes!("../../modules/detect-anomalies.wasm");
/// The built `generate-alerts` module.
pub const GENERATE_ALERTS: &[u8] = include_bytes!("../../modules/generate-alerts.wasm");

/// The three applications' names and modules, in the workflow's order.
pub const MODULES: [(&str, &[u8]); 3] = [
    ("process-sensor-data", PROCESS_SENSOR_DATA),
    ("detect-anomalies", DETECT_ANOMALIES),
    ("generate-alerts", GENERATE_ALERTS),
];

/// Most characters of a file that an error quotes.
pub const QUOTED_CHARS_MAX: usize = 60;

fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(QUOTED_CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// A CSV that gives no windows.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// The file can't be read as CSV.
    #[error("line {line}: {detail}")]
    Malformed {
        /// The line, from 1.
        line: u64,
        /// What the reader found.
        detail: String,
    },
    /// A column is missing.
    #[error("line 1: no column {missing}; the header has {found}")]
    Column {
        /// What is needed.
        missing: &'static str,
        /// The columns that are there, comma separated and cut.
        found: String,
    },
    /// A timestamp that can't be read.
    #[error("line {line}: timestamp is {got:?}, expected one like 2026-01-31 13:45:00")]
    Timestamp {
        /// The line, from 1.
        line: u64,
        /// What stands there.
        got: String,
    },
    /// A field is no number.
    #[error("line {line}: {column} is {got:?}, expected a finite number")]
    Number {
        /// The line, from 1.
        line: u64,
        /// The column.
        column: String,
        /// What stands there.
        got: String,
    },
    /// The file has a header and nothing below it.
    #[error("line 2: no reading; the file has only a header")]
    Empty,
    /// The window length is out of bounds.
    #[error("{got} readings per window: use 1 to {READINGS_MAX}")]
    WindowLength {
        /// What was asked for.
        got: usize,
    },
}

struct Columns {
    timestamp: usize,
    temperature: usize,
    humidity: Option<usize>,
    unit: Unit,
}

impl Columns {
    fn of(header: &csv::StringRecord) -> Result<Self, CsvError> {
        let names: Vec<String> =
            header.iter().map(|n| n.trim().trim_start_matches('\u{feff}').to_lowercase()).collect();
        let at = |name: &str| names.iter().position(|n| n == name);
        let missing = |missing| CsvError::Column { missing, found: cut(&names.join(", ")) };
        let (temperature, unit) = match (at("temperature_c"), at("temperature_f"), at("value")) {
            (Some(column), _, _) => (column, Unit::C),
            (_, Some(column), _) | (_, _, Some(column)) => (column, Unit::F),
            _ => return Err(missing("temperature_c, temperature_f or value (°F)")),
        };
        Ok(Self {
            timestamp: at("timestamp").ok_or_else(|| missing("timestamp"))?,
            temperature,
            humidity: at("humidity"),
            unit,
        })
    }

    fn reading(
        &self,
        row: &csv::StringRecord,
        header: &csv::StringRecord,
    ) -> Result<Reading, CsvError> {
        let line = row.position().map_or(0, csv::Position::line);
        let number = |column: usize| -> Result<Option<f64>, CsvError> {
            let text = row.get(column).unwrap_or("").trim();
            if text.is_empty() {
                return Ok(None);
            }
            let finite = text.parse().ok().filter(|value: &f64| value.is_finite());
            finite.map(Some).ok_or_else(|| CsvError::Number {
                line,
                column: cut(header.get(column).unwrap_or("").trim()),
                got: cut(text),
            })
        };
        let timestamp = row.get(self.timestamp).unwrap_or("").trim().to_owned();
        if time::parse(&timestamp).is_none() {
            return Err(CsvError::Timestamp { line, got: cut(&timestamp) });
        }
        Ok(Reading {
            timestamp,
            temperature: number(self.temperature)?,
            humidity: self.humidity.map_or(Ok(None), number)?,
        })
    }
}

/// Reads a CSV into windows of `per_window` readings, in the file's order; the last window
/// may be shorter.
///
/// # Errors
/// [`CsvError`] with the line where the file is not as described above.
pub fn windows_from_csv(reader: impl Read, per_window: usize) -> Result<Vec<Window>, CsvError> {
    if !(1..=READINGS_MAX).contains(&per_window) {
        return Err(CsvError::WindowLength { got: per_window });
    }
    let malformed = |error: csv::Error| CsvError::Malformed {
        line: error.position().map_or(1, csv::Position::line),
        detail: error.to_string(),
    };
    let mut csv = csv::Reader::from_reader(reader);
    let header = csv.headers().map_err(malformed)?.clone();
    let columns = Columns::of(&header)?;
    let readings = csv
        .records()
        .map(|row| columns.reading(&row.map_err(malformed)?, &header))
        .collect::<Result<Vec<Reading>, CsvError>>()?;
    if readings.is_empty() {
        return Err(CsvError::Empty);
    }
    let window = |readings: &[Reading]| Window {
        sensor: "csv".to_owned(),
        unit: columns.unit,
        readings: readings.to_vec(),
    };
    Ok(readings.chunks(per_window).map(window).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        windows_from_csv(text.as_bytes(), 30).unwrap_err().to_string()
    }

    #[test]
    fn windows_keep_order_and_unit() {
        let text = "timestamp,value\n2013-07-04 00:00:00,69.88\n2013-07-04 01:00:00,\n\
                    2013-07-04 02:00:00,71\n";
        let windows = windows_from_csv(text.as_bytes(), 2).unwrap();
        assert_eq!(windows.len(), 2);
        assert_eq!(windows[0].unit, Unit::F);
        assert_eq!(windows[0].readings[1].temperature, None);
        assert_eq!(windows[1].readings[0].temperature, Some(71.0));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        assert!(refused("time,value\n").contains("no column timestamp"));
        assert!(refused("timestamp,temperature\n").contains("temperature_c"));
        assert!(refused("timestamp,value\n").contains("no reading"));
        assert!(refused("timestamp,value\na,1,2\n").contains("line 2"));
        let good = "2026-01-01 00:00:00,1,50";
        for (row, part) in [
            ("2026-01-01 00:00:00,warm,", "value is \"warm\""),
            ("2026-01-01 00:00:00,NaN,", "value is \"NaN\""),
            ("2026-01-01 00:00:00,-inf,", "value is \"-inf\""),
            ("2026-01-01 00:00:00,1e999,", "value is \"1e999\""),
            ("2026-01-01 00:00:00,1,infinity", "humidity is \"infinity\""),
            ("yesterday,1,", "timestamp is \"yesterday\""),
            ("2026-13-01 00:00:00,1,", "timestamp is \"2026-13-01"),
            (",1,", "timestamp is \"\""),
        ] {
            let message = refused(&format!("timestamp,value,humidity\n{good}\n{row}\n"));
            assert!(message.contains("line 3") && message.contains(part), "{row}: {message}");
        }
    }

    #[test]
    fn a_file_is_not_echoed() {
        let message = refused(&format!("{}\n1\n", "x".repeat(10_000)));
        assert!(message.contains("no column") && message.len() < 200, "{message}");
        let message = refused(&format!("timestamp,value\n{},1\n", "9".repeat(10_000)));
        assert!(message.contains("line 2") && message.len() < 200, "{message}");
        assert!(windows_from_csv(&b""[..], 0).unwrap_err().to_string().contains("0 readings"));
    }
}
