//! The runner as a whole, on modules written as text.

use super::{Granted, Invocation, Limits, Output, RunError, RunnerConfig, WasmRunner};
use bytes::Bytes;
use std::num::NonZero;
use std::time::{Duration, Instant};
use trustmesh_types::{Digest, limits::OUTPUT_BYTES_MAX};

const MIB: u64 = 1024 * 1024;

/// WASI functions that the test modules use, and a page of memory.
const IMPORTS: &str = r#"
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get"
        (func $clock_time_get (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_sizes_get"
        (func $environ_sizes_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get"
        (func $args_sizes_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_prestat_get"
        (func $fd_prestat_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff"
        (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    ;; Writes memory[at, at+len) to a stream.
    (func $write (param $fd i32) (param $at i32) (param $len i32)
        (i32.store (i32.const 0) (local.get $at))
        (i32.store (i32.const 4) (local.get $len))
        (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
    ;; Writes {"data": "<len bytes at 1024, as letters from a to p>"}.
    (func $show (param $len i32) (local $i i32) (local $b i32)
        (loop $next
            (local.set $b (i32.load8_u (i32.add (i32.const 1024) (local.get $i))))
            (i32.store8 (i32.add (i32.const 2048) (i32.mul (local.get $i) (i32.const 2)))
                (i32.add (i32.const 97) (i32.shr_u (local.get $b) (i32.const 4))))
            (i32.store8 (i32.add (i32.const 2049) (i32.mul (local.get $i) (i32.const 2)))
                (i32.add (i32.const 97) (i32.and (local.get $b) (i32.const 15))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $i) (local.get $len))))
        (call $write (i32.const 1) (i32.const 16) (i32.const 9))
        (call $write (i32.const 1) (i32.const 2048) (i32.mul (local.get $len) (i32.const 2)))
        (call $write (i32.const 1) (i32.const 25) (i32.const 2)))
    (data (i32.const 16) "{\"data\":\"\"}")
"#;

/// A module whose `_start` is `body`, with `text` at address 64.
fn module(text: &str, body: &str) -> Bytes {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let source = format!(
        "(module {IMPORTS} (data (i32.const 64) \"{text}\") (func (export \"_start\") {body}))"
    );
    Bytes::from(wat::parse_str(source).unwrap())
}

/// A module that writes `text` to stdout and ends as `then` says.
fn printer(text: &str, then: &str) -> Bytes {
    let write = format!("(call $write (i32.const 1) (i32.const 64) (i32.const {}))", text.len());
    module(text, &format!("{write} {then}"))
}

fn runner_with(config: RunnerConfig) -> WasmRunner {
    WasmRunner::new(config).unwrap()
}

fn runner() -> WasmRunner {
    runner_with(RunnerConfig::default())
}

fn invocation(module: Digest) -> Invocation {
    Invocation {
        module,
        input: Bytes::from_static(b"{\"data\":1}"),
        limits: Limits {
            memory_bytes: 16 * MIB,
            timeout: Duration::from_secs(20),
            cpu_time: Duration::from_secs(20),
            fuel: None,
        },
        seed: [1; 32],
        clock_unix_ms: 1_700_000_000_123,
        granted: Granted::default(),
    }
}

async fn loaded(runner: &WasmRunner, bytes: &Bytes) -> Invocation {
    let digest = Digest::of(bytes);
    runner.load(digest, bytes.clone()).await.unwrap();
    invocation(digest)
}

async fn run(bytes: Bytes) -> Result<Output, RunError> {
    let runner = runner();
    let call = loaded(&runner, &bytes).await;
    runner.run(call).await
}

fn code(result: &Result<Output, RunError>) -> &'static str {
    result.as_ref().map_or_else(RunError::code, |_| "ok")
}

#[tokio::test]
async fn output_is_canonical_data_alone() {
    let output = run(printer(r#"{ "x": 1, "data": {"b": 1.50, "a": []} }"#, "")).await.unwrap();
    assert_eq!(output.data, br#"{"a":[],"b":1.5}"#[..]);
    assert!(output.fuel_used > 0 && output.stderr_tail.is_empty());
}

#[tokio::test]
async fn what_is_written_is_checked() {
    for (text, expected) in [
        (r#"{"error": "why"}"#, "app_error"),
        ("{\"data\": ", "bad_json"),
        ("[1]", "bad_json"),
        ("", "bad_json"),
    ] {
        let result = run(printer(text, "")).await;
        assert_eq!(code(&result), expected, "{text}: {result:?}");
        assert!(result.unwrap_err().blames_application());
    }
}

#[tokio::test]
async fn a_trap_is_reported_with_the_end_of_stderr() {
    let write = "(call $write (i32.const 2) (i32.const 64) (i32.const 11))";
    let error = run(module("last words\n", &format!("{write} unreachable"))).await.unwrap_err();
    assert_eq!((error.code(), error.stderr_tail()), ("trap", "last words\n"));
    assert!(error.to_string().contains("unreachable"), "{error}");
    let recursion = format!(
        "(module {IMPORTS} (func $f (call $f) (call $f)) (func (export \"_start\") (call $f)))"
    );
    let error = run(Bytes::from(wat::parse_str(recursion).unwrap())).await.unwrap_err();
    assert!(error.to_string().contains("stack"), "{error}");
}

#[tokio::test]
async fn an_endless_loop_ends_at_its_timeout() {
    let runner = runner();
    let mut call = loaded(&runner, &module("", "(loop $l (br $l))")).await;
    call.limits.timeout = Duration::from_millis(40);
    let started = Instant::now();
    let result = runner.run(call).await;
    assert!(matches!(result, Err(RunError::Timeout { timeout_ms: 40, .. })), "{result:?}");
    assert!(started.elapsed() >= Duration::from_millis(40));
}

#[tokio::test]
async fn an_endless_loop_ends_when_its_cpu_time_is_used_up() {
    let runner = runner();
    let mut call = loaded(&runner, &module("", "(loop $l (br $l))")).await;
    call.limits.cpu_time = Duration::from_millis(40);
    let started = Instant::now();
    let error = runner.run(call).await.unwrap_err();
    assert!(matches!(error, RunError::CpuTime { cpu_ms: 40, .. }), "{error:?}");
    assert!(error.blames_application() && error.to_string().contains("cpu_millis"), "{error}");
    assert!(started.elapsed() >= Duration::from_millis(40));
}

/// Threads that keep the machine busy take wall time, not the call's CPU time.
#[tokio::test]
async fn what_other_threads_use_is_not_the_calls() {
    let runner = runner();
    let mut call = loaded(&runner, &module("", "(loop $l (br $l))")).await;
    call.limits.cpu_time = Duration::from_millis(200);
    let (first, second) = tokio::join!(runner.run(call.clone()), runner.run(call));
    for result in [first, second] {
        assert!(matches!(result, Err(RunError::CpuTime { cpu_ms: 200, .. })), "{result:?}");
    }
}

#[tokio::test]
async fn fuel_ends_a_loop_at_the_same_instruction_each_time() {
    let runner = runner();
    let body = "(loop $l
        (i32.store (i32.const 1024) (i32.add (i32.load (i32.const 1024)) (i32.const 1)))
        (call $write (i32.const 2) (i32.const 1024) (i32.const 4)) (br $l))";
    let mut call = loaded(&runner, &module("", body)).await;
    call.limits.fuel = Some(100_000);
    let (one, two) = (runner.run(call.clone()).await, runner.run(call).await);
    assert!(matches!(one, Err(RunError::OutOfFuel { fuel: 100_000, .. })), "{one:?}");
    assert_eq!(one, two, "the same count was written last");
}

#[tokio::test]
async fn equal_calls_use_equal_fuel() {
    let runner = runner();
    let call = loaded(&runner, &printer(r#"{"data":1}"#, "")).await;
    let one = runner.run(call.clone()).await.unwrap();
    let two = runner.run(call).await.unwrap();
    assert_eq!((one.fuel_used, one.data), (two.fuel_used, two.data));
}

#[tokio::test]
async fn memory_stops_growing_at_its_cap() {
    let grow = "(if (i32.eq (memory.grow (i32.const 255)) (i32.const -1)) (then unreachable))";
    let fits = printer(r#"{"data":1}"#, grow);
    assert_eq!(code(&run(fits).await), "ok", "16 MiB are allowed");
    let grow = grow.replace("255", "256");
    let result = run(printer(r#"{"data":1}"#, &grow)).await;
    assert!(
        matches!(result, Err(RunError::OutOfMemory { memory_bytes, .. }) if memory_bytes == 16 * MIB),
        "{result:?}"
    );
    let copes = "(drop (memory.grow (i32.const 1000)))";
    assert_eq!(code(&run(printer(r#"{"data":1}"#, copes)).await), "ok");
    let source = "(module (memory (export \"memory\") 1000) (func (export \"_start\")))";
    let result = run(Bytes::from(wat::parse_str(source).unwrap())).await;
    assert_eq!(code(&result), "out_of_memory", "{result:?}");
}

#[tokio::test]
async fn a_flood_of_output_is_stopped_and_one_of_stderr_cut() {
    let config = RunnerConfig { output_bytes_max: 100_000, ..RunnerConfig::default() };
    let max = config.stdout_bytes_max();
    let runner = runner_with(config);
    let flood = "(loop $l (call $write (i32.const FD) (i32.const 64) (i32.const 50000)) (br $l))";
    let call = loaded(&runner, &module("", &flood.replace("FD", "1"))).await;
    let result = runner.run(call).await;
    assert!(
        matches!(result, Err(RunError::StdoutTooLarge { max_bytes, .. }) if max_bytes == max),
        "{result:?}"
    );
    let mut call = loaded(&runner, &module("", &flood.replace("FD", "2"))).await;
    call.limits.fuel = Some(10_000);
    let error = runner.run(call).await.unwrap_err();
    assert_eq!((error.code(), error.stderr_tail().len()), ("out_of_fuel", 4 * 1024));
}

#[tokio::test]
async fn exit_codes() {
    let exit = |status: i32| format!("(call $proc_exit (i32.const {status}))");
    assert_eq!(code(&run(printer(r#"{"data":1}"#, &exit(0))).await), "ok");
    let result = run(printer(r#"{"data":1}"#, &exit(3))).await;
    assert!(matches!(result, Err(RunError::Exit { code: 3, .. })), "{result:?}");
    let result = run(printer(r#"{"error":"mine"}"#, &exit(3))).await;
    assert!(matches!(&result, Err(RunError::App { message, .. }) if message == "mine"));
}

#[tokio::test]
async fn input_arrives_on_stdin() {
    let body = "(i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 9000))
        (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
        (call $write (i32.const 1) (i32.const 64) (i32.load (i32.const 8)))";
    let output = run(module("", body)).await.unwrap();
    assert_eq!(output.data, b"1"[..]);
}

#[tokio::test]
async fn an_input_over_the_limit_is_refused() {
    let runner = runner_with(RunnerConfig { input_bytes_max: 5, ..RunnerConfig::default() });
    let call = loaded(&runner, &printer(r#"{"data":1}"#, "")).await;
    let result = runner.run(call).await;
    assert_eq!(result, Err(RunError::InputTooLarge { got_bytes: 10, max_bytes: 5 }));
}

#[tokio::test]
async fn randomness_comes_from_the_seed() {
    let runner = runner();
    let body =
        "(drop (call $random_get (i32.const 1024) (i32.const 16))) (call $show (i32.const 16))";
    let call = loaded(&runner, &module("", body)).await;
    let one = runner.run(call.clone()).await.unwrap().data;
    assert_eq!(one, runner.run(call.clone()).await.unwrap().data);
    let other = Invocation { seed: [2; 32], ..call };
    assert_ne!(one, runner.run(other).await.unwrap().data);
    assert_ne!(one, format!("\"{}\"", "a".repeat(32)));
}

#[tokio::test]
async fn a_huge_random_get_is_refused() {
    let body = "(drop (memory.grow (i32.const 100)))
        (drop (call $random_get (i32.const 1024) (i32.const 1000000)))";
    assert_eq!(code(&run(module("", body)).await), "trap");
}

#[tokio::test]
async fn the_clock_shows_the_given_time_and_stands_still() {
    let read = |clock: u32, at: u32| {
        format!("(drop (call $clock_time_get (i32.const {clock}) (i64.const 0) (i32.const {at})))")
    };
    let body = [read(0, 1024), read(0, 1032), read(1, 1040), "(call $show (i32.const 24))".into()];
    let output = run(module("", &body.concat())).await.unwrap();
    let nanos: u64 = 1_700_000_000_123 * 1_000_000;
    let letters: String = [nanos.to_le_bytes(), nanos.to_le_bytes(), [0; 8]]
        .concat()
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(b'a' + digit))
        .collect();
    assert_eq!(output.data, format!("\"{letters}\""));
}

#[tokio::test]
async fn no_environment_no_files_no_sleep() {
    let body = "(drop (call $environ_sizes_get (i32.const 1024) (i32.const 1028)))
        (drop (call $args_sizes_get (i32.const 1032) (i32.const 1036)))
        (i32.store (i32.const 1040) (call $fd_prestat_get (i32.const 3) (i32.const 1100)))
        (call $show (i32.const 20))";
    let output = run(module("", body)).await.unwrap();
    let none = "aaaaaaaa".repeat(4);
    // 8 is EBADF: there is no first folder.
    assert_eq!(output.data, format!("\"{none}aiaaaaaa\""));
    let sleep =
        "(drop (call $poll_oneoff (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 8)))";
    let error = run(module("", sleep)).await.unwrap_err();
    assert!(error.to_string().contains("stands still"), "{error}");
}

#[tokio::test]
async fn modules_that_cannot_run_are_refused_with_the_reason() {
    let memory = "(memory (export \"memory\") 1)";
    for (source, part) in [
        (format!("(module {memory})"), "no `_start`"),
        (format!("(module {memory} (func (export \"_start\") (param i32)))"), "without parameters"),
        ("(module (func (export \"_start\")))".to_owned(), "no `memory`"),
        (
            format!("(module (import \"env\" \"f\" (func)) {memory} (func (export \"_start\")))"),
            "imports `f` from `env`",
        ),
        (
            format!(
                "(module (import \"wasi_snapshot_preview1\" \"fd_write\" (func)) {memory} \
                 (func (export \"_start\")))"
            ),
            "fd_write",
        ),
    ] {
        let error = WasmRunner::validate(&wat::parse_str(&source).unwrap()).unwrap_err();
        assert_eq!(error.code(), "incompatible_module", "{source}");
        assert!(error.to_string().contains(part), "{source}: {error}");
    }
    for (bytes, part) in [
        (&b""[..], "empty"),
        (&b"#!/bin/sh"[..], "#!/bin/s"),
        (&b"\0asm\x0d\0\x01\0"[..], "component"),
        (&b"\0asm\x01\0\0\0\xff\xff"[..], "not a WebAssembly module"),
    ] {
        let error = WasmRunner::validate(bytes).unwrap_err();
        assert_eq!(error.code(), "not_wasm");
        assert!(error.to_string().contains(part), "{error}");
    }
    assert_eq!(WasmRunner::validate(&printer("{}", "")), Ok(()));
}

#[tokio::test]
async fn only_the_bytes_of_the_digest_are_loaded() {
    let runner = runner_with(RunnerConfig { module_bytes_max: 1_000, ..RunnerConfig::default() });
    let expected = Digest::of(b"other");
    let error = runner.load(expected, Bytes::from_static(b"x")).await.unwrap_err();
    assert_eq!(error, RunError::DigestMismatch { expected, got: Digest::of(b"x") });
    assert!(!error.blames_application() && !runner.is_loaded(&expected));
    let missing = runner.run(invocation(expected)).await;
    assert_eq!(missing, Err(RunError::MissingModule { module: expected }));
    let large = Bytes::from(vec![0; 1_001]);
    let error = runner.load(Digest::of(&large), large).await.unwrap_err();
    assert_eq!(error.code(), "module_too_large");
}

#[tokio::test]
async fn the_least_recently_used_module_makes_room() {
    let modules = [1, 2, 3].map(|number| printer(&format!("{{\"data\":{number}}}"), ""));
    let [one, two, three] = [0, 1, 2].map(|at: usize| Digest::of(&modules[at]));
    // Code takes whole pages: find out how many, so that two modules fit and three don't.
    let code_bytes = super::sandbox::Sandbox::new()
        .and_then(|sandbox| sandbox.compile(&modules[0], usize::MAX))
        .map(|compiled| compiled.code_bytes)
        .unwrap();
    let cache_bytes_max = code_bytes * 2 + code_bytes / 2;
    let runner = runner_with(RunnerConfig { cache_bytes_max, ..RunnerConfig::default() });
    for bytes in &modules[..2] {
        loaded(&runner, bytes).await;
    }
    runner.run(invocation(one)).await.unwrap();
    loaded(&runner, &modules[2]).await;
    assert_eq!([one, two, three].map(|digest| runner.is_loaded(&digest)), [true, false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_run_side_by_side_while_others_fail() {
    let runner = runner();
    let good = loaded(&runner, &printer(r#"{"data":1}"#, "")).await;
    let bad = loaded(&runner, &module("", "unreachable")).await;
    let calls: Vec<_> = (0..40)
        .map(|number| {
            let call = if number % 2 == 0 { good.clone() } else { bad.clone() };
            let runner = runner.clone();
            tokio::spawn(async move { (number, runner.run(call).await) })
        })
        .collect();
    for call in calls {
        let (number, result) = call.await.unwrap();
        assert_eq!(code(&result), if number % 2 == 0 { "ok" } else { "trap" });
    }
}

#[tokio::test]
async fn one_call_too_many_is_refused_and_a_dropped_call_ends() {
    let config =
        RunnerConfig { threads: NonZero::<usize>::MIN, waiting_max: 1, ..RunnerConfig::default() };
    let runner = runner_with(config);
    let endless = loaded(&runner, &module("", "(loop $l (br $l))")).await;
    let quick = loaded(&runner, &printer(r#"{"data":1}"#, "")).await;

    let mut running = Box::pin(runner.run(endless));
    let mut waiting = Box::pin(runner.run(quick.clone()));
    assert!(poll_once(running.as_mut()).await.is_none());
    assert!(poll_once(waiting.as_mut()).await.is_none());
    assert_eq!(runner.run(quick).await, Err(RunError::Busy { waiting: 1 }));
    drop(running);
    assert_eq!(code(&waiting.await), "ok", "the dropped call gave its thread back");
}

/// Polls once; `None` while it is pending.
async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match future.as_mut().poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

/// The sample that passes its data on.
fn noop() -> Bytes {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../apps/modules/noop.wasm");
    Bytes::from(std::fs::read(path).unwrap())
}

#[tokio::test]
async fn data_of_exactly_the_limit_fits_whatever_is_around_it() {
    let runner = runner();
    let mut call = loaded(&runner, &noop()).await;
    call.limits.memory_bytes = 64 * MIB;
    let max_bytes = usize::try_from(OUTPUT_BYTES_MAX).unwrap();
    for (bytes, expected) in [(max_bytes, "ok"), (max_bytes + 1, "output_too_large")] {
        let text = "x".repeat(bytes - 2);
        call.input = format!("{{\"data\": \"{text}\"}}").into();
        let result = runner.run(call.clone()).await;
        assert_eq!(code(&result), expected, "{bytes} bytes");
        match result {
            Ok(output) => assert_eq!(output.data.len(), bytes),
            Err(error) => assert_eq!(
                error.to_string(),
                format!("the output's data has {bytes} bytes, at most {max_bytes} are allowed")
            ),
        }
    }
}

#[tokio::test]
async fn the_no_op_application_runs() {
    let runner = runner();
    let mut call = loaded(&runner, &noop()).await;
    call.input = Bytes::from_static(
        br#"{"data": [1, 2], "inputs": {}, "params": {}, "total_task_time": 0}"#,
    );
    assert_eq!(code(&runner.run(call).await), "ok");
}
