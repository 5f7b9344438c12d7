//! Container applications: one warm container per application over the Docker Engine API, which
//! answers each TCP connection on port 12345 with one JSON object (DESIGN, "What an application
//! is"; ADR 0009).
//!
//! - `runner`: what the node asks for; `config`: in which words;
//! - `engine`: the engine's API, and whether it is there;
//! - `load`: images from files that the node has checked; `create`: limits of a container;
//! - `instance`: a container is begun, watched and begun again;
//! - `call`, `scanner`: one connection, one object each way;
//! - `egress`: the way out of a container's network, to granted hosts alone.
//!
//! Invariants: the engine never talks to a registry; a container has no capabilities, no
//! writable root and no way out of its network but through `egress`; what belongs to another
//! node on the same engine is never touched; every call, wait and queue is bounded.

mod call;
mod config;
mod create;
mod egress;
mod engine;
mod error;
mod instance;
mod load;
mod runner;
mod scanner;

pub use config::{
    ContainerConfig, ContainerOutput, EngineState, ImageFiles, InstanceSpec, InstanceState,
    LayerFile,
};
pub use error::ContainerError;
pub use runner::ContainerRunner;
