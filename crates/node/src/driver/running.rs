//! Running a task: its module loaded when it is not yet, its outcome in words.

use std::time::Duration;
use trustmesh_agent::{RunOutput, RunSpec};
use trustmesh_data::Store;
use trustmesh_executor::{Invocation, Limits, RunError, WasmRunner};
use trustmesh_types::limits::TEXT_BYTES_MAX;

/// Tries of a run that this node, not the application, is to blame for.
const LOCAL_TRIES_MAX: u32 = 40;
const LOCAL_RETRY: Duration = Duration::from_millis(100);

/// Loads an application's module if it is here.
pub(super) async fn prepare(
    runner: &WasmRunner,
    store: &Store,
    artifact: trustmesh_types::Digest,
) -> Result<(), String> {
    if runner.is_loaded(&artifact) {
        return Ok(());
    }
    let bytes = store.blobs().get(&artifact).map_err(|e| e.to_string())?;
    let bytes = bytes.ok_or_else(|| format!("module {} is not on this node", artifact.short()))?;
    runner.load(artifact, bytes).await.map_err(|e| words(&e))
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
        let prepared = prepare(runner, store, spec.artifact).await;
        let outcome = match prepared {
            Ok(()) => runner.run(invocation(spec)).await,
            Err(reason) if tries < LOCAL_TRIES_MAX => {
                tracing::debug!(reason, "a run waits for its module");
                tokio::time::sleep(LOCAL_RETRY).await;
                continue;
            }
            Err(reason) => return Err(reason),
        };
        match outcome {
            Ok(output) => {
                let duration_us = u64::try_from(output.duration.as_micros()).unwrap_or(u64::MAX);
                return Ok(RunOutput { data: output.data.as_ref().into(), duration_us });
            }
            Err(error) if !error.blames_application() && tries < LOCAL_TRIES_MAX => {
                tokio::time::sleep(LOCAL_RETRY).await;
            }
            Err(error) => return Err(words(&error)),
        }
    }
}

fn invocation(spec: &RunSpec) -> Invocation {
    Invocation {
        module: spec.artifact,
        input: spec.input.to_vec().into(),
        limits: Limits {
            memory_bytes: spec.memory_bytes,
            timeout: Duration::from_millis(spec.timeout_ms),
            fuel: None,
        },
        seed: spec.seed,
        clock_unix_ms: spec.clock_ms,
    }
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
