//! `MANIFEST.json`: for each module its digest and size, and the digest of its sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::MODULES_FOLDER;

/// What the manifest says about one module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// SHA-256 of the module, hex.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// Digest of its package's sources, hex; see `sources`.
    pub sources_sha256: String,
}

/// By module name.
pub(super) type Manifest = BTreeMap<String, Entry>;

impl Entry {
    pub(super) fn of(module: &[u8], sources_sha256: String) -> Self {
        Self {
            sha256: hex::encode(Sha256::digest(module)),
            bytes: module.len() as u64,
            sources_sha256,
        }
    }
}

pub(super) fn module_path(root: &Path, name: &str) -> PathBuf {
    root.join(MODULES_FOLDER).join(format!("{name}.wasm"))
}

fn manifest_path(root: &Path) -> PathBuf {
    root.join(MODULES_FOLDER).join("MANIFEST.json")
}

pub(super) fn read(root: &Path) -> Result<Manifest> {
    let path = manifest_path(root);
    let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("in {}", path.display()))
}

pub(super) fn write(root: &Path, manifest: &Manifest) -> Result<()> {
    let path = manifest_path(root);
    let text = serde_json::to_string_pretty(manifest)? + "\n";
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
}
