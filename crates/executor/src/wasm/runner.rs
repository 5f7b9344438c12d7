//! The runner: modules that are compiled, and calls on a bounded number of threads.
//!
//! Invariants: at most `threads` calls run and `waiting_max` wait; one module compiles at a
//! time; a call whose future is dropped ends at the next tick and keeps its thread until then.

use super::cache::ModuleCache;
use super::call::call;
use super::config::{Invocation, Output, RunnerConfig};
use super::error::RunError;
use super::sandbox::Sandbox;
use super::ticker::Ticker;
use bytes::Bytes;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, spawn_blocking};
use trustmesh_types::Digest;

/// Runs WebAssembly applications. Clones share one engine, cache and pool.
///
/// Its async functions must be called inside a tokio runtime.
#[derive(Clone)]
pub struct WasmRunner {
    inner: Arc<Inner>,
}

struct Inner {
    config: RunnerConfig,
    sandbox: Sandbox,
    ticker: Ticker,
    modules: Mutex<ModuleCache>,
    compiling: Arc<tokio::sync::Mutex<()>>,
    threads: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Inner {
    fn modules(&self) -> MutexGuard<'_, ModuleCache> {
        // Nothing panics while it is held.
        self.modules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WasmRunner {
    /// Makes a runner.
    ///
    /// # Errors
    /// [`RunError::Engine`] when this machine can't run the engine.
    pub fn new(config: RunnerConfig) -> Result<Self, RunError> {
        let sandbox = Sandbox::new()?;
        let ticker = Ticker::start(sandbox.engine().clone())
            .map_err(|error| RunError::engine(&format!("no thread for the ticker: {error}")))?;
        let threads = config.threads.get().min(Semaphore::MAX_PERMITS);
        Ok(Self {
            inner: Arc::new(Inner {
                modules: Mutex::new(ModuleCache::new(config.cache_bytes_max)),
                config,
                sandbox,
                ticker,
                compiling: Arc::default(),
                threads: Arc::new(Semaphore::new(threads)),
                waiting: AtomicUsize::new(0),
            }),
        })
    }

    /// Checks that `bytes` is a module that a node with default limits would load. It
    /// compiles, so it takes as long as loading; meant for whoever deploys an application.
    ///
    /// # Errors
    /// Those of [`Self::load`], except for the digest.
    pub fn validate(bytes: &[u8]) -> Result<(), RunError> {
        let config = RunnerConfig::default();
        let compiled = Sandbox::new()?.compile(bytes, config.module_bytes_max)?;
        check_code(compiled.code_bytes, config.cache_bytes_max)
    }

    /// Compiles a module, unless it is loaded already.
    ///
    /// # Errors
    /// [`RunError::DigestMismatch`], `ModuleTooLarge`, `NotWasm` or `Incompatible`.
    pub async fn load(&self, module: Digest, bytes: Bytes) -> Result<(), RunError> {
        if self.is_loaded(&module) {
            return Ok(());
        }
        // Compiling takes much memory and every core: one at a time, also when whoever asked
        // goes away meanwhile.
        let turn = Arc::clone(&self.inner.compiling).lock_owned().await;
        if self.is_loaded(&module) {
            return Ok(());
        }
        let inner = Arc::clone(&self.inner);
        let compile = spawn_blocking(move || {
            let got = Digest::of(&bytes);
            if got != module {
                return Err(RunError::DigestMismatch { expected: module, got });
            }
            let compiled = inner.sandbox.compile(&bytes, inner.config.module_bytes_max)?;
            check_code(compiled.code_bytes, inner.config.cache_bytes_max)?;
            inner.modules().insert(module, compiled);
            drop(turn);
            Ok(())
        });
        compile.await.map_err(failed)?
    }

    /// Whether a module can be called without loading it.
    #[must_use]
    pub fn is_loaded(&self, module: &Digest) -> bool {
        self.inner.modules().contains(module)
    }

    /// Runs one call. Dropping the future ends it.
    ///
    /// # Errors
    /// [`RunError`]; see [`RunError::blames_application`].
    pub async fn run(&self, invocation: Invocation) -> Result<Output, RunError> {
        let max_bytes = self.inner.config.input_bytes_max;
        if invocation.input.len() > max_bytes {
            let got_bytes = invocation.input.len();
            return Err(RunError::InputTooLarge { got_bytes, max_bytes });
        }
        let module = invocation.module;
        let compiled =
            self.inner.modules().get(&module).ok_or(RunError::MissingModule { module })?;

        let threads = Arc::clone(&self.inner.threads);
        let thread = match Arc::clone(&threads).try_acquire_owned() {
            Ok(thread) => thread,
            Err(_) => {
                let _waiting = Waiting::enter(&self.inner)?;
                threads.acquire_owned().await.map_err(|error| RunError::engine(&error))?
            }
        };
        let cancel = CancelOnDrop(Arc::new(AtomicBool::new(false)));
        let cancelled = Arc::clone(&cancel.0);
        // The call holds the runner, so that the ticker outlives it.
        let inner = Arc::clone(&self.inner);
        let running = spawn_blocking(move || {
            let ticking = inner.ticker.running();
            let result = call(&compiled, &invocation, &inner.config, &cancelled);
            drop((ticking, thread));
            result
        });
        running.await.map_err(failed)?
    }
}

impl fmt::Debug for WasmRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasmRunner").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

/// A call in the queue, counted while this lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(inner: &'a Inner) -> Result<Self, RunError> {
        let entered = inner.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
            (waiting < inner.config.waiting_max).then_some(waiting + 1)
        });
        match entered {
            Ok(_) => Ok(Self(&inner.waiting)),
            Err(waiting) => Err(RunError::Busy { waiting }),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Ends the call of a future that is dropped; of no effect on one that has ended.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn check_code(code_bytes: usize, max_bytes: usize) -> Result<(), RunError> {
    if code_bytes > max_bytes {
        return Err(RunError::ModuleTooLarge { got_bytes: code_bytes, max_bytes });
    }
    Ok(())
}

/// A blocking thread that panicked, or a runtime that is shutting down.
fn failed(error: JoinError) -> RunError {
    if error.is_cancelled() { RunError::Cancelled } else { RunError::engine(&error) }
}
