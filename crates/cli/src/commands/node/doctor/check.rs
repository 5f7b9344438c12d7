//! One finding: what was looked at, how it is, and what to do.

use serde::Serialize;

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// The node works, but not as well as it could, or not for long.
    Warning,
    /// The node does not work, or will not start.
    Problem,
}

impl Level {
    /// For people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "PROBLEM",
        }
    }
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub check: &'static str,
    /// How it is.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// What to do about it; nothing where it is as it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Check {
    /// As it should be.
    pub fn ok(check: &'static str, found: impl ToString) -> Self {
        Self { check, level: Level::Ok, found: found.to_string(), advice: None }
    }

    /// Not as it should be, but it works.
    pub fn warning(check: &'static str, found: impl ToString, advice: impl ToString) -> Self {
        let advice = Some(advice.to_string());
        Self { check, level: Level::Warning, found: found.to_string(), advice }
    }

    /// It does not work.
    pub fn problem(check: &'static str, found: impl ToString, advice: impl ToString) -> Self {
        let advice = Some(advice.to_string());
        Self { check, level: Level::Problem, found: found.to_string(), advice }
    }
}
