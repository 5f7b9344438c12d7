//! Why a module was refused or a call gave nothing. Sizes are in bytes.

use crate::text::shorten;
use trustmesh_types::Digest;

/// A module was refused, or a call gave no output.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The bytes are not a WebAssembly core module.
    #[error("not a WebAssembly module: {reason}; build it for wasm32-wasip1")]
    NotWasm {
        /// What was found.
        reason: String,
    },
    /// The module asks for something an application doesn't get, or isn't a WASI command.
    #[error("not a WASI preview 1 command: {reason}; build it for wasm32-wasip1")]
    Incompatible {
        /// The import or export in question.
        reason: String,
    },
    /// The module is larger than this node compiles, or its machine code than the cache.
    #[error(
        "the module takes {got_bytes} bytes, this node's limit is {max_bytes}: make it smaller \
         or raise the limit"
    )]
    ModuleTooLarge {
        /// Size of the module or of its machine code.
        got_bytes: usize,
        /// The limit.
        max_bytes: usize,
    },
    /// The bytes are not those that the ledger names.
    #[error("the module's bytes have digest {got}, expected {expected}")]
    DigestMismatch {
        /// What was asked for.
        expected: Digest,
        /// What the bytes have.
        got: Digest,
    },
    /// The module is not loaded (any more).
    #[error("module {module} is not loaded: load it and call again")]
    MissingModule {
        /// The module's digest.
        module: Digest,
    },
    /// The input is larger than this node takes.
    #[error("the task's input has {got_bytes} bytes, at most {max_bytes} are allowed")]
    InputTooLarge {
        /// Size of the input.
        got_bytes: usize,
        /// The limit.
        max_bytes: usize,
    },
    /// The application trapped.
    #[error("the application crashed: {message}")]
    Trap {
        /// The trap.
        message: String,
        /// The end of stderr.
        stderr_tail: String,
    },
    /// The application ran for too long by the wall's clock.
    #[error(
        "the application did not end within {timeout_ms} ms, of which it had a processor for \
         {cpu_ms} ms: raise the task's timeout"
    )]
    Timeout {
        /// The task's timeout.
        timeout_ms: u64,
        /// CPU time that it used; far less than the timeout on a node that is too busy.
        cpu_ms: u64,
        /// The end of stderr.
        stderr_tail: String,
    },
    /// The application used up its CPU time.
    #[error(
        "the application used up its {cpu_ms} ms of CPU time: raise cpu_millis in its \
         requirements or the task's timeout"
    )]
    CpuTime {
        /// The call's CPU time.
        cpu_ms: u64,
        /// The end of stderr.
        stderr_tail: String,
    },
    /// The application used up its instructions.
    #[error("the application did not end within {fuel} units of fuel")]
    OutOfFuel {
        /// The call's fuel.
        fuel: u64,
        /// The end of stderr.
        stderr_tail: String,
    },
    /// The application was refused memory and gave up.
    #[error(
        "the application needs more than its {memory_bytes} bytes of memory: raise \
         memory_bytes in its requirements"
    )]
    OutOfMemory {
        /// The call's memory.
        memory_bytes: u64,
        /// The end of stderr.
        stderr_tail: String,
    },
    /// What the application wrote to stdout is not `{"data": …}` or `{"error": "…"}`.
    #[error("the application's output is no valid result: {reason}")]
    BadJson {
        /// What was wrong, and where.
        reason: String,
        /// The end of stderr.
        stderr_tail: String,
    },
    /// The application wrote too much, so that it was stopped.
    #[error("the application wrote more than {max_bytes} bytes to stdout")]
    StdoutTooLarge {
        /// The limit.
        max_bytes: usize,
        /// The end of stderr.
        stderr_tail: String,
    },
    /// The application's output has too much data.
    #[error("the output's data has {got_bytes} bytes, at most {max_bytes} are allowed")]
    OutputTooLarge {
        /// Size of the data, as canonical JSON.
        got_bytes: usize,
        /// The limit.
        max_bytes: usize,
        /// The end of stderr.
        stderr_tail: String,
    },
    /// The application reported an error of its own.
    #[error("the application reports: {message}")]
    App {
        /// Its `error`, cut to a bounded length.
        message: String,
        /// The end of stderr.
        stderr_tail: String,
    },
    /// The application ended with an exit code and no reported error.
    #[error("the application ended with exit code {code}")]
    Exit {
        /// The exit code.
        code: i32,
        /// The end of stderr.
        stderr_tail: String,
    },
    /// Too many calls wait already.
    #[error("{waiting} calls wait for a thread already; try again later")]
    Busy {
        /// Calls that wait.
        waiting: usize,
    },
    /// The caller went away before the call ended.
    #[error("the call was cancelled")]
    Cancelled,
    /// The engine itself failed: a fault of this node, not of the application.
    #[error("the WebAssembly engine failed on this node: {reason}")]
    Engine {
        /// What it said.
        reason: String,
    },
}

