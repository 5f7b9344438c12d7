//! `apps check`: do the committed modules belong to the sources beside them?
//!
//! It compares digests and builds nothing, so it runs anywhere in no time.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use super::manifest::{self, Entry, Manifest};
use super::{MODULES, sources};

/// Checks every module against manifest and sources.
pub fn check(root: &Path) -> Result<()> {
    let manifest = manifest::read(root)?;
    let mut problems = unknown_entries(&manifest);
    for module in &MODULES {
        let Some(entry) = manifest.get(module.name) else {
            problems.push(format!("{}: not in MANIFEST.json", module.name));
            continue;
        };
        let path = manifest::module_path(root, module.name);
        let Ok(bytes) = fs::read(&path) else {
            problems.push(format!("{}: no module {}", module.name, path.display()));
            continue;
        };
        let now = Entry::of(&bytes, sources::digest(root, module.folder)?);
        problems.extend(difference(module.name, entry, &now));
    }
    if problems.is_empty() {
        println!("{} modules belong to their sources", MODULES.len());
        return Ok(());
    }
    for problem in &problems {
        eprintln!("{problem}");
    }
    bail!(
        "modules and sources of the sample applications differ: \
         run `cargo xtask apps build` and commit apps/modules"
    )
}

fn unknown_entries(manifest: &Manifest) -> Vec<String> {
    manifest
        .keys()
        .filter(|name| !MODULES.iter().any(|module| module.name == *name))
        .map(|name| format!("{name}: in MANIFEST.json, but no such application"))
        .collect()
}

fn difference(name: &str, recorded: &Entry, now: &Entry) -> Option<String> {
    if (&recorded.sha256, recorded.bytes) != (&now.sha256, now.bytes) {
        return Some(format!(
            "{name}: the module is not the one in MANIFEST.json ({} bytes, sha256 {})",
            now.bytes, now.sha256
        ));
    }
    (recorded.sources_sha256 != now.sources_sha256)
        .then(|| format!("{name}: its sources changed since the module was built"))
}

#[cfg(test)]
mod tests {
    use super::super::MODULES_FOLDER;
    use super::*;

    /// A tree with every package and module, and a manifest that fits.
    fn tree() -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        let root = tree.path();
        fs::create_dir_all(root.join(MODULES_FOLDER)).unwrap();
        let mut manifest = Manifest::new();
        for module in &MODULES {
            let package = root.join("apps").join(module.folder);
            fs::create_dir_all(package.join("src")).unwrap();
            fs::write(package.join("src/lib.rs"), module.package).unwrap();
            fs::write(manifest::module_path(root, module.name), module.name).unwrap();
        }
        for module in &MODULES {
            let sources = sources::digest(root, module.folder).unwrap();
            let entry = Entry::of(module.name.as_bytes(), sources);
            manifest.insert(module.name.to_owned(), entry);
        }
        manifest::write(root, &manifest).unwrap();
        tree
    }

    #[test]
    fn fitting_modules_pass_and_tests_do_not_count_as_sources() {
        let tree = tree();
        check(tree.path()).unwrap();
        fs::write(tree.path().join("apps/samples/src/tests.rs"), "new").unwrap();
        check(tree.path()).unwrap();
    }

    #[test]
    fn a_changed_source_module_or_name_fails() {
        for (path, content) in [
            ("apps/samples/src/lib.rs", "changed"),
            ("apps/samples/src/added.rs", ""),
            ("apps/modules/noop.wasm", "changed"),
            ("apps/modules/MANIFEST.json", "{}"),
            ("apps/modules/MANIFEST.json", "no json"),
        ] {
            let tree = tree();
            fs::write(tree.path().join(path), content).unwrap();
            assert!(check(tree.path()).is_err(), "{path}");
        }
    }
}
