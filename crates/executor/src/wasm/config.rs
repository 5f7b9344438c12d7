//! What a runner is given and gives. Sizes are in bytes.

use bytes::Bytes;
use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;
use trustmesh_types::{
    Digest,
    limits::{MODULE_BYTES_MAX, OUTPUT_BYTES_MAX},
};

const MIB: usize = 1024 * 1024;
/// What stdout may have beside an output's data: `{"data":…}`, other members, white space.
const ENVELOPE_BYTES_MAX: usize = 64 * 1024;

/// Bounds of a runner as a whole.
#[derive(Clone, Debug)]
pub struct RunnerConfig {
    /// Calls that run at the same time, each on a thread of its own.
    pub threads: NonZero<usize>,
    /// Calls that may wait for a thread; one more is refused as busy.
    pub waiting_max: usize,
    /// Machine code kept compiled; the least recently used module goes first.
    pub cache_bytes_max: usize,
    /// Largest module that is compiled.
    pub module_bytes_max: usize,
    /// Largest input of a call.
    pub input_bytes_max: usize,
    /// Most bytes of an output's data, as canonical JSON. stdout may have 64 KiB more, for what
    /// is around it.
    pub output_bytes_max: usize,
    /// How much of the end of stderr is kept.
    pub stderr_tail_bytes_max: usize,
}

impl Default for RunnerConfig {
    fn default() -> Self {
        Self {
            threads: available_parallelism().unwrap_or(NonZero::<usize>::MIN),
            waiting_max: 1_024,
            cache_bytes_max: 64 * MIB,
            module_bytes_max: usize::try_from(MODULE_BYTES_MAX).unwrap_or(usize::MAX),
            input_bytes_max: 16 * MIB,
            output_bytes_max: usize::try_from(OUTPUT_BYTES_MAX).unwrap_or(usize::MAX),
            stderr_tail_bytes_max: 4 * 1024,
        }
    }
}

impl RunnerConfig {
    /// Most bytes that a call may write to stdout.
    pub(crate) const fn stdout_bytes_max(&self) -> usize {
        self.output_bytes_max.saturating_add(ENVELOPE_BYTES_MAX)
    }
}

/// What one call may use.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Linear memory, in bytes; `memory.grow` fails beyond it.
    pub memory_bytes: u64,
    /// Wall time from the start of the call (not from when it was queued).
    pub timeout: Duration,
    /// Time on a processor. Unlike the timeout, what else the machine does takes nothing of it.
    pub cpu_time: Duration,
    /// Instructions, in wasmtime's fuel units: a bound that every machine meets at the
    /// same instruction. `None` leaves it to the times to end the call.
    pub fuel: Option<u64>,
}

/// One call of an application.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Digest of the module, which must be loaded.
    pub module: Digest,
    /// The JSON object given on stdin.
    pub input: Bytes,
    /// What the call may use.
    pub limits: Limits,
    /// Seed of `random_get`; derive it from the request and the task.
    pub seed: [u8; 32],
    /// What the wall clock shows throughout the call.
    pub clock_unix_ms: u64,
    /// What the application may do beside.
    pub granted: Granted,
}

/// What an application is granted: nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    /// The real clocks instead of the standing one.
    pub clock: bool,
    /// Real randomness instead of the seeded one.
    pub random: bool,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
}

/// What a call gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Canonical JSON (RFC 8785) of the output's `data` alone: what a completion signs.
    pub data: Bytes,
    /// Wall time of the call.
    pub duration: Duration,
    /// Instructions, in wasmtime's fuel units.
    pub fuel_used: u64,
    /// The end of stderr.
    pub stderr_tail: String,
}
