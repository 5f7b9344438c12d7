//! An application's contract with the mesh: one JSON object on stdin, one on stdout.
//!
//! Source: DESIGN "What an application is". A refusal is an answer too: it is written as
//! `{"error": …}` and the process ends with code 0; only a broken stdout gives code 1.
//! Input is read up to [`INPUT_BYTES_MAX`].

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::AppError;

/// The most bytes of standard input an application reads.
pub const INPUT_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// What a task gets: the request's or the predecessors' data, and the workflow's parameters.
/// Other fields (`total_task_time`, …) are of no use to these applications.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Envelope {
    /// The request's data for a source task, otherwise the predecessors' outputs together.
    #[serde(default)]
    pub data: Value,
    /// The predecessors' outputs apart, by task name; empty for a source task.
    #[serde(default)]
    pub inputs: BTreeMap<String, Value>,
    /// The task's `params` from the workflow.
    #[serde(default)]
    pub params: Value,
}

impl Envelope {
    /// The documents to work on: `inputs` in order of task name if there are any, else
    /// `data`. An array counts as its elements.
    ///
    /// # Errors
    /// When there is none, or more than `at_most`.
    pub fn documents(&self, at_most: usize) -> Result<Vec<&Value>, AppError> {
        let mut found = Vec::new();
        if self.inputs.is_empty() {
            flatten(&self.data, &mut found);
        } else {
            for value in self.inputs.values() {
                flatten(value, &mut found);
            }
        }
        // Checked here because serde would take an array for a struct's fields in order.
        if let Some(other) = found.iter().find(|value| !value.is_object()) {
            return Err(AppError::Malformed {
                part: "data".to_owned(),
                detail: format!("expected an object, found {}", kind(other)),
            });
        }
        if found.is_empty() || found.len() > at_most {
            return Err(AppError::DocumentCount { found: found.len(), at_most });
        }
        Ok(found)
    }

    /// The single document of a stage that works on one window.
    ///
    /// # Errors
    /// When there is none or more than one.
    pub fn document(&self) -> Result<&Value, AppError> {
        let found = self.documents(1)?;
        found.first().copied().ok_or(AppError::DocumentCount { found: 0, at_most: 1 })
    }

    /// The parameters as `T`; absent ones are read as an empty object.
    ///
    /// # Errors
    /// When a name is unknown or a value has the wrong type.
    pub fn params<'a, T: Deserialize<'a> + Default>(&'a self) -> Result<T, AppError> {
        match &self.params {
            Value::Null => Ok(T::default()),
            given if !given.is_object() => Err(AppError::Parameter {
                detail: format!("expected an object, found {}", kind(given)),
            }),
            given => T::deserialize(given)
                .map_err(|error| AppError::Parameter { detail: error.to_string() }),
        }
    }
}

/// The parameters of a stage that has none: anything given is a mistake worth naming.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParams {}

fn flatten<'a>(value: &'a Value, into: &mut Vec<&'a Value>) {
    match value {
        Value::Null => {}
        Value::Array(elements) => into.extend(elements),
        other => into.push(other),
    }
}

pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Answers one input text with the text to write: `{"data": …}` or `{"error": …}`.
pub fn answer<T: Serialize>(input: &[u8], stage: fn(&Envelope) -> Result<T, AppError>) -> String {
    let written = envelope(input).and_then(|envelope| stage(&envelope)).and_then(|data| {
        serde_json::to_string(&Answer { data }).map_err(|error| AppError::Malformed {
            part: "output".to_owned(),
            detail: error.to_string(),
        })
    });
    written.unwrap_or_else(|error| refusal(&error))
}

#[derive(Serialize)]
struct Answer<T> {
    data: T,
}

/// By way of `Value`, whose text can't fail to be written.
fn refusal(error: &AppError) -> String {
    json!({ "error": error.to_string() }).to_string()
}

fn envelope(input: &[u8]) -> Result<Envelope, AppError> {
    let refuse = |problem: String| AppError::Malformed {
        part: "input".to_owned(),
        detail: format!(
            "{problem}; expected {{\"data\": …, \"inputs\": {{…}}, \"params\": {{…}}}}"
        ),
    };
    let value: Value = serde_json::from_slice(input).map_err(|error| refuse(error.to_string()))?;
    if !value.is_object() {
        return Err(refuse(format!("found {}", kind(&value))));
    }
    Envelope::deserialize(&value).map_err(|error| refuse(error.to_string()))
}

/// Runs a stage as a command: the whole `main` of each binary.
pub fn run<T: Serialize>(stage: fn(&Envelope) -> Result<T, AppError>) -> ExitCode {
    let text = match read_input(std::io::stdin().lock()) {
        Ok(input) => answer(&input, stage),
        Err(error) => refusal(&error),
    };
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("standard output: {error}");
            ExitCode::FAILURE
        }
    }
}

fn read_input(source: impl Read) -> Result<Vec<u8>, AppError> {
    let mut input = Vec::new();
    source
        .take(INPUT_BYTES_MAX + 1)
        .read_to_end(&mut input)
        .map_err(|error| AppError::Input { detail: error.to_string() })?;
    if input.len() as u64 > INPUT_BYTES_MAX {
        return Err(AppError::Input {
            detail: format!("larger than {INPUT_BYTES_MAX} bytes: send smaller windows"),
        });
    }
    Ok(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(envelope: &Envelope) -> Result<Value, AppError> {
        envelope.document().cloned()
    }

    #[test]
    fn inputs_come_before_data_and_arrays_count_as_elements() {
        let text = br#"{"data":[{"a":1}],"inputs":{},"params":{},"total_task_time":0.5}"#;
        assert_eq!(answer(text, echo), r#"{"data":{"a":1}}"#);
        let text = br#"{"data":7,"inputs":{"t":{"b":2}}}"#;
        assert_eq!(answer(text, echo), r#"{"data":{"b":2}}"#);
    }

    #[test]
    fn bad_input_is_answered_with_an_error() {
        for (text, part) in [
            (&b"not json"[..], "input: "),
            (b"[1]", "input: "),
            (b"\xff", "input: "),
            (b"{}", "nothing to work on"),
            (br#"{"data":[1,2]}"#, "found a number"),
            (br#"{"data":[{},{}]}"#, "2 documents"),
            (br#"{"data":{},"inputs":[]}"#, "input: "),
        ] {
            let reply: Value = serde_json::from_str(&answer(text, echo)).unwrap();
            assert!(reply["error"].as_str().unwrap().contains(part), "{reply}");
        }
    }

    #[test]
    fn input_over_the_bound_is_refused() {
        let error = read_input(std::io::repeat(b' ')).unwrap_err();
        assert!(error.to_string().contains("larger than"), "{error}");
    }
}
