//! The answer of a command, in the form that `-o` names.

use crate::failure::{Done, Failure};
use clap::ValueEnum;
use serde::Serialize;
use std::io::{ErrorKind, Write as _};

/// Form of a command's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON value.
    Json,
    /// The same value as YAML.
    Yaml,
}

/// Prints answers in one form.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    format: Format,
}

impl Printer {
    /// A printer of a form.
    pub const fn new(format: Format) -> Self {
        Self { format }
    }

    /// Whether the answer is for people.
    pub fn for_people(self) -> bool {
        self.format == Format::Table
    }

    /// Prints the answer: `value` for programs, what `human` makes of it for people.
    pub fn answer<T: Serialize>(self, value: &T, human: impl FnOnce(&T) -> String) -> Done {
        let text = match self.format {
            Format::Table => human(value),
            Format::Json => serde_json::to_string_pretty(value)
                .map_err(|e| Failure::failed(format!("the answer is no JSON: {e}")))?,
            Format::Yaml => serde_saphyr::to_string(value)
                .map_err(|e| Failure::failed(format!("the answer is no YAML: {e}")))?,
        };
        self.line(&text)
    }

    /// Prints one value of a stream: a line for people, or one line of JSON (a document of
    /// YAML) for programs.
    pub fn item<T: Serialize>(self, value: &T, human: impl FnOnce(&T) -> String) -> Done {
        match self.format {
            Format::Json => {
                let text = serde_json::to_string(value)
                    .map_err(|e| Failure::failed(format!("the answer is no JSON: {e}")))?;
                self.line(&text)
            }
            Format::Yaml => {
                self.line("---")?;
                self.answer(value, human)
            }
            Format::Table => self.answer(value, human),
        }
    }

    /// A line for people on the way to the answer: programs don't see it.
    pub fn note(self, text: &str) -> Done {
        if self.for_people() { self.line(text) } else { Ok(()) }
    }

    fn line(self, text: &str) -> Done {
        let mut out = std::io::stdout().lock();
        let written = writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush());
        written.map_err(|e| match e.kind() {
            ErrorKind::BrokenPipe => Failure::reader_gone(),
            _ => Failure::failed(format!("can't write the answer: {e}")),
        })
    }
}