impl RunError {
    /// A stable name of the kind of failure, for records and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotWasm { .. } => "not_wasm",
            Self::Incompatible { .. } => "incompatible_module",
            Self::ModuleTooLarge { .. } => "module_too_large",
            Self::DigestMismatch { .. } => "module_digest_mismatch",
            Self::MissingModule { .. } => "missing_module",
            Self::InputTooLarge { .. } => "input_too_large",
            Self::Trap { .. } => "trap",
            Self::Timeout { .. } => "timeout",
            Self::CpuTime { .. } => "cpu_time",
            Self::OutOfFuel { .. } => "out_of_fuel",
            Self::OutOfMemory { .. } => "out_of_memory",
            Self::BadJson { .. } => "bad_json",
            Self::StdoutTooLarge { .. } => "stdout_too_large",
            Self::OutputTooLarge { .. } => "output_too_large",
            Self::App { .. } => "app_error",
            Self::Exit { .. } => "exit_code",
            Self::Busy { .. } => "busy",
            Self::Cancelled => "cancelled",
            Self::Engine { .. } => "engine",
        }
    }

    /// Whether the application (or its input) is to blame, so that a signed failure is
    /// due. Otherwise this node is, for now, and may try again.
    #[must_use]
    pub const fn blames_application(&self) -> bool {
        !matches!(
            self,
            Self::MissingModule { .. }
                | Self::DigestMismatch { .. }
                | Self::Busy { .. }
                | Self::Cancelled
                | Self::Engine { .. }
        )
    }

    /// The end of stderr, empty where the application never ran.
    #[must_use]
    pub fn stderr_tail(&self) -> &str {
        match self {
            Self::Trap { stderr_tail, .. }
            | Self::Timeout { stderr_tail, .. }
            | Self::CpuTime { stderr_tail, .. }
            | Self::OutOfFuel { stderr_tail, .. }
            | Self::OutOfMemory { stderr_tail, .. }
            | Self::BadJson { stderr_tail, .. }
            | Self::StdoutTooLarge { stderr_tail, .. }
            | Self::OutputTooLarge { stderr_tail, .. }
            | Self::App { stderr_tail, .. }
            | Self::Exit { stderr_tail, .. } => stderr_tail,
            _ => "",
        }
    }

    /// The engine's failure, as ours.
    pub(crate) fn engine(error: &dyn std::fmt::Display) -> Self {
        Self::Engine { reason: shorten(error.to_string()) }
    }
}

/// Why the sandbox ends a call, carried through the engine as the error of a host function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    #[error("deadline passed")]
    Deadline,
    #[error("CPU time used up")]
    CpuTime,
    #[error("cancelled")]
    Cancelled,
    #[error("stdout is full")]
    OutputFull,
    #[error("poll_oneoff is not available: an application's clock stands still, so it can't sleep")]
    Sleep,
}
