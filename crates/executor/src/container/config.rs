//! What a runner is given and gives. Sizes are in bytes.

use bytes::Bytes;
use std::{path::PathBuf, time::Duration};
use trustmesh_types::{Digest, limits::OUTPUT_BYTES_MAX};

/// What an answer may have beside its data: `{"data":…}`, other members, white space.
const ENVELOPE_BYTES_MAX: usize = 64 * 1024;

/// Which engine, whose containers, and bounds.
#[derive(Clone, Debug)]
pub struct ContainerConfig {
    /// The engine's unix socket; `None`: the first of the usual ones that is there.
    pub socket: Option<PathBuf>,
    /// The network, for labels.
    pub network: String,
    /// The node, for labels and names: hexadecimal.
    pub node: String,
    /// Calls of one application that run at the same time.
    pub calls_max: usize,
    /// Calls of one application that may wait; one more is refused as busy.
    pub waiting_max: usize,
    /// Largest input of a call.
    pub input_bytes_max: usize,
    /// Most bytes of an output's data, as canonical JSON.
    pub output_bytes_max: usize,
    /// Processes and threads of a container.
    pub pids_max: i64,
}

impl ContainerConfig {
    /// For a node of a network, with default bounds.
    #[must_use]
    pub fn new(network: &str, node: &str) -> Self {
        Self {
            socket: None,
            network: network.to_owned(),
            node: node.to_owned(),
            calls_max: 16,
            waiting_max: 1_024,
            input_bytes_max: 16 * 1024 * 1024,
            output_bytes_max: usize::try_from(OUTPUT_BYTES_MAX).unwrap_or(usize::MAX),
            pids_max: 256,
        }
    }

    pub(crate) const fn answer_bytes_max(&self) -> usize {
        self.output_bytes_max.saturating_add(ENVELOPE_BYTES_MAX)
    }
}

/// An image as files that were checked.
#[derive(Clone, Debug)]
pub struct ImageFiles {
    /// Digest of its OCI manifest: its name here.
    pub manifest: Digest,
    /// Digest of its configuration: what engines know it by.
    pub config_digest: Digest,
    /// Its configuration, JSON.
    pub config: Bytes,
    /// Its layers, lowest first.
    pub layers: Vec<LayerFile>,
}

/// A layer of an image.
#[derive(Clone, Debug)]
pub struct LayerFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its digest.
    pub digest: Digest,
    /// Its length.
    pub bytes: u64,
    /// A tar archive: plain, or compressed by gzip or zstd.
    pub media_type: String,
}

/// A container to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceSpec {
    /// The application's name.
    pub app: String,
    /// Digest of the image's manifest; the image must be loaded.
    pub image: Digest,
    /// Memory, swap included.
    pub memory_bytes: u64,
    /// Thousandths of a core.
    pub cpu_millis: u64,
    /// Room of `/tmp`, the only place that can be written to; in memory, and counted there.
    pub tmp_bytes: u64,
    /// Places that the image says it writes to: each is in memory, as `/tmp` is.
    pub volumes: Vec<String>,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
    /// `host:port` that it may connect to through the node.
    pub hosts: Vec<String>,
    /// For the container to take a connection after it was begun.
    pub start_timeout: Duration,
}

/// What a call gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerOutput {
    /// Canonical JSON (RFC 8785) of the output's `data` alone: what a completion signs.
    pub data: Bytes,
    /// From the connection to the whole answer.
    pub duration: Duration,
}

/// Whether there is an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineState {
    /// Nobody has looked yet.
    Unknown,
    /// It answers.
    Up {
        /// Its version.
        version: String,
        /// The architecture of its containers, as in `x86_64`.
        arch: String,
    },
    /// It does not.
    Down {
        /// Why.
        reason: String,
    },
}

/// How a container is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstanceState {
    /// It was begun, and takes no connection yet.
    Starting,
    /// It takes connections.
    Running,
    /// It ended and is begun again.
    Restarting {
        /// How it ended.
        why: String,
    },
    /// It can't be begun, or ends again and again; it is tried again, ever more rarely.
    Failed {
        /// Why.
        why: String,
    },
    /// There is none, or it was stopped.
    Stopped,
}
