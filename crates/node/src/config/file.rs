//! The configuration's fields and their defaults.

use super::{ConfigError, environment};
use serde::{Deserialize, Serialize};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};
use trustmesh_data::artifacts::oci::RegistryConfig;
use trustmesh_types::genesis::Genesis;

/// A node's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// Where the node keeps everything that it must not lose.
    pub data_dir: PathBuf,
    /// The network's genesis document.
    pub genesis: PathBuf,
    /// The node's key file.
    pub key: PathBuf,
    /// The join file with which the node came, if it is none of genesis's: it names the nodes
    /// that are asked first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<PathBuf>,
    /// Whether the node stops when its standard input ends. A parent that holds the other
    /// end of the pipe takes its nodes along, however it ends.
    #[serde(default)]
    pub stop_with_stdin: bool,
    /// Addresses that the node listens on.
    pub listen: Listen,
    /// Bounds of the HTTP API.
    #[serde(default)]
    pub http: HttpLimits,
    /// How fast one member's work is taken.
    #[serde(default)]
    pub admission: Admission,
    /// Bounds of the store.
    #[serde(default)]
    pub storage: Storage,
    /// The container engine.
    #[serde(default)]
    pub containers: Containers,
    /// Registries that artifacts may be fetched from. What names another one is fetched from
    /// nodes alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registries: Vec<RegistryConfig>,
    /// How long history is kept.
    #[serde(default)]
    pub retention: Retention,
    /// What is logged, and how.
    #[serde(default)]
    pub log: Log,
    /// What only tests set.
    #[serde(default, skip_serializing_if = "Testing::is_none")]
    pub testing: Testing,
}

/// Addresses that a node listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Node to node.
    pub p2p: SocketAddr,
    /// HTTP API.
    pub http: SocketAddr,
}

/// Bounds of the HTTP API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpLimits {
    /// Open connections.
    pub connections_max: u32,
    /// Open connections of one network address.
    pub address_connections_max: u32,
    /// Requests per second of one network address; bursts of twice as many. Each 4 KiB of a
    /// body, and each 16 KiB of an answer, count as one more.
    pub address_requests_per_second: u32,
    /// Signed requests (results, uploads) per second of one key; bursts of twice as many.
    pub key_requests_per_second: u32,
    /// A request other than a long poll takes no longer.
    pub request_timeout_ms: u64,
    /// A connection on which no request begins is closed after this long.
    pub header_timeout_ms: u64,
    /// Long polls that wait at the same time.
    pub long_polls_max: u32,
    /// Watchers of events at the same time.
    pub watchers_max: u32,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections_max: 1_024,
            address_connections_max: 512,
            address_requests_per_second: 2_000,
            key_requests_per_second: 200,
            request_timeout_ms: 30_000,
            header_timeout_ms: 60_000,
            long_polls_max: 1_024,
            watchers_max: 64,
        }
    }
}

/// How fast one member's work is taken. What counts is what the ledger took, through whichever
/// node, so a member does not get more by going through all of them. All nodes should have the
/// same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admission {
    /// Requests of one device per second; bursts of a quarter as many. Each 64 KiB of input count as one
    /// more.
    pub device_requests_per_second: u32,
    /// Transactions of one device or operator per second, each KiB begun as one; bursts of half
    /// as many, at least 128. A node, which signs for many devices, gets four times that.
    pub signer_transactions_per_second: u32,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            device_requests_per_second: 30,
            signer_transactions_per_second:
                trustmesh_consensus::limits::SIGNER_TRANSACTIONS_PER_SECOND,
        }
    }
}

/// Bounds of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Storage {
    /// Bytes of blobs and documents.
    pub bytes_max: u64,
    /// Bytes of applications' artifacts.
    pub artifacts_bytes_max: u64,
}

impl Default for Storage {
    fn default() -> Self {
        Self { bytes_max: 2 << 30, artifacts_bytes_max: 16 << 30 }
    }
}

/// The container engine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Containers {
    /// Its unix socket; the first of Docker's and Podman's usual ones that is there, if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
}

/// How long history and blocks are kept. Blocks go when any of their bounds is passed, the
/// oldest first and many at once; their headers and certificates stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Blocks whose receipts, events and ended requests can be asked for.
    pub history_blocks: u64,
    /// Whole blocks that are kept at most, roughly.
    pub blocks_max: u64,
    /// Bytes of whole blocks that are kept at most, roughly.
    pub blocks_max_bytes: u64,
    /// Whole blocks are kept this long at most, roughly.
    pub blocks_max_age_s: u64,
    /// The newest blocks that are kept whatever the bounds say: a node that was away for fewer
    /// gets them here.
    pub blocks_min: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            history_blocks: 100_000,
            blocks_max: 65_536,
            blocks_max_bytes: 1 << 30,
            blocks_max_age_s: 7 * 24 * 3_600,
            blocks_min: 4_096,
        }
    }
}

