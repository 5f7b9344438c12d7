//! The engine's settings and what a module may import.
//!
//! Invariants: a module's meaning is the same on every machine (NaNs in one form, no relaxed
//! SIMD, no threads); a module that compiles here can be started without further checks.

use super::error::{RunError, Stop};
use super::host::Host;
use crate::text::shorten;
use wasmtime::{Config, Engine, ExternType, InstancePre, Linker, Module, OptLevel};
use wasmtime_wasi::p1;

const WASI: &str = "wasi_snapshot_preview1";
const STACK_BYTES_MAX: usize = 512 * 1024;
const CORE_MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";
const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";

/// An engine and its host functions.
pub(crate) struct Sandbox {
    engine: Engine,
    linker: Linker<Host>,
}

/// A compiled module, ready to be instantiated.
#[derive(Clone)]
pub(crate) struct Compiled {
    pub(crate) pre: InstancePre<Host>,
    /// What its machine code takes in memory.
    pub(crate) code_bytes: usize,
}

impl Sandbox {
    pub(crate) fn new() -> Result<Self, RunError> {
        let mut config = Config::new();
        config
            .consume_fuel(true)
            .epoch_interruption(true)
            .max_wasm_stack(STACK_BYTES_MAX)
            .wasm_backtrace_max_frames(None)
            .cranelift_opt_level(OptLevel::Speed)
            .cranelift_nan_canonicalization(true)
            .wasm_relaxed_simd(false)
            .wasm_multi_memory(false)
            .wasm_memory64(false);
        let engine = Engine::new(&config).map_err(|error| RunError::engine(&error))?;
        let linker = link(&engine).map_err(|error| RunError::engine(&error))?;
        Ok(Self { engine, linker })
    }

    pub(crate) const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Compiles a module of at most `module_bytes_max` bytes and checks that it is a command.
    pub(crate) fn compile(
        &self,
        bytes: &[u8],
        module_bytes_max: usize,
    ) -> Result<Compiled, RunError> {
        if bytes.len() > module_bytes_max {
            return Err(RunError::ModuleTooLarge {
                got_bytes: bytes.len(),
                max_bytes: module_bytes_max,
            });
        }
        check_magic(bytes)?;
        let module = Module::new(&self.engine, bytes)
            .map_err(|error| RunError::NotWasm { reason: shorten(format!("{error:#}")) })?;
        check_command(&module)?;
        let pre = self
            .linker
            .instantiate_pre(&module)
            .map_err(|error| RunError::Incompatible { reason: shorten(format!("{error:#}")) })?;
        let image = module.image_range();
        let code_bytes = image.end.addr().saturating_sub(image.start.addr());
        Ok(Compiled { pre, code_bytes })
    }
}

fn link(engine: &Engine) -> wasmtime::Result<Linker<Host>> {
    let mut linker: Linker<Host> = Linker::new(engine);
    p1::add_to_linker_sync(&mut linker, |host| &mut host.wasi)?;
    // The library's own one would sleep in the host, where no deadline is seen.
    linker.allow_shadowing(true);
    linker.func_wrap(
        WASI,
        "poll_oneoff",
        |_: i32, _: i32, _: i32, _: i32| -> wasmtime::Result<i32> { Err(Stop::Sleep.into()) },
    )?;
    linker.allow_shadowing(false);
    Ok(linker)
}

fn check_magic(bytes: &[u8]) -> Result<(), RunError> {
    if bytes.starts_with(&CORE_MODULE) {
        return Ok(());
    }
    let reason = if bytes.is_empty() {
        "it is empty".to_owned()
    } else if bytes.starts_with(&COMPONENT) {
        "it is a component, not a core module".to_owned()
    } else {
        let start = bytes.get(..bytes.len().min(CORE_MODULE.len())).unwrap_or_default();
        format!("it starts with {}", start.escape_ascii())
    };
    Err(RunError::NotWasm { reason })
}

fn check_command(module: &Module) -> Result<(), RunError> {
    let refused = |reason: String| Err(RunError::Incompatible { reason: shorten(reason) });
    if let Some(foreign) = module.imports().find(|import| import.module() != WASI) {
        return refused(format!(
            "it imports `{}` from `{}`, applications get `{WASI}` alone",
            foreign.name(),
            foreign.module()
        ));
    }
    match module.get_export("_start") {
        Some(ExternType::Func(start)) if start.params().len() + start.results().len() == 0 => {}
        Some(_) => {
            return refused("its `_start` is not a function without parameters".to_owned());
        }
        None => return refused("it exports no `_start`".to_owned()),
    }
    if !matches!(module.get_export("memory"), Some(ExternType::Memory(_))) {
        return refused("it exports no `memory`".to_owned());
    }
    Ok(())
}
