//! Files as operators write them: YAML, or JSON, read strictly. An error says where.

use serde::de::DeserializeOwned;

/// A text does not parse, or has a field that there is none of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct SyntaxError {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What the parser found.
    pub what: String,
}

/// Whether a text is JSON: an object, by its first sign.
pub(crate) fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// Reads a file in one of the two forms.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, SyntaxError> {
    if is_json(text) { from_json(text) } else { from_yaml(text) }
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, SyntaxError> {
    serde_json::from_str(text).map_err(|e| SyntaxError {
        line: e.line(),
        column: e.column(),
        what: without_place(&e.to_string()),
    })
}

fn from_yaml<T: DeserializeOwned>(text: &str) -> Result<T, SyntaxError> {
    serde_saphyr::from_str(text).map_err(|e| {
        let location = e.location();
        SyntaxError {
            line: location.map_or(1, |l| usize::try_from(l.line()).unwrap_or(1)),
            column: location.map_or(1, |l| usize::try_from(l.column()).unwrap_or(1)),
            what: without_place(&e.without_snippet().to_string()),
        }
    })
}

/// The parsers' messages end with the place, which we say in our own way.
fn without_place(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    let end = first.rfind(" at line ").unwrap_or(first.len());
    first.get(..end).unwrap_or(first).to_owned()
}
