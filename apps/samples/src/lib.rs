//! Small sample applications that benchmarks and tests run.
//!
//! `noop` passes its data through unchanged: what is left of a request's time is then the
//! framework's own. No dependencies, so that the module is as small as std allows.

mod passthrough;

pub use passthrough::{Refused, data_of};

/// The built `noop` module; `cargo xtask apps build` makes it.
#[cfg(feature = "host")]
pub const NOOP: &[u8] = include_bytes!("../../modules/noop.wasm");
