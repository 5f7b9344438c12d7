//! Passwords and tokens, read from files.
//!
//! Invariants: wiped from memory when dropped; shown to nobody; a file that others can read is
//! refused, as a node's key file is.

use super::error::OciError;
use std::{fs::File, io::Read as _, os::unix::fs::PermissionsExt as _, path::Path};
use zeroize::Zeroizing;

/// Longest secret.
const SECRET_BYTES_MAX: usize = 16 * 1024;

/// A password or token.
#[derive(Clone)]
pub(super) struct Secret(Zeroizing<String>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    pub(super) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The file's text without the line's end.
    pub(super) fn read(path: &Path) -> Result<Self, OciError> {
        let failed = |why: &dyn std::fmt::Display| OciError::File {
            path: path.into(),
            why: why.to_string(),
        };
        let file = File::open(path).map_err(|error| failed(&format!("can't open it: {error}")))?;
        let meta = file.metadata().map_err(|error| failed(&error))?;
        let mode = meta.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(failed(&format!("others may read it (mode {mode:o}): chmod 600 it")));
        }
        // Of its full size at once: growing would leave copies behind.
        let mut text = Zeroizing::new(String::with_capacity(SECRET_BYTES_MAX + 1));
        let limit = u64::try_from(SECRET_BYTES_MAX + 1).unwrap_or(u64::MAX);
        let read = file.take(limit).read_to_string(&mut text);
        read.map_err(|_| failed(&"it holds no text that can be a password or token"))?;
        if text.len() > SECRET_BYTES_MAX {
            return Err(failed(&format!("it is longer than {SECRET_BYTES_MAX} bytes")));
        }
        let trimmed = text.trim_end_matches(['\r', '\n']);
        if trimmed.is_empty() || trimmed.chars().any(char::is_control) {
            return Err(failed(&"it must hold the password or token on one line, and no more"));
        }
        Ok(Self::new(trimmed.to_owned()))
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}
