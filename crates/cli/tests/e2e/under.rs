//! Programs that a node runs under, where the machine has them: a slow disk, a small one.
//!
//! Each gives the words to put before the node's command, or why it can't be had here.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Whether a program runs here and ends well.
fn works(words: &[&str]) -> Result<(), String> {
    let output = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{}: {e}", words[0]))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{}` fails: {}", words.join(" "), said.trim()))
}

/// A disk on which each sync takes so much longer: strace holds up the calls.
pub fn slow_disk(sync: Duration) -> Result<Vec<String>, String> {
    let inject = format!("inject=fsync,fdatasync:delay_exit={}", sync.as_micros());
    let words = ["strace", "-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null"];
    let rest = ["-e", "trace=fsync,fdatasync", "-e", &inject];
    let words = [&words[..], &rest[..]].concat();
    works(&[&words[..], &["true"]].concat())?;
    Ok(words.into_iter().map(str::to_owned).collect())
}

/// A folder on a small filesystem of its own, in a mount namespace that lives as long as this.
pub struct SmallDisk {
    holder: Child,
    folder: PathBuf,
}

impl SmallDisk {
    /// Puts a filesystem of so many bytes at a folder, with what is in it, for who runs under it.
    pub fn at(folder: &Path, bytes: u64) -> Result<Self, String> {
        works(&["unshare", "--mount", "true"])?;
        works(&["nsenter", "--version"])?;
        std::fs::create_dir_all(folder).expect("a folder");
        let script = "cp -a \"$2\" \"$2.before\" && mount -t tmpfs -o size=\"$1\" small \"$2\" \
            && cp -a \"$2.before/.\" \"$2\" && echo mounted && exec cat";
        let mut holder = Command::new("unshare")
            .args(["--mount", "sh", "-c", script, "sh", &bytes.to_string()])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("unshare: {e}"))?;
        let mut line = String::new();
        let mut out = BufReader::new(holder.stdout.take().expect("piped"));
        out.read_line(&mut line).map_err(|e| format!("unshare: {e}"))?;
        let disk = Self { folder: folder.to_owned(), holder };
        match line.trim() {
            "mounted" => Ok(disk),
            _ => Err("a tmpfs can't be mounted in a mount namespace".to_owned()),
        }
    }

    /// What to run a program under that shall see it.
    pub fn under(&self) -> Vec<String> {
        let pid = self.holder.id().to_string();
        ["nsenter", "--mount", "--target", &pid].map(str::to_owned).to_vec()
    }

    /// The folder as the test sees it.
    pub fn seen(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(self.folder.strip_prefix("/").expect("an absolute path"))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
