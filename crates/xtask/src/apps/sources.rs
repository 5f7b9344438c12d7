//! The digest of an application package's sources.
//!
//! SHA-256 over every file of the package that can change a module, in order of path: the
//! path (from `apps/`, with `/`), its length and the content's length as 8 bytes little
//! endian, then both. Tests (`tests.rs`, `tests/`), `clippy.toml` and hidden files don't
//! reach a module and are left out.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// Digest of `apps/<folder>`, hex.
pub(super) fn digest(root: &Path, folder: &str) -> Result<String> {
    let apps = root.join("apps");
    let mut files = Vec::new();
    collect(&apps.join(folder), &mut files)?;
    let mut named = Vec::new();
    for file in files {
        let parts: Vec<_> =
            file.strip_prefix(&apps)?.iter().map(|part| part.to_string_lossy()).collect();
        named.push((parts.join("/"), file));
    }
    named.sort();
    let mut hash = Sha256::new();
    for (name, file) in named {
        let content = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        hash.update((name.len() as u64).to_le_bytes());
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
        hash.update(&content);
    }
    Ok(hex::encode(hash.finalize()))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let context = || format!("listing {}", folder.display());
    for entry in fs::read_dir(folder).with_context(context)? {
        let entry = entry.with_context(context)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || matches!(&*name, "tests" | "tests.rs" | "clippy.toml") {
            continue;
        }
        if entry.file_type().with_context(context)?.is_dir() {
            collect(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}
