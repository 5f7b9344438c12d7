//! Prints what one call of a compiled module costs on this machine: instance, run and the way
//! through the pool. `cargo run --release -p trustmesh-executor --example call_overhead`

use bytes::Bytes;
use std::time::{Duration, Instant};
use trustmesh_executor::{Granted, Invocation, Limits, RunnerConfig, WasmRunner};
use trustmesh_types::Digest;

const CALLS: usize = 2_000;

/// Writes `{"data":1}` and ends.
const MODULE: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\10\00\00\00\0a\00\00\00")
    (data (i32.const 16) "{\"data\":1}")
    (func (export "_start")
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runner = WasmRunner::new(RunnerConfig::default())?;
    let bytes = Bytes::from(wat::parse_str(MODULE)?);
    let (module, started) = (Digest::of(&bytes), Instant::now());
    runner.load(module, bytes.clone()).await?;
    println!("{} bytes compiled in {:.1?}", bytes.len(), started.elapsed());

    let invocation = Invocation {
        module,
        input: Bytes::from_static(b"{}"),
        limits: Limits {
            memory_bytes: 1 << 24,
            timeout: Duration::from_secs(1),
            cpu_time: Duration::from_secs(1),
            fuel: None,
        },
        seed: [0; 32],
        clock_unix_ms: 0,
        granted: Granted::default(),
    };
    let (mut whole, mut inside) = (Vec::with_capacity(CALLS), Vec::with_capacity(CALLS));
    for _ in 0..CALLS {
        let started = Instant::now();
        let output = runner.run(invocation.clone()).await?;
        whole.push(started.elapsed());
        inside.push(output.duration);
    }
    print("call", whole);
    print("instantiate and run", inside);
    Ok(())
}

fn print(what: &str, mut durations: Vec<Duration>) {
    durations.sort_unstable();
    let share = |part: usize| durations.get(durations.len() * part / 100).copied();
    let (middle, high) = (share(50).unwrap_or_default(), share(99).unwrap_or_default());
    println!("{what}: p50 {middle:.0?}, p99 {high:.0?}");
}