/// Form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Filter as in `RUST_LOG`, which goes before it.
    pub filter: String,
    /// Form of a line.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        // wasmtime-wasi opens a span on every call of an application.
        Self {
            filter: "info,commonware=warn,wasmtime_wasi=warn".to_owned(),
            format: LogFormat::Text,
        }
    }
}

/// What only tests set: a node of a real network leaves it out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Testing {
    /// How far the node's clock is ahead of the machine's, as if it went wrong. What the
    /// engine's network asks of the clock (the age of a handshake) is not shifted.
    pub clock_offset_ms: i64,
}

impl Testing {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl NodeConfig {
    /// A node with the defaults.
    #[must_use]
    pub fn new(genesis: impl Into<PathBuf>, key: impl Into<PathBuf>, listen: Listen) -> Self {
        Self {
            data_dir: "data".into(),
            genesis: genesis.into(),
            key: key.into(),
            join: None,
            stop_with_stdin: false,
            listen,
            http: HttpLimits::default(),
            admission: Admission::default(),
            storage: Storage::default(),
            containers: Containers::default(),
            registries: Vec::new(),
            retention: Retention::default(),
            log: Log::default(),
            testing: Testing::default(),
        }
    }

    /// Reads a configuration file, with `TRUSTMESH_NODE_*` variables of the environment
    /// put over it.
    ///
    /// # Errors
    /// [`ConfigError`], which names file and line, or the variable.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::load_with(path, std::env::vars())
    }

    /// [`Self::load`] with a given environment.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_with(
        path: &Path,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let text = read(path, "configuration")?;
        let invalid = |e: toml::de::Error| ConfigError::Invalid {
            path: path.to_owned(),
            reason: e.to_string().trim_end().to_owned(),
        };
        let mut table: toml::Table = toml::from_str(&text).map_err(invalid)?;
        // The file by itself first, so that an error has its line.
        let _: Self = toml::from_str(&text).map_err(invalid)?;
        environment::put_over(&mut table, variables)?;
        let mut config = Self::deserialize(table).map_err(invalid)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let paths = [&mut config.data_dir, &mut config.genesis, &mut config.key];
        let optional = config.join.iter_mut().chain(&mut config.containers.socket);
        for file in paths.into_iter().chain(optional) {
            *file = folder.join(&*file);
        }
        config.registries.iter_mut().for_each(|it| it.resolve(folder));
        config.check(path)?;
        Ok(config)
    }

    fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let (http, admission) = (&self.http, &self.admission);
        let (device, signer) =
            (admission.device_requests_per_second, admission.signer_transactions_per_second);
        let retention = &self.retention;
        let positive: [(&'static str, u64, u64); 16] = [
            ("http.connections_max", http.connections_max.into(), 1),
            ("http.address_connections_max", http.address_connections_max.into(), 1),
            ("admission.device_requests_per_second", device.into(), 1),
            ("admission.signer_transactions_per_second", signer.into(), 1),
            ("http.address_requests_per_second", http.address_requests_per_second.into(), 1),
            ("http.key_requests_per_second", http.key_requests_per_second.into(), 1),
            ("http.request_timeout_ms", http.request_timeout_ms, 100),
            ("http.header_timeout_ms", http.header_timeout_ms, 100),
            ("http.long_polls_max", http.long_polls_max.into(), 1),
            ("storage.bytes_max", self.storage.bytes_max, 64 << 20),
            ("storage.artifacts_bytes_max", self.storage.artifacts_bytes_max, 64 << 20),
            ("retention.history_blocks", retention.history_blocks, 1),
            ("retention.blocks_max", retention.blocks_max, 1),
            ("retention.blocks_max_bytes", retention.blocks_max_bytes, 1 << 20),
            ("retention.blocks_max_age_s", retention.blocks_max_age_s, 60),
            ("retention.blocks_min", retention.blocks_min, 1_024),
        ];
        for (field, got, min) in positive {
            if got < min {
                return Err(ConfigError::TooSmall { path: path.to_owned(), field, got, min });
            }
        }
        Ok(())
    }

    /// Reads and checks the genesis that the configuration names.
    ///
    /// # Errors
    /// [`ConfigError`] when it can't be read or no network can start from it.
    pub fn load_genesis(&self) -> Result<Genesis, ConfigError> {
        let path = &self.genesis;
        let text = read(path, "genesis")?;
        let genesis: Genesis = serde_json::from_str(&text)
            .map_err(|e| ConfigError::GenesisForm { path: path.clone(), reason: e.to_string() })?;
        genesis.validate().map_err(|source| ConfigError::Genesis { path: path.clone(), source })?;
        Ok(genesis)
    }
}

fn read(path: &Path, what: &'static str) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|e| ConfigError::Unreadable {
        what,
        path: path.to_owned(),
        reason: e.to_string(),
    })
}
