//! A node's configuration: a TOML file, with `TRUSTMESH_NODE_*` variables put over it.
//!
//! Relative paths are relative to the file. An unknown field is an error with its line.

mod environment;
mod error;
mod file;
#[cfg(test)]
mod tests;

pub use error::ConfigError;
pub use file::{
    Admission, Containers, HttpLimits, Listen, Log, LogFormat, NodeConfig, Retention, Storage,
    Testing,
};
