//! WebAssembly modules: from the artifact to the compiled module, and a task's run to its end.
//!
//! Invariant: what the application is to blame for is said at once; what this node is to blame
//! for is tried again, [`LOCAL_TRIES_MAX`] times.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::task::spawn_blocking;
use trustmesh_agent::{RunOutput, RunSpec};
use trustmesh_data::artifacts::{ArtifactError, ArtifactStore, module};
use trustmesh_executor::{Granted, Invocation, Limits, Output, RunError, WasmRunner};
use trustmesh_types::{Digest, limits::TEXT_BYTES_MAX};

/// Tries of a run that this node, not the application, is to blame for.
const LOCAL_TRIES_MAX: u32 = 40;
const LOCAL_RETRY: Duration = Duration::from_millis(100);
/// CPU time that every run gets, so that starting a module can't use it all up.
const CPU_TIME_MIN: Duration = Duration::from_millis(100);

/// Why a module is not loaded, or a run gave nothing.
#[derive(Debug)]
pub(crate) struct Failed {
    /// What a record may say of it.
    pub(crate) reason: String,
    /// Whether another try on this node may do better.
    passes: bool,
}

impl From<RunError> for Failed {
    fn from(error: RunError) -> Self {
        Self { reason: words(&error), passes: !error.blames_application() }
    }
}

impl From<ArtifactError> for Failed {
    fn from(error: ArtifactError) -> Self {
        let passes = !matches!(error, ArtifactError::Unusable { .. });
        Self { reason: error.to_string(), passes }
    }
}

/// Compiled modules by the contents of their artifacts.
pub(super) struct Modules {
    runner: WasmRunner,
    store: ArtifactStore,
    /// An OCI artifact's module has another digest than its root.
    digests: Mutex<BTreeMap<Digest, Digest>>,
}

impl Modules {
    pub(super) fn new(runner: WasmRunner, store: ArtifactStore) -> Self {
        Self { runner, store, digests: Mutex::default() }
    }

    fn known(&self, contents: &Digest) -> Option<Digest> {
        // A map of digests is never half changed.
        self.digests.lock().unwrap_or_else(PoisonError::into_inner).get(contents).copied()
    }

    /// Compiles an artifact's module, unless it is compiled; gives its digest.
    pub(super) async fn prepare(&self, contents: Digest) -> Result<Digest, Failed> {
        if let Some(digest) = self.known(&contents).filter(|it| self.runner.is_loaded(it)) {
            return Ok(digest);
        }
        let store = self.store.clone();
        let read = spawn_blocking(move || {
            let missing = ArtifactError::Missing { what: "artifact", digest: contents };
            let of = store.contents(&contents).ok_or(missing)?;
            module(&store, &of)
        });
        let stopping = |_| Failed { reason: "the node is stopping".to_owned(), passes: false };
        let bytes = read.await.map_err(stopping)??;
        let digest = Digest::of(&bytes);
        self.runner.load(digest, bytes).await?;
        self.digests.lock().unwrap_or_else(PoisonError::into_inner).insert(contents, digest);
        Ok(digest)
    }

    /// Forgets an artifact that is gone.
    pub(super) fn forget(&self, contents: &Digest) {
        self.digests.lock().unwrap_or_else(PoisonError::into_inner).remove(contents);
    }

    /// Runs a task to its end; gives the end of its log, too.
    pub(super) async fn run(&self, spec: &RunSpec) -> Result<(RunOutput, String), String> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.once(spec).await {
                Ok(output) => {
                    let duration_us = u64::try_from(output.duration.as_micros());
                    let duration_us = duration_us.unwrap_or(u64::MAX);
                    let given = RunOutput { data: output.data.as_ref().into(), duration_us };
                    return Ok((given, output.stderr_tail));
                }
                Err(Failed { reason, passes: true }) if tries < LOCAL_TRIES_MAX => {
                    tracing::debug!(reason, "a run is tried again");
                    tokio::time::sleep(LOCAL_RETRY).await;
                }
                Err(failed) => return Err(failed.reason),
            }
        }
    }

    async fn once(&self, spec: &RunSpec) -> Result<Output, Failed> {
        let module = self.prepare(spec.contents).await?;
        Ok(self.runner.run(invocation(spec, module)).await?)
    }
}

fn invocation(spec: &RunSpec, module: Digest) -> Invocation {
    Invocation {
        module,
        input: spec.input.to_vec().into(),
        limits: Limits {
            memory_bytes: spec.memory_bytes,
            timeout: Duration::from_millis(spec.timeout_ms),
            cpu_time: cpu_time(spec.cpu_millis, spec.timeout_ms),
            fuel: None,
        },
        seed: spec.seed,
        clock_unix_ms: spec.clock_ms,
        granted: Granted {
            clock: spec.grants.clock,
            random: spec.grants.random,
            environment: spec.grants.environment.clone().into_iter().collect(),
        },
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
    use trustmesh_executor::RunnerConfig;
    use trustmesh_types::{
        AppId, Contents, RequestId, TaskId,
        contents::BlobEntry,
        records::{Grants, Runtime},
    };

    /// All tries of a run that this node is to blame for take about this long.
    const PATIENCE: Duration = Duration::from_secs(4);

    fn spec(module: &[u8]) -> RunSpec {
        let (task, contents) = (TaskId::new("task").unwrap(), Contents::of_module(module).unwrap());
        RunSpec {
            run: RunId { request: RequestId(contents.root()), designation: 1, task },
            app: AppId::new("app").unwrap(),
            runtime: Runtime::Wasm,
            contents: contents.digest(),
            input: b"{\"data\":1}".to_vec().into(),
            memory_bytes: 16 << 20,
            cpu_millis: 100,
            timeout_ms: 10_000,
            seed: [1; 32],
            clock_ms: 1,
            grants: Grants::default(),
        }
    }

    struct Case {
        _folder: tempfile::TempDir,
        store: ArtifactStore,
        modules: Modules,
    }

    fn case() -> Case {
        let folder = tempfile::tempdir().unwrap();
        let store = ArtifactStore::open(folder.path(), 1 << 20).unwrap();
        let runner = WasmRunner::new(RunnerConfig::default()).unwrap();
        let modules = Modules::new(runner, store.clone());
        Case { _folder: folder, store, modules }
    }

    fn keep(store: &ArtifactStore, module: &[u8]) {
        store.begin(&Contents::of_module(module).unwrap()).unwrap();
        store.put_blob(&BlobEntry::of(module), module).unwrap();
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
        let case = case();
        let module = b"\0asm\x01\0\0\0garbage";
        keep(&case.store, module);
        let started = Instant::now();
        let reason = case.modules.run(&spec(module)).await.unwrap_err();
        assert!(reason.contains("not a WebAssembly module"), "{reason}");
        assert!(started.elapsed() < PATIENCE / 2, "it was tried again: {:?}", started.elapsed());
    }

    #[tokio::test]
    async fn a_module_that_arrives_late_is_waited_for() {
        let case = case();
        // No `_start`: shows that a later try found it.
        let module: &[u8] = b"\0asm\x01\0\0\0";
        let late = async {
            tokio::time::sleep(LOCAL_RETRY * 2).await;
            keep(&case.store, module);
        };
        let spec = spec(module);
        let (result, ()) = tokio::join!(case.modules.run(&spec), late);
        let reason = result.unwrap_err();
        assert!(reason.contains("`_start`"), "{reason}");
    }
}
