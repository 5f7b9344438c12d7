//! `tidy`: what the project asks of its tree and no linter checks.
//!
//! `files` looks at each source file, `rooms` at the crates' manifests. Every problem is
//! listed with its place; one is enough to fail.

mod files;
mod rooms;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Folders that hold crates.
const CRATE_FOLDERS: [&str; 2] = ["crates", "apps"];

/// Checks the tree and lists what is wrong.
pub fn run(root: &Path) -> Result<()> {
    let mut crates = Vec::new();
    for folder in CRATE_FOLDERS {
        crates.extend(crates_in(&root.join(folder))?);
    }
    let mut problems = Vec::new();
    let mut files = 0;
    for path in &crates {
        rooms::check(root, path, &mut problems)?;
        files += files::check(root, path, &mut problems)?;
    }
    if problems.is_empty() {
        println!("{files} files in {} crates are tidy", crates.len());
        return Ok(());
    }
    for problem in &problems {
        eprintln!("{problem}");
    }
    bail!("{} problems in the tree", problems.len())
}

/// Folders with a manifest, in order of name.
fn crates_in(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(folder)?.into_iter().filter(|path| path.join("Cargo.toml").is_file()).collect())
}

/// What a folder holds, in order of name; empty if there is no such folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let context = || format!("listing {}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(context)? {
        paths.push(entry.with_context(context)?.path());
    }
    paths.sort();
    Ok(paths)
}

/// A path from the root, for messages.
fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_walked_and_its_problems_fail_it() {
        let tree = tempfile::tempdir().unwrap();
        let source = tree.path().join("crates/types/src/deep");
        fs::create_dir_all(&source).unwrap();
        let manifest = tree.path().join("crates/types/Cargo.toml");
        fs::write(manifest, "lints.workspace = true").unwrap();
        fs::write(source.join("a.rs"), "//! What for.").unwrap();
        run(tree.path()).unwrap();
        fs::write(source.join("b.rs"), "fn lost() {}").unwrap();
        assert!(run(tree.path()).is_err());
    }
}
