//! What an application writes (DESIGN, "What an application is"): `{"data": …}` is a result,
//! `{"error": "…"}` an error of its own, all else a mistake.
//!
//! Invariant: parsing takes bounded memory. JSON values take far more memory than text, so
//! text that would swell beyond the bound is refused before it is parsed.

use crate::text::shorten;
use bytes::Bytes;
use serde_json::Value;
use trustmesh_types::canonical::to_canonical;

/// Most memory that a parsed output may take, about.
const PARSED_BYTES_MAX: usize = 128 * 1024 * 1024;
/// About what one value takes besides its text.
const VALUE_BYTES: usize = 40;
/// About what one entry of an object takes: its key and its share of a map's node.
const ENTRY_BYTES: usize = 96;
/// About what one object takes: a map's first node.
const OBJECT_BYTES: usize = 640;

/// What is wrong with an output.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The application's own error.
    App(String),
    /// It is not what an application writes.
    Bad(String),
}

/// Canonical JSON of the `data` that was written.
pub(crate) fn read(written: &[u8]) -> Result<Bytes, Problem> {
    let bad = |reason: String| Problem::Bad(shorten(reason));
    if written.trim_ascii().is_empty() {
        return Err(bad("nothing was written, expected {\"data\": …}".to_owned()));
    }
    let parsed_bytes = parsed_bytes(written);
    if parsed_bytes > PARSED_BYTES_MAX {
        return Err(bad(format!(
            "it would take about {parsed_bytes} bytes in memory, at most {PARSED_BYTES_MAX} are \
             allowed: write fewer, larger values"
        )));
    }
    let value: Value = serde_json::from_slice(written)
        .map_err(|error| bad(format!("what was written is not JSON: {error}")))?;
    let Value::Object(mut object) = value else {
        return Err(
            bad("what was written is not a JSON object, expected {\"data\": …}".to_owned()),
        );
    };
    match object.remove("error") {
        None | Some(Value::Null) => {}
        Some(Value::String(message)) => return Err(Problem::App(shorten(message))),
        Some(other) => return Err(Problem::App(shorten(other.to_string()))),
    }
    let data = object
        .remove("data")
        .ok_or_else(|| bad("the object has neither \"data\" nor \"error\"".to_owned()))?;
    let canonical = to_canonical(&data).map_err(|error| bad(error.to_string()))?;
    Ok(Bytes::from(canonical))
}

/// About what `text` takes when parsed: its strings and, by the signs between them, its values.
fn parsed_bytes(text: &[u8]) -> usize {
    let (mut bytes, mut in_string, mut escaped) = (text.len(), false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' => bytes = bytes.saturating_add(OBJECT_BYTES),
            b':' => bytes = bytes.saturating_add(ENTRY_BYTES),
            b',' | b'[' => bytes = bytes.saturating_add(VALUE_BYTES),
            _ => {}
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_means() {
        let data = |text: &str| read(text.as_bytes()).map(|data| data.to_vec());
        assert_eq!(data("{\"data\": [2, 1.0]}\n").unwrap(), b"[2,1]");
        assert_eq!(data(r#"{"data": {"b": 1.50, "a": []}}"#).unwrap(), br#"{"a":[],"b":1.5}"#);
        assert_eq!(data(r#"{"data": null, "error": null}"#).unwrap(), b"null");
        assert_eq!(data(r#"{"error": "why"}"#), Err(Problem::App("why".to_owned())));
        assert_eq!(data(r#"{"data": 1, "error": [1]}"#), Err(Problem::App("[1]".to_owned())));
        for (text, part) in [
            ("", "nothing was written"),
            (" \n", "nothing was written"),
            ("[1]", "not a JSON object"),
            ("{}", "neither"),
            ("{\"data\": 1} {}", "trailing characters at line 1 column 13"),
            ("{\"data\": \n nan}", "line 2"),
            ("\u{feff}{\"data\": 1}", "not JSON"),
        ] {
            match data(text) {
                Err(Problem::Bad(reason)) => assert!(reason.contains(part), "{text}: {reason}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_long_error_is_cut() {
        let text = format!(r#"{{"error": "{}"}}"#, "é".repeat(10_000));
        let Err(Problem::App(message)) = read(text.as_bytes()) else { panic!("no error") };
        assert!(message.len() <= 512 && message.ends_with('…'), "{message}");
    }

    #[test]
    fn text_that_would_swell_is_refused_before_parsing() {
        let entries = vec![r#"{"a":0}"#; 500_000].join(",");
        let result = read(format!(r#"{{"data":[{entries}]}}"#).as_bytes());
        assert!(matches!(result, Err(Problem::Bad(reason)) if reason.contains("in memory")));
        let text = format!(r#"{{"data":"{}"}}"#, "{[:,\\\"".repeat(500_000));
        assert!(read(text.as_bytes()).is_ok(), "signs within strings are text");
    }
}
