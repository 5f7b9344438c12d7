//! `apps build`: builds every module and writes modules and manifest.
//!
//! It builds in a target folder of its own, so that host builds aren't disturbed. Nothing
//! is written to `apps/modules` before all modules are built and look right.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::manifest::{self, Entry, Manifest};
use super::toolchain::{TARGET, Toolchain};
use super::{MODULES, MODULES_FOLDER, Module, sources};

/// Larger modules slow deployment down and grow the repository.
const MODULE_BYTES_MAX: usize = 256 * 1024;
const WASM_MAGIC: &[u8] = b"\0asm\x01\0\0\0";

/// Builds all modules.
pub fn build(root: &Path) -> Result<()> {
    let toolchain = Toolchain::find()?;
    println!("building for {TARGET} with {}", toolchain.name());
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root.join(folder).join("wasm"),
        None => root.join("target/wasm"),
    };
    let mut built = Vec::new();
    for module in &MODULES {
        let sources = sources::digest(root, module.folder)?;
        let bytes = build_one(root, &target, &toolchain, module)?;
        built.push((module.name, bytes, sources));
    }
    let folder = root.join(MODULES_FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let mut manifest = Manifest::new();
    for (name, bytes, sources) in built {
        let path = manifest::module_path(root, name);
        fs::write(&path, &bytes).with_context(|| format!("writing {}", path.display()))?;
        let entry = Entry::of(&bytes, sources);
        println!("{name}: {} bytes, sha256 {}", entry.bytes, entry.sha256);
        manifest.insert(name.to_owned(), entry);
    }
    manifest::write(root, &manifest)
}

fn build_one(
    root: &Path,
    target: &Path,
    toolchain: &Toolchain,
    module: &Module,
) -> Result<Vec<u8>> {
    let status = toolchain
        .command(module.package, module.name)
        .current_dir(root)
        .env("CARGO_TARGET_DIR", target)
        .status()
        .context("starting cargo")?;
    if !status.success() {
        bail!("building {} failed: see cargo's messages above", module.name);
    }
    let path = target.join(TARGET).join("wasm").join(format!("{}.wasm", module.name));
    let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    if !bytes.starts_with(WASM_MAGIC) {
        bail!("{} is not a wasm module", path.display());
    }
    if bytes.len() > MODULE_BYTES_MAX {
        bail!(
            "{} has {} bytes, more than {MODULE_BYTES_MAX}: look for what it pulls in",
            module.name,
            bytes.len()
        );
    }
    Ok(bytes)
}
