//! Why an expression is no policy. Every text says what is wrong, where, and what to write
//! instead.

/// Why an expression is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A size over its limit.
    #[error("the expression has {what} {got}, at most {max} is allowed; split the policy")]
    TooLarge {
        /// What is too large, before the number.
        what: &'static str,
        /// Its size.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// Nothing there.
    #[error(
        "the expression is empty; write one that must be true, as in `node.arch == \"x86_64\"`"
    )]
    Empty,
    /// A character that policies don't have.
    #[error("line {line}, column {column}: {what}")]
    Text {
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong there.
        what: String,
    },
    /// It is no CEL expression.
    #[error("line {line}, column {column}: {what}")]
    Syntax {
        /// Line, from 1; 0 when the parser does not know.
        line: usize,
        /// Column, from 1; 0 when the parser does not know.
        column: usize,
        /// What the parser found.
        what: String,
    },
    /// CEL, but more than policies may use.
    #[error("{what} can't be used in a policy; {instead}")]
    Unsupported {
        /// What.
        what: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// A name that there is none of.
    #[error("there is no {what} `{name}`{place}; there are: {known}")]
    Unknown {
        /// Variable, field or function.
        what: &'static str,
        /// The name, cut to 80 characters.
        name: String,
        /// Where it was looked for, with a blank before it; may be empty.
        place: String,
        /// The names there are, comma separated.
        known: String,
    },
    /// Types that don't go together.
    #[error("{what}")]
    Type {
        /// What takes which types, and which it got.
        what: String,
    },
    /// The message is empty, too long or not one line.
    #[error("the message {what}; say in one line of at most {max} bytes what a plan must keep to")]
    Message {
        /// What is wrong.
        what: &'static str,
        /// Longest message.
        max: usize,
    },
}

impl PolicyError {
    pub(crate) fn unsupported(what: impl Into<String>, instead: &'static str) -> Self {
        Self::Unsupported { what: what.into(), instead }
    }

    pub(crate) fn types(what: impl Into<String>) -> Self {
        Self::Type { what: what.into() }
    }
}

/// A name in a message, cut.
pub(crate) fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}
