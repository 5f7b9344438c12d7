//! The sample applications' built modules: made by `build`, guarded by `check`.
//!
//! The modules are committed so that a user needs no wasm toolchain. `MANIFEST.json` beside
//! them ties each to its bytes and to the sources it was made from.

mod build;
mod check;
mod manifest;
mod sources;
mod toolchain;

pub use build::build;
pub use check::check;

/// A wasm module, the binary target it is built from and that target's package.
struct Module {
    name: &'static str,
    package: &'static str,
    /// The package's folder under `apps/`.
    folder: &'static str,
}

const MODULES: [Module; 4] = [
    Module { name: "process-sensor-data", package: "cold-chain", folder: "cold-chain" },
    Module { name: "detect-anomalies", package: "cold-chain", folder: "cold-chain" },
    Module { name: "generate-alerts", package: "cold-chain", folder: "cold-chain" },
    Module { name: "noop", package: "samples", folder: "samples" },
];

/// Where the modules are kept, from the root.
const MODULES_FOLDER: &str = "apps/modules";
