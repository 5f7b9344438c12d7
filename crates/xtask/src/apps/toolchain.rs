//! Finds a way to build for `wasm32-wasip1` on this machine.
//!
//! Either the default toolchain has the target (`rustup target add wasm32-wasip1`), or
//! Debian's packages stand in: the compiler of `rustc-web` builds std from `rust-web-src`
//! against `wasi-libc`, linked by the `rust-lld` of the default toolchain. `RUSTC_BOOTSTRAP`
//! is what lets a stable compiler build std.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

pub(super) const TARGET: &str = "wasm32-wasip1";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_LIBC: &str = "/usr/lib/wasm32-wasi";

/// A usable toolchain.
pub(super) enum Toolchain {
    /// The default one, with the target installed.
    Installed,
    /// Debian's packages, with this linker.
    Debian { linker: PathBuf },
}

impl Toolchain {
    /// # Errors
    /// When there is none, saying how to install one.
    pub(super) fn find() -> Result<Self> {
        let sysroot = sysroot("rustc").context("asking rustc for its sysroot")?;
        if sysroot.join("lib/rustlib").join(TARGET).is_dir() {
            return Ok(Self::Installed);
        }
        match debian(&sysroot) {
            Ok(linker) => Ok(Self::Debian { linker }),
            Err(missing) => bail!(
                "no toolchain for {TARGET}: run `rustup target add {TARGET}`, \
                 or on Debian `apt-get install rustc-web rust-web-src wasi-libc` ({missing})"
            ),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Installed => "the default toolchain",
            Self::Debian { .. } => "Debian's rustc-web, building std",
        }
    }

    /// `cargo rustc` for one binary, without the arguments after `--`.
    pub(super) fn command(&self, package: &str, bin: &str) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        command
            .args(["rustc", "--profile", "wasm", "--locked"])
            .args(["--target", TARGET, "--package", package, "--bin", bin])
            // A wrapper or flags meant for the host would break or change the modules.
            .env_remove("RUSTFLAGS")
            .env("CARGO_ENCODED_RUSTFLAGS", remapped_sources())
            .env_remove("RUSTC_WRAPPER");
        if let Self::Debian { linker } = self {
            command
                .args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"])
                .args(["--", "-Clink-self-contained=no", "-L", DEBIAN_LIBC])
                .arg(format!("-Clink-arg={DEBIAN_LIBC}/crt1-command.o"))
                .env("RUSTC", DEBIAN_RUSTC)
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_WASM32_WASIP1_LINKER", linker)
                .env_remove("RUSTUP_TOOLCHAIN");
        }
        command
    }
}

/// Flags that keep the builder's folders out of the modules: panics in dependencies name
/// their source files. Separated as cargo wants them, by 0x1f.
fn remapped_sources() -> String {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|folder| folder.join(".cargo")));
    let Some(registries) = home.and_then(|home| home.join("registry/src").read_dir().ok()) else {
        return String::new();
    };
    let folders = registries.filter_map(Result::ok).map(|entry| entry.path());
    let flags: Vec<String> =
        folders.map(|folder| format!("--remap-path-prefix={}=deps", folder.display())).collect();
    flags.join("\u{1f}")
}

/// The linker to use with Debian's packages, or what is missing.
fn debian(default_sysroot: &Path) -> Result<PathBuf, String> {
    let lacks = |what: &Path| format!("no {}", what.display());
    let compiler = Path::new(DEBIAN_RUSTC);
    let own = sysroot(DEBIAN_RUSTC).map_err(|_| lacks(compiler))?;
    let libc = Path::new(DEBIAN_LIBC).join("crt1-command.o");
    let sources = own.join("lib/rustlib/src/rust/library/std/Cargo.toml");
    for needed in [&libc, &sources] {
        if !needed.is_file() {
            return Err(lacks(needed));
        }
    }
    let host_tools = format!("lib/rustlib/{}-unknown-linux-gnu/bin", std::env::consts::ARCH);
    let linker = default_sysroot.join(host_tools).join("rust-lld");
    if linker.is_file() { Ok(linker) } else { Err(lacks(&linker)) }
}

fn sysroot(rustc: &str) -> Result<PathBuf> {
    let output = Command::new(rustc).args(["--print", "sysroot"]).output()?;
    if !output.status.success() {
        bail!("{rustc} ended with {}", output.status);
    }
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}
