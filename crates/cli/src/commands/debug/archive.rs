//! A compressed archive of small parts, each of them looked at before it goes in.

use super::secrets::Secrets;
use crate::failure::{Done, Failure};
use flate2::{Compression, write::GzEncoder};
use serde::Serialize;
use std::{fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

/// Longest part.
const PART_BYTES_MAX: usize = 16 << 20;

/// An archive that is being filled.
pub struct Archive {
    inner: tar::Builder<GzEncoder<Vec<u8>>>,
    secrets: Secrets,
    made_s: u64,
    /// Names of its parts.
    pub parts: Vec<String>,
}

impl Archive {
    /// An empty one.
    pub fn new(secrets: Secrets, made_s: u64) -> Self {
        let inner = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
        Self { inner, secrets, made_s, parts: Vec::new() }
    }

    /// Adds a part, unless a secret stands in it: then what stands in its place says so.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Done {
        let kept: &[u8] = if self.secrets.are_in(bytes) {
            b"left out: the node's key stands in it\n"
        } else {
            bytes.get(bytes.len().saturating_sub(PART_BYTES_MAX)..).unwrap_or_default()
        };
        let mut header = tar::Header::new_gnu();
        header.set_size(kept.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(self.made_s);
        let path = format!("trustmesh-debug/{name}");
        self.inner
            .append_data(&mut header, path, kept)
            .map_err(|e| Failure::failed(format!("can't add {name}: {e}")))?;
        self.parts.push(name.to_owned());
        Ok(())
    }

    /// Adds a value as JSON.
    pub fn json<T: Serialize>(&mut self, name: &str, value: &T) -> Done {
        let text = serde_json::to_vec_pretty(value)
            .map_err(|e| Failure::failed(format!("{name} has no JSON form: {e}")))?;
        self.add(name, &text)
    }

    /// Writes it to a new file that its owner alone can read; gives its length.
    pub fn write(self, path: &Path) -> Done<usize> {
        let unwritable = |e: std::io::Error| Failure::unwritable(path, &e);
        let bytes = self.inner.into_inner().and_then(GzEncoder::finish).map_err(unwritable)?;
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create_new(true).mode(0o600).open(path).map_err(unwritable)?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(unwritable)?;
        Ok(bytes.len())
    }
}
