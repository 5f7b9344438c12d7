//! What fuzzing needs beside the project's own toolchain: a nightly one, a C++ compiler for
//! libFuzzer, and `cargo fuzz`, which is installed into the target folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

const TOOLCHAIN: &str = "nightly";
const CARGO_FUZZ: &str = "0.13.1";

/// All that is needed.
pub(super) struct Tools {
    root: PathBuf,
    /// Where builds, corpora and findings go.
    pub(super) target: PathBuf,
    cargo_fuzz: PathBuf,
    /// The machine, as compilers name it.
    triple: String,
}

impl Tools {
    /// # Errors
    /// Says what is missing and how to get it.
    pub(super) fn find(root: &Path) -> Result<Self> {
        let said =
            answer(cargo().arg("--version")).ok().filter(|version| version.contains(TOOLCHAIN));
        said.context("no nightly compiler: run `rustup toolchain install nightly`")?;
        answer(Command::new("c++").arg("--version"))
            .context("no C++ compiler, which libFuzzer is built with: install `g++` or `clang`")?;
        let about = answer(nightly("rustc").arg("-vV")).context("asking rustc for its host")?;
        let host = about.lines().find_map(|line| line.strip_prefix("host: "));
        let triple = host.context("rustc names no host")?.to_owned();
        let target = std::env::var_os("CARGO_TARGET_DIR");
        let target = root.join(target.map_or_else(|| "target".into(), PathBuf::from));
        let cargo_fuzz = cargo_fuzz(&target.join("tools"))?;
        Ok(Self { root: root.to_path_buf(), target, cargo_fuzz, triple })
    }

    /// Builds all targets. Without a sanitizer: the project has no unsafe code for one to
    /// watch, and memory is bounded by the targets' own count.
    pub(super) fn build(&self) -> Result<()> {
        let status = on_nightly(Command::new(&self.cargo_fuzz))
            .args(["fuzz", "build", "--sanitizer", "none", "--fuzz-dir"])
            .arg(self.root.join("fuzz"))
            .arg("--target-dir")
            .arg(self.build_dir())
            .current_dir(&self.root)
            .status()
            .context("running cargo fuzz")?;
        if status.success() { Ok(()) } else { bail!("the targets don't build: {status}") }
    }

    /// A target's program.
    pub(super) fn binary(&self, name: &str) -> PathBuf {
        self.build_dir().join(&self.triple).join("release").join(name)
    }

    fn build_dir(&self) -> PathBuf {
        self.target.join("fuzz")
    }
}

/// `cargo fuzz`, installed first when it is not there.
fn cargo_fuzz(tools: &Path) -> Result<PathBuf> {
    let path = tools.join("bin/cargo-fuzz");
    if answer(Command::new(&path).arg("--version")).is_ok_and(|it| it.contains(CARGO_FUZZ)) {
        return Ok(path);
    }
    // Its own release profile takes three times as long to build as it then saves.
    let status = Command::new("cargo")
        .args(["install", "--locked", "--debug", "--quiet", "--root"])
        .arg(tools)
        .arg(format!("cargo-fuzz@{CARGO_FUZZ}"))
        .env_remove("CARGO_TARGET_DIR")
        .status()
        .context("running cargo install")?;
    if status.success() { Ok(path) } else { bail!("cargo-fuzz {CARGO_FUZZ} can't be installed") }
}

fn cargo() -> Command {
    nightly("cargo")
}

fn nightly(program: &str) -> Command {
    on_nightly(Command::new(program))
}

/// The chore itself runs under the project's toolchain, which hands itself on by these.
fn on_nightly(mut command: Command) -> Command {
    command
        .env("RUSTUP_TOOLCHAIN", TOOLCHAIN)
        .env_remove("CARGO")
        .env_remove("RUSTC")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS");
    command
}

/// What a program prints when it succeeds.
fn answer(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("it ended with {}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
