//! How a command ends when it does not succeed.
//!
//! Exit codes: 0 done, 1 the thing asked for did not work out (a node is down, the ledger
//! refused, a request failed), 2 the command or a file it was given is wrong. Nothing was
//! changed when a command ends with 2.
//!
//! What a user reads says what was wrong, where, and what to do.

use std::{fmt::Display, io::ErrorKind, path::Path, process::ExitCode};
use trustmesh_client::ClientError;
use trustmesh_types::ids::NameError;

/// Why a command ends.
#[derive(Debug)]
pub struct Failure {
    what: String,
    advice: Option<String>,
    code: u8,
}

/// What a command gives back.
pub type Done<T = ()> = Result<T, Failure>;

impl Failure {
    /// What was asked for did not work out.
    pub fn failed(what: impl Display) -> Self {
        Self { what: what.to_string(), advice: None, code: 1 }
    }

    /// The command line or a file it names is wrong.
    pub fn usage(what: impl Display) -> Self {
        Self { what: what.to_string(), advice: None, code: 2 }
    }

    /// A file could not be read.
    pub fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        let failure = Self::usage(format!("can't read {}: {error}", path.display()));
        failure.advise_on(error.kind(), path)
    }

    /// A file could not be written.
    pub fn unwritable(path: &Path, error: &std::io::Error) -> Self {
        let failure = Self::failed(format!("can't write {}: {error}", path.display()));
        failure.advise_on(error.kind(), path)
    }

    /// What helps against the commonest refusals of the operating system.
    fn advise_on(self, kind: ErrorKind, path: &Path) -> Self {
        match kind {
            ErrorKind::NotFound if path.is_relative() => {
                self.advise("check the name; it is looked up from the folder you are in")
            }
            ErrorKind::NotFound => self.advise("check the name and that its folder exists"),
            ErrorKind::PermissionDenied => {
                self.advise("check the file's mode and owner, and those of its folder")
            }
            ErrorKind::IsADirectory => self.advise("name a file, not a folder"),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                self.advise("make room on that disk, or choose another folder")
            }
            ErrorKind::ReadOnlyFilesystem => self.advise("choose a folder that can be written"),
            _ => self,
        }
    }

    /// Whoever read our output has gone: no reason to say anything.
    pub fn reader_gone() -> Self {
        Self { what: String::new(), advice: None, code: 0 }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn advise(mut self, advice: impl Display) -> Self {
        self.advice = Some(advice.to_string());
        self
    }

    /// Says where it happened.
    #[must_use]
    pub fn at(mut self, place: impl Display) -> Self {
        self.what = format!("{place}: {}", self.what);
        self
    }

    /// Tells the user, and gives the exit code.
    pub fn report(&self) -> ExitCode {
        if !self.what.is_empty() {
            eprintln!("error: {}", self.what);
        }
        if let Some(advice) = &self.advice {
            eprintln!("  try: {advice}");
        }
        ExitCode::from(self.code)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::failed(error)
    }
}

impl From<NameError> for Failure {
    fn from(error: NameError) -> Self {
        Self::usage(error)
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_comes_with_what_to_do() {
        let error = std::io::Error::from(ErrorKind::NotFound);
        let failure = Failure::unreadable(Path::new("data.json"), &error);
        assert!(failure.to_string().contains("data.json"));
        assert!(failure.advice.is_some_and(|advice| advice.contains("the folder you are in")));
    }
}
