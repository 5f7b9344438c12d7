//! Why a stage refused its input; the text becomes the task's `{"error": …}`.
//!
//! Written by hand so that the wasm modules depend on nothing but serde.

use std::fmt;

/// A refusal. Its text says what was wrong, where, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppError {
    /// Input that is not the JSON object this stage reads.
    Malformed {
        /// Which part of the input.
        part: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A stage got more or fewer documents than it works on.
    DocumentCount {
        /// Documents found in `inputs` or `data`.
        found: usize,
        /// The most this stage takes.
        at_most: usize,
    },
    /// A window with more readings than [`READINGS_MAX`](crate::reading::READINGS_MAX).
    TooManyReadings {
        /// Readings in the window.
        found: usize,
        /// The bound.
        at_most: usize,
    },
    /// Nothing was left of a window after cleaning.
    NoUsableReading {
        /// Readings before cleaning.
        received: usize,
    },
    /// A workflow parameter this stage doesn't know or can't use.
    Parameter {
        /// What is wrong with which parameter.
        detail: String,
    },
    /// Standard input could not be read or was larger than the bound.
    Input {
        /// What happened.
        detail: String,
    },
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { part, detail } => write!(f, "{part}: {detail}"),
            Self::DocumentCount { found: 0, .. } => {
                write!(f, "nothing to work on: neither `inputs` nor `data` holds an object")
            }
            Self::DocumentCount { found, at_most } => write!(
                f,
                "{found} documents in the input, at most {at_most} are taken: \
                 give each window its own request"
            ),
            Self::TooManyReadings { found, at_most } => write!(
                f,
                "{found} readings in one window, at most {at_most} are taken: send smaller windows"
            ),
            Self::NoUsableReading { received } => write!(
                f,
                "no usable reading among {received}: check the sensor's timestamps and values"
            ),
            Self::Parameter { detail } => write!(f, "params: {detail}"),
            Self::Input { detail } => write!(f, "standard input: {detail}"),
        }
    }
}

impl std::error::Error for AppError {}
