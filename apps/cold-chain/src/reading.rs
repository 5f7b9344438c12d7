//! A window of sensor readings: the request's data, and how it is read from JSON.
//!
//! Reading is lenient about values, which is what cleaning is for (`null`, `""` and absent
//! are missing; `"NaN"` and the like are non-finite), and strict about shape: a wrong type
//! is refused with the index of the reading. Fields a sensor adds are ignored.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::AppError;

/// The most readings in one window.
pub const READINGS_MAX: usize = 4096;
/// The longest sensor name, in bytes.
pub const SENSOR_BYTES_MAX: usize = 128;

/// The unit of a window's temperatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Degrees Celsius.
    C,
    /// Degrees Fahrenheit.
    F,
}

impl Unit {
    /// A temperature *difference* of `kelvin` in this unit.
    #[must_use]
    pub fn difference(self, kelvin: f64) -> f64 {
        match self {
            Self::C => kelvin,
            Self::F => kelvin * 1.8,
        }
    }

    /// A temperature of this unit in °C.
    #[must_use]
    pub fn to_celsius(self, degrees: f64) -> f64 {
        match self {
            Self::C => degrees,
            Self::F => (degrees - 32.0) / 1.8,
        }
    }

    /// How the unit is written after a number.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::C => "°C",
            Self::F => "°F",
        }
    }
}

/// One reading as a sensor sends it, values still unchecked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// `YYYY-MM-DD HH:MM:SS`; empty if the sensor gave none.
    #[serde(default)]
    pub timestamp: String,
    /// In the window's unit; `None` if missing, NaN if the sensor said so.
    #[serde(default, deserialize_with = "measured")]
    pub temperature: Option<f64>,
    /// Relative humidity in percent, for sensors that have it.
    #[serde(default, deserialize_with = "measured", skip_serializing_if = "Option::is_none")]
    pub humidity: Option<f64>,
}

/// A window of readings: what a device sends as a request's data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Window {
    /// The sensor's name.
    pub sensor: String,
    /// The unit of all its temperatures.
    pub unit: Unit,
    /// The readings, in any order.
    pub readings: Vec<Reading>,
}

#[derive(Deserialize)]
struct WindowShape {
    sensor: String,
    unit: Unit,
    readings: Vec<Value>,
}

impl Window {
    /// Reads a window from a request's data.
    ///
    /// # Errors
    /// When the shape is wrong (naming the reading), or a bound is exceeded.
    pub fn from_json(document: &Value) -> Result<Self, AppError> {
        let shape = WindowShape::deserialize(document).map_err(|error| AppError::Malformed {
            part: "window".to_owned(),
            detail: format!(
                "{error}; expected {{\"sensor\": \"…\", \"unit\": \"C\" or \"F\", \"readings\": […]}}"
            ),
        })?;
        if shape.sensor.is_empty() || shape.sensor.len() > SENSOR_BYTES_MAX {
            return Err(AppError::Malformed {
                part: "sensor".to_owned(),
                detail: format!("expected a name of 1 to {SENSOR_BYTES_MAX} bytes"),
            });
        }
        if shape.readings.len() > READINGS_MAX {
            return Err(AppError::TooManyReadings {
                found: shape.readings.len(),
                at_most: READINGS_MAX,
            });
        }
        let readings = shape
            .readings
            .iter()
            .enumerate()
            .map(|(index, value)| {
                let refuse =
                    |detail| AppError::Malformed { part: format!("readings[{index}]"), detail };
                if !value.is_object() {
                    let found = crate::command::kind(value);
                    return Err(refuse(format!("expected an object, found {found}")));
                }
                Reading::deserialize(value).map_err(|error| refuse(error.to_string()))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { sensor: shape.sensor, unit: shape.unit, readings })
    }
}

/// A number, or how loggers write the lack of one.
fn measured<'de, D: Deserializer<'de>>(source: D) -> Result<Option<f64>, D::Error> {
    let value = Value::deserialize(source)?;
    match &value {
        Value::Null => return Ok(None),
        Value::Number(number) => return Ok(number.as_f64()),
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::String(text) if not_finite(text.trim()) => return Ok(Some(f64::NAN)),
        _ => {}
    }
    Err(serde::de::Error::custom(format_args!("expected a number or null, found {value}")))
}

/// By name, since parsing numbers from text would add a tenth to the module.
fn not_finite(text: &str) -> bool {
    let name = text.trim_start_matches(['+', '-']);
    ["nan", "inf", "infinity"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lack_of_a_value_is_told_from_a_wrong_type() {
        let window = Window::from_json(&json!({"sensor": "s", "unit": "C", "readings": [
            {"timestamp": "t", "temperature": 1, "battery": 3},
            {"timestamp": "t", "temperature": null},
            {"timestamp": "t", "temperature": "NaN"},
            {"temperature": ""},
        ]}))
        .unwrap();
        let values: Vec<_> = window.readings.iter().map(|r| r.temperature).collect();
        assert_eq!(values[..2], [Some(1.0), None]);
        assert!(values[2].unwrap().is_nan());
        assert_eq!(values[3], None);
    }

    #[test]
    fn wrong_shapes_say_where() {
        for (document, part) in [
            (json!(7), "window: "),
            (json!({"sensor": "s", "unit": "K", "readings": []}), "unknown variant `K`"),
            (json!({"unit": "C", "readings": []}), "missing field `sensor`"),
            (json!({"sensor": "", "unit": "C", "readings": []}), "sensor: "),
            (
                json!({"sensor": "s", "unit": "C", "readings": [{}, {"temperature": "12"}]}),
                "readings[1]: ",
            ),
            (json!({"sensor": "s", "unit": "C", "readings": [{"timestamp": 5}]}), "readings[0]: "),
            (json!({"sensor": "s", "unit": "C", "readings": [["t", 5]]}), "found an array"),
            (
                json!({"sensor": "s", "unit": "C", "readings": vec![json!({}); READINGS_MAX + 1]}),
                "4097 readings",
            ),
        ] {
            let error = Window::from_json(&document).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_window_comes_back_from_its_own_json() {
        let window = crate::simulate(1, 0, 20);
        let text = serde_json::to_value(&window).unwrap();
        assert_eq!(Window::from_json(&text).unwrap(), window);
    }
}
