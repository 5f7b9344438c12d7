//! One call: a fresh store and instance, `_start`, and what its end means.
//!
//! Blocks its thread until the application ends or is ended.

use super::config::{Invocation, Output, RunnerConfig};
use super::error::{RunError, Stop};
use super::host::Host;
use super::sandbox::Compiled;
use super::spent::Spent;
use super::stdio::Capture;
use crate::output::{self, Problem};
use crate::text::shorten;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use wasmtime::{Store, Trap, TypedFunc, UpdateDeadline};
use wasmtime_wasi::I32Exit;

/// Runs `compiled` until it ends, its limits are met or `cancelled` is set.
pub(crate) fn call(
    compiled: &Compiled,
    invocation: &Invocation,
    config: &RunnerConfig,
    cancelled: &Arc<AtomicBool>,
) -> Result<Output, RunError> {
    let spent = Spent::start();
    let stdout = Capture::whole(config.stdout_bytes_max());
    let stderr = Capture::tail(config.stderr_tail_bytes_max);
    let host = Host::new(invocation, stdout.clone(), stderr.clone());
    let fuel = invocation.limits.fuel.unwrap_or(u64::MAX);

    let mut store = prepare(compiled, host, invocation, spent, cancelled)?;
    store.set_fuel(fuel).map_err(|error| RunError::engine(&error))?;
    let ended = match instantiate(compiled, &mut store) {
        Ok(start) => start.call(&mut store, ()),
        Err(error) => Err(error),
    };
    let fuel_used = fuel.saturating_sub(store.get_fuel().unwrap_or(0));
    let denied_memory = store.data().limiter.denied_memory;
    drop(store);

    let (cpu_ms, stderr_tail) = (millis(spent.cpu()), stderr.take_text());
    let end = End { invocation, config, denied_memory, cpu_ms, stdout, stderr_tail };
    let (data, stderr_tail) = end.judge(ended)?;
    Ok(Output { data, duration: spent.wall(), fuel_used, stderr_tail })
}

fn prepare(
    compiled: &Compiled,
    host: Host,
    invocation: &Invocation,
    spent: Spent,
    cancelled: &Arc<AtomicBool>,
) -> Result<Store<Host>, RunError> {
    let mut store = Store::try_new(compiled.pre.module().engine(), host)
        .map_err(|error| RunError::engine(&error))?;
    store.limiter(|host| &mut host.limiter);
    let (timeout, cpu_time) = (invocation.limits.timeout, invocation.limits.cpu_time);
    let cancelled = Arc::clone(cancelled);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| {
        if cancelled.load(Ordering::Relaxed) {
            return Err(Stop::Cancelled.into());
        }
        if spent.wall() >= timeout {
            return Err(Stop::Deadline.into());
        }
        // Called by the application's code, so on the call's own thread.
        if spent.cpu() >= cpu_time {
            return Err(Stop::CpuTime.into());
        }
        Ok(UpdateDeadline::Continue(1))
    });
    Ok(store)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn instantiate(
    compiled: &Compiled,
    store: &mut Store<Host>,
) -> wasmtime::Result<TypedFunc<(), ()>> {
    let instance = compiled.pre.instantiate(&mut *store)?;
    instance.get_typed_func(store, "_start")
}

/// Everything the end of a call is judged by.
struct End<'a> {
    invocation: &'a Invocation,
    config: &'a RunnerConfig,
    denied_memory: bool,
    cpu_ms: u64,
    stdout: Capture,
    stderr_tail: String,
}

impl End<'_> {
    fn judge(self, ended: wasmtime::Result<()>) -> Result<(Bytes, String), RunError> {
        let error = match ended {
            Ok(()) => return self.read_output(),
            Err(error) => error,
        };
        if let Some(I32Exit(code)) = error.downcast_ref::<I32Exit>() {
            return if *code == 0 { self.read_output() } else { Err(self.exited(*code)) };
        }
        if let Some(stop) = error.downcast_ref::<Stop>() {
            return Err(self.stopped(*stop));
        }
        Err(self.crashed(&error))
    }

    fn read_output(self) -> Result<(Bytes, String), RunError> {
        let (stderr_tail, max_bytes) = (self.stderr_tail, self.config.output_bytes_max);
        match output::read(&self.stdout.take()) {
            Ok(data) if data.len() > max_bytes => {
                Err(RunError::OutputTooLarge { got_bytes: data.len(), max_bytes, stderr_tail })
            }
            Ok(data) => Ok((data, stderr_tail)),
            Err(Problem::App(message)) => Err(RunError::App { message, stderr_tail }),
            Err(Problem::Bad(reason)) => Err(RunError::BadJson { reason, stderr_tail }),
        }
    }

    fn exited(self, code: i32) -> RunError {
        if let Err(Problem::App(message)) = output::read(&self.stdout.take()) {
            return RunError::App { message, stderr_tail: self.stderr_tail };
        }
        if self.denied_memory {
            return self.out_of_memory();
        }
        RunError::Exit { code, stderr_tail: self.stderr_tail }
    }

    fn stopped(self, stop: Stop) -> RunError {
        let stderr_tail = self.stderr_tail;
        match stop {
            Stop::Cancelled => RunError::Cancelled,
            Stop::Deadline => {
                let timeout_ms = millis(self.invocation.limits.timeout);
                RunError::Timeout { timeout_ms, cpu_ms: self.cpu_ms, stderr_tail }
            }
            Stop::CpuTime => {
                RunError::CpuTime { cpu_ms: millis(self.invocation.limits.cpu_time), stderr_tail }
            }
            Stop::OutputFull => {
                RunError::StdoutTooLarge { max_bytes: self.config.stdout_bytes_max(), stderr_tail }
            }
            Stop::Sleep => RunError::Trap { message: stop.to_string(), stderr_tail },
        }
    }

    fn crashed(self, error: &wasmtime::Error) -> RunError {
        let trap = error.downcast_ref::<Trap>();
        if trap == Some(&Trap::OutOfFuel) {
            let fuel = self.invocation.limits.fuel.unwrap_or(u64::MAX);
            return RunError::OutOfFuel { fuel, stderr_tail: self.stderr_tail };
        }
        if self.denied_memory {
            return self.out_of_memory();
        }
        let message = trap.map_or_else(|| format!("{error:#}"), ToString::to_string);
        RunError::Trap { message: shorten(message), stderr_tail: self.stderr_tail }
    }

    fn out_of_memory(self) -> RunError {
        let memory_bytes = self.invocation.limits.memory_bytes;
        RunError::OutOfMemory { memory_bytes, stderr_tail: self.stderr_tail }
    }
}
