//! Running the binary.

use serde_json::Value;
use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

/// What a run of the binary gave.
#[derive(Debug)]
pub struct Run {
    /// Its exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Run {
    /// Standard output as JSON, of a run that succeeded.
    pub fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("no JSON ({e}): {self:?}"))
    }

    /// Asserts that it ended well.
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Asserts that it ended with this code and said each of these parts.
    pub fn refused(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for part in parts {
            assert!(self.err.contains(part), "{part:?} is not in {self:?}");
        }
        assert!(!self.err.contains("panicked"), "{self:?}");
    }
}

/// Runs the binary where no context is.
pub fn trustmesh(args: &[&str]) -> Run {
    trustmesh_in(&std::env::temp_dir(), args)
}

/// Runs the binary in a folder.
pub fn trustmesh_in(folder: &Path, args: &[&str]) -> Run {
    trustmesh_fed(folder, args, "")
}

/// Runs the binary in a folder, with something on its standard input.
pub fn trustmesh_fed(folder: &Path, args: &[&str], input: &str) -> Run {
    trustmesh_under(&[], folder, args, input)
}

/// The same under another program, whose words come first.
pub fn trustmesh_under(program: &[String], folder: &Path, args: &[&str], input: &str) -> Run {
    let exe = env!("CARGO_BIN_EXE_trustmesh").to_owned();
    let mut words = program.iter().cloned().chain([exe]);
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words).args(args).current_dir(folder);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TRUSTMESH_")) {
        command.env_remove(name);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // A command that does not read its input may be gone before it is written.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("the binary ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Says that a test did not test anything. The harness counts it as passed and keeps what the
/// print macros say of such tests to itself, so this goes past them.
pub fn skipped(test: &str, why: &str) {
    // Without standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}
