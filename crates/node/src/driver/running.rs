//! Running a task: its module loaded when it is not yet, its outcome in words.
//!
//! Invariant: what the application is to blame for is said at once; what this node is to blame
//! for is tried again, [`LOCAL_TRIES_MAX`] times.

use std::time::Duration;
use trustmesh_agent::{RunOutput, RunSpec};
use trustmesh_data::Store;
use trustmesh_executor::{Invocation, Limits, Output, RunError, WasmRunner};
use trustmesh_types::{Digest, limits::TEXT_BYTES_MAX};

/// Tries of a run that this node, not the application, is to blame for.
const LOCAL_TRIES_MAX: u32 = 40;
const LOCAL_RETRY: Duration = Duration::from_millis(100);
/// CPU time that every run gets, so that starting a module can't use it all up.
const CPU_TIME_MIN: Duration = Duration::from_millis(100);

/// Why a module is not loaded, or a run gave nothing.
#[derive(Debug)]
pub(super) struct Failed {
    /// What a record may say of it.
    pub(super) reason: String,
    /// Whether another try on this node may do better.
    passes: bool,
}

impl Failed {
    fn here(reason: impl ToString) -> Self {
        Self { reason: reason.to_string(), passes: true }
    }
}

impl From<RunError> for Failed {
    fn from(error: RunError) -> Self {
        Self { reason: words(&error), passes: !error.blames_application() }
    }
}

/// Loads an application's module if it is here.
pub(super) async fn prepare(
    runner: &WasmRunner,
    store: &Store,
    artifact: Digest,
) -> Result<(), Failed> {
    if runner.is_loaded(&artifact) {
        return Ok(());
    }
    let bytes = store.blobs().get(&artifact).map_err(Failed::here)?;
    let missing = || Failed::here(format!("module {} is not on this node", artifact.short()));
    Ok(runner.load(artifact, bytes.ok_or_else(missing)?).await?)
}

/// Runs a task to its end.
pub(super) async fn run(
    runner: &WasmRunner,
    store: &Store,
    spec: &RunSpec,
) -> Result<RunOutput, String> {
    let mut tries = 0;
    loop {
        tries += 1;
        match once(runner, store, spec).await {
            Ok(output) => {
                let duration_us = u64::try_from(output.duration.as_micros()).unwrap_or(u64::MAX);
                return Ok(RunOutput { data: output.data.as_ref().into(), duration_us });
            }
            Err(Failed { reason, passes: true }) if tries < LOCAL_TRIES_MAX => {
                tracing::debug!(reason, "a run is tried again");
                tokio::time::sleep(LOCAL_RETRY).await;
            }
            Err(failed) => return Err(failed.reason),
        }
    }
}

async fn once(runner: &WasmRunner, store: &Store, spec: &RunSpec) -> Result<Output, Failed> {
    prepare(runner, store, spec.artifact).await?;
    Ok(runner.run(invocation(spec)).await?)
}

fn invocation(spec: &RunSpec) -> Invocation {
    Invocation {
        module: spec.artifact,
        input: spec.input.to_vec().into(),
        limits: Limits {
            memory_bytes: spec.memory_bytes,
            timeout: Duration::from_millis(spec.timeout_ms),
            cpu_time: cpu_time(spec.cpu_millis, spec.timeout_ms),
            fuel: None,
        },
        seed: spec.seed,
        clock_unix_ms: spec.clock_ms,
    }
}

/// The application's share of a core for as long as the task may take, but no less than
/// [`CPU_TIME_MIN`]: 100 thousandths and a timeout of 5 s make half a second.
fn cpu_time(cpu_millis: u64, timeout_ms: u64) -> Duration {
    let share = u128::from(timeout_ms) * u128::from(cpu_millis) / 1_000;
    Duration::from_millis(u64::try_from(share).unwrap_or(u64::MAX)).max(CPU_TIME_MIN)
}

/// The error and the end of the application's log, at most as long as a reason may be.
fn words(error: &RunError) -> String {
    let mut text = error.to_string();
    let tail = error.stderr_tail().trim();
    if !tail.is_empty() && !text.contains(tail) {
        text.push_str("; log: ");
        text.push_str(tail);
    }
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;
    use trustmesh_agent::RunId;
    use trustmesh_data::{BlobKind, StoreConfig};
    use trustmesh_executor::RunnerConfig;
    use trustmesh_types::{AppId, RequestId, TaskId};

    /// All tries of a run that this node is to blame for take about this long.
    const PATIENCE: Duration = Duration::from_secs(4);

    fn spec(artifact: Digest) -> RunSpec {
        let task = TaskId::new("task").unwrap();
        RunSpec {
            run: RunId { request: RequestId(artifact), designation: 1, task },
            app: AppId::new("app").unwrap(),
            artifact,
            input: b"{\"data\":1}".to_vec().into(),
            memory_bytes: 16 << 20,
            cpu_millis: 100,
            timeout_ms: 10_000,
            seed: [1; 32],
            clock_ms: 1,
        }
    }

    struct Parts {
        _folder: tempfile::TempDir,
        store: Store,
        runner: WasmRunner,
    }

    fn parts() -> Parts {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("s.redb"), StoreConfig::default()).unwrap();
        let runner = WasmRunner::new(RunnerConfig::default()).unwrap();
        Parts { _folder: folder, store, runner }
    }

    async fn keep(parts: &Parts, bytes: &'static [u8]) -> Digest {
        let digest = Digest::of(bytes);
        let blobs = parts.store.blobs();
        blobs.put(digest, BlobKind::Artifact, bytes.into(), u64::MAX).await.unwrap();
        digest
    }

    #[test]
    fn cpu_time_is_the_share_of_the_timeout() {
        for (cpu_millis, timeout_ms, expected_ms) in [
            (100, 5_000, 500),
            (1_000, 5_000, 5_000),
            (1, 5_000, 100),
            (2_500, 1_000, 2_500),
            (u64::MAX, u64::MAX, u64::MAX),
        ] {
            let got = cpu_time(cpu_millis, timeout_ms);
            assert_eq!(got, Duration::from_millis(expected_ms), "{cpu_millis} {timeout_ms}");
        }
    }

    #[tokio::test]
    async fn a_module_that_cannot_be_compiled_fails_at_once() {
        let parts = parts();
        let artifact = keep(&parts, b"\0asm\x01\0\0\0garbage").await;
        let started = Instant::now();
        let reason = run(&parts.runner, &parts.store, &spec(artifact)).await.unwrap_err();
        assert!(reason.contains("not a WebAssembly module"), "{reason}");
        assert!(started.elapsed() < PATIENCE / 2, "it was tried again: {:?}", started.elapsed());
    }

    #[tokio::test]
    async fn a_module_that_arrives_late_is_waited_for() {
        let parts = parts();
        // No `_start`: shows that the second try found it.
        let bytes: &[u8] = b"\0asm\x01\0\0\0";
        let spec = spec(Digest::of(bytes));
        let late = async {
            tokio::time::sleep(LOCAL_RETRY * 2).await;
            keep(&parts, bytes).await
        };
        let (result, _) = tokio::join!(run(&parts.runner, &parts.store, &spec), late);
        let reason = result.unwrap_err();
        assert!(reason.contains("`_start`"), "{reason}");
    }
}
