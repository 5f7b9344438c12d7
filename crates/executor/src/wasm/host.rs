//! What a call's application can reach: stdin, stdout, stderr, a standing clock, seeded
//! randomness and bounded memory; real ones, and an environment, where they are granted.
//! Nothing else is there.

use super::config::Invocation;
use super::stdio::Capture;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::time::Duration;
use wasmtime::ResourceLimiter;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

/// Most bytes of one `random_get`.
const RANDOM_BYTES_MAX: u64 = 64 * 1024;
/// Most entries of a table, 8 bytes each.
const TABLE_ELEMENTS_MAX: usize = 100_000;
/// Most tables of a module.
const TABLES_MAX: usize = 4;

/// The state of one call.
pub(crate) struct Host {
    pub(crate) wasi: WasiP1Ctx,
    pub(crate) limiter: Limiter,
}

impl Host {
    pub(crate) fn new(invocation: &Invocation, stdout: Capture, stderr: Capture) -> Self {
        let clock = StandingClock { unix_ms: invocation.clock_unix_ms };
        let granted = &invocation.granted;
        let mut wasi = WasiCtxBuilder::new();
        wasi.stdin(MemoryInputPipe::new(invocation.input.clone()))
            .stdout(stdout)
            .stderr(stderr)
            .max_random_size(RANDOM_BYTES_MAX)
            .envs(&granted.environment);
        // The library's own are the real ones.
        if !granted.random {
            wasi.secure_random(ChaCha20Rng::from_seed(invocation.seed));
        }
        if !granted.clock {
            wasi.wall_clock(clock).monotonic_clock(clock);
        }
        let wasi = wasi.build_p1();
        // A limit above what this machine can address is no limit here.
        let memory_bytes = usize::try_from(invocation.limits.memory_bytes).unwrap_or(usize::MAX);
        Self { wasi, limiter: Limiter { memory_bytes, denied_memory: false } }
    }
}

/// Bounds memory and tables, and remembers whether memory was refused.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_bytes: usize,
    pub(crate) denied_memory: bool,
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let allowed = desired <= self.memory_bytes;
        self.denied_memory |= !allowed;
        Ok(allowed)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }

    fn memories(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }
}

/// A clock that shows one moment.
#[derive(Clone, Copy, Debug)]
struct StandingClock {
    unix_ms: u64,
}

impl HostWallClock for StandingClock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.unix_ms)
    }
}

impl HostMonotonicClock for StandingClock {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    fn now(&self) -> u64 {
        0
    }
}
