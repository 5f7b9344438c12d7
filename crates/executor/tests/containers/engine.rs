//! A container engine for tests: one that is given, or one of their own, started as root in a
//! folder of its own and gone with the process, however that ends.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// For an engine to answer; the first one on a busy machine takes a while.
const PATIENCE: Duration = Duration::from_secs(60);

/// An engine of a test's own.
pub struct Engine {
    folder: TempDir,
    /// Ends the engine when its standard input does.
    watcher: Option<Child>,
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|it| it.stdout.trim_ascii() == b"0")
}

impl Engine {
    /// Starts one; or says why none can run here.
    pub fn start() -> Result<Self, String> {
        if !is_root() {
            return Err("only root may start one".to_owned());
        }
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let mut engine = Self { folder, watcher: None };
        engine.up()?;
        Ok(engine)
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("d.sock")
    }

    /// Starts it, again if it was ended.
    pub fn up(&mut self) -> Result<(), String> {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let log = std::fs::File::create(path("log")).map_err(|e| e.to_string())?;
        let script = "\"$@\" & pid=$!; read -r _; kill $pid; wait $pid";
        let watcher = Command::new("sh")
            .args(["-c", script, "sh", "dockerd", "--bridge", "none"])
            .args(["--data-root", &path("data"), "--exec-root", &path("exec")])
            .args(["--pidfile", &path("pid"), "-H", &format!("unix://{}", path("d.sock"))])
            .stdin(Stdio::piped())
            .stdout(log.try_clone().map_err(|e| e.to_string())?)
            .stderr(log)
            .spawn()
            .map_err(|e| e.to_string())?;
        self.watcher = Some(watcher);
        let until = Instant::now() + PATIENCE;
        while std::os::unix::net::UnixStream::connect(self.socket()).is_err() {
            let text = std::fs::read_to_string(path("log")).unwrap_or_default();
            if text.contains("not found") || text.contains("failed to start daemon") {
                let last = text.lines().last().unwrap_or_default();
                return Err(format!("dockerd: {last}; install Debian's docker.io"));
            }
            if Instant::now() > until {
                return Err(format!("dockerd did not begin within {} s", PATIENCE.as_secs()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Ends it in order.
    pub fn down(&mut self) {
        if let Some(mut watcher) = self.watcher.take() {
            drop(watcher.stdin.take());
            let _ = watcher.wait();
        }
        let _ = std::fs::remove_file(self.socket());
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.down();
    }
}

/// Compiles a program of the standard library alone, without anything that it loads.
pub fn static_program(source: &Path, target: &Path) {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let status = Command::new(rustc)
        .args(["--edition", "2024", "-O", "-C", "target-feature=+crt-static"])
        .arg("-o")
        .arg(target)
        .arg(source)
        .status()
        .expect("rustc");
    assert!(status.success(), "{} does not compile", source.display());
}
