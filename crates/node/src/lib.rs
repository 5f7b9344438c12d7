//! The node daemon: configuration, keys, the driver that turns the world into the agent's
//! inputs and the agent's effects into deeds, the HTTP API, and local meshes of real
//! processes.
//!
//! `run` assembles a node. What it decides is `trustmesh_agent`'s and `trustmesh_state`'s;
//! this crate has the clock, the sockets and the disk.
//!
//! Invariants: a data directory is used by one process of one node of one network (`guard`);
//! every queue, body, wait and connection is bounded, and what one member may take of them
//! (`config::HttpLimits`, `config::Admission`, `driver`); nothing that comes from outside ends
//! the process.

mod apps;
mod clock;
pub mod config;
mod driver;
mod error;
mod feed;
mod guard;
mod history;
mod http;
pub mod inspect;
pub mod join;
pub mod keystore;
pub mod local;
mod mailbox;
mod metrics;
mod pruning;
mod readying;
mod recorder;
pub mod restore;
mod run;
mod sampling;
mod stop;
mod telemetry;
mod tls;
mod upkeep;

pub use apps::Peer;
pub use config::NodeConfig;
pub use error::NodeError;
pub use run::{run, run_node, snapshot_path};
