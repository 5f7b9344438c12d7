//! Joining a network with a join file: all that a new machine needs to run a node
//! (docs/membership.md).
//!
//! `trustmesh node invite` writes the file when the node is on the ledger: the genesis, the
//! nodes known by then, and the invited node's own description. No secret is in it, and nothing
//! in it is believed that the network does not show again: the genesis must have the network
//! id that the file names, and the ledger says who takes part.
//!
//! What always holds: the data directory is not made here. A node that finds none takes it that
//! its votes may be lost (`guard`), so it never votes twice even when a machine that was
//! wiped joins again with the same key.

use crate::{
    config::{Listen, NodeConfig},
    keystore::{self, KeyError},
};
use serde::{Deserialize, Serialize};
use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};
use trustmesh_types::{
    NetworkId, PublicKey,
    genesis::{Genesis, GenesisError},
    records::NodeInfo,
};

/// Version of the form that this program writes and reads.
pub const JOIN_VERSION: u32 = 1;
/// Longest join file that is read.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// An invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinFile {
    /// Version of this form.
    pub version: u32,
    /// The network.
    pub network: NetworkId,
    /// The invited node, as it stands on the ledger.
    pub node: NodeInfo,
    /// The nodes of the network by then.
    pub nodes: Vec<NodeInfo>,
    /// The network's genesis.
    pub genesis: Genesis,
}

/// Where the node listens, other than what follows from its addresses.
#[derive(Debug, Clone, Copy, Default)]
pub struct ListenOn {
    /// Node to node.
    pub p2p: Option<SocketAddr>,
    /// HTTP API.
    pub http: Option<SocketAddr>,
}

/// A node can't join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The operating system refused.
    #[error("can't {action} {}: {reason}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// The file has another form.
    #[error("{} is no join file: {reason}; have an operator write it anew with `trustmesh node invite`", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A newer program wrote it.
    #[error("join file {} has version {got}, this program knows version {JOIN_VERSION}: use a newer one", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        got: u32,
    },
    /// The genesis in it is not that of the network that it names.
    #[error("join file {}: its genesis is that of network {got}, not of {expected}: the file was changed", path.display())]
    OtherGenesis {
        /// The file.
        path: PathBuf,
        /// Whose the genesis is.
        got: NetworkId,
        /// Which network it names.
        expected: NetworkId,
    },
    /// No network can start from the genesis in it.
    #[error("join file {}: {source}", path.display())]
    Genesis {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: GenesisError,
    },
    /// An address in it has another form than `host:port`.
    #[error("the invited node's address {address} has no port to listen on")]
    Address {
        /// The address.
        address: String,
    },
    /// The node's key is not here.
    #[error(
        "there is no key file {}: the invitation is for key {key}, name its file with --key FILE",
        path.display()
    )]
    NoKey {
        /// Where it was looked for.
        path: PathBuf,
        /// The public key.
        key: PublicKey,
    },
    /// The key is another one.
    #[error("key file {} holds key {got}, the invitation is for {expected}", path.display())]
    OtherKey {
        /// The file.
        path: PathBuf,
        /// The key in it.
        got: PublicKey,
        /// The invited key.
        expected: PublicKey,
    },
    /// The folder is another node's.
    #[error("{} is the folder of a node of another network, or of another node: name another one with --data DIR", path.display())]
    OtherFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The key file can't be used.
    #[error(transparent)]
    Key(#[from] KeyError),
}

fn io<'a>(action: &'static str, path: &'a Path) -> impl Fn(std::io::Error) -> JoinError + 'a {
    move |e| JoinError::Io { action, path: path.to_owned(), reason: e.to_string() }
}

fn json(value: &impl Serialize, path: &Path) -> Result<String, JoinError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|e| io("write", path)(std::io::Error::other(e)))?;
    Ok(text + "\n")
}

impl JoinFile {
    /// The invitation of `node` to the network of `genesis`, whose nodes are `nodes` by now.
    #[must_use]
    pub fn new(genesis: Genesis, node: NodeInfo, nodes: Vec<NodeInfo>) -> Self {
        let network = genesis.network_id();
        Self { version: JOIN_VERSION, network, node, nodes, genesis }
    }

    /// Writes the file; an existing one stays as it is.
    ///
    /// # Errors
    /// [`JoinError::Io`].
    pub fn store(&self, path: &Path) -> Result<(), JoinError> {
        let text = json(self, path)?;
        let mut file = std::fs::File::create_new(path).map_err(io("create", path))?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io("write", path))
    }

    /// Reads and checks a join file.
    ///
    /// # Errors
    /// [`JoinError`] when it is none, or its parts don't belong together.
    pub fn load(path: &Path) -> Result<Self, JoinError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let form = |reason: String| JoinError::Form { path: path.to_owned(), reason };
        let file = std::fs::File::open(path).map_err(io("open", path))?;
        let mut text = String::new();
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(io("read", path))?;
        let version: Versioned = serde_json::from_str(&text).map_err(|e| form(e.to_string()))?;
        if version.version != JOIN_VERSION {
            return Err(JoinError::Version { path: path.to_owned(), got: version.version });
        }
        let join: Self = serde_json::from_str(&text).map_err(|e| form(e.to_string()))?;
        let (got, expected) = (join.genesis.network_id(), join.network);
        if got != expected {
            return Err(JoinError::OtherGenesis { path: path.to_owned(), got, expected });
        }
        let genesis = |source| JoinError::Genesis { path: path.to_owned(), source };
        join.genesis.validate().map_err(genesis)?;
        Ok(join)
    }

    /// Checks that the file belongs to a network's genesis and a key from a key file.
    ///
    /// # Errors
    /// [`JoinError::OtherGenesis`], [`JoinError::OtherKey`].
    pub fn check(
        &self,
        path: &Path,
        genesis: &Genesis,
        (key, file): (&PublicKey, &Path),
    ) -> Result<(), JoinError> {
        let (got, expected) = (genesis.network_id(), self.network);
        if got != expected {
            return Err(JoinError::OtherGenesis { path: path.to_owned(), got, expected });
        }
        if *key != self.node.key {
            let (path, got) = (file.to_owned(), *key);
            return Err(JoinError::OtherKey { path, got, expected: self.node.key });
        }
        Ok(())
    }

    /// Makes the node's folder, unless that was done before: its configuration, the genesis and
    /// the join file. Gives the configuration's path.
    ///
    /// The key is that of `key`, or else of `node.key` in the folder.
    ///
    /// # Errors
    /// [`JoinError`] when the key is not the invited one, or the folder another node's.
    pub fn settle(
        &self,
        folder: &Path,
        key: Option<&Path>,
        listen: ListenOn,
    ) -> Result<PathBuf, JoinError> {
        let config = folder.join("node.toml");
        let copy = folder.join("join.json");
        if config.exists() {
            let before = Self::load(&copy).ok();
            let same =
                before.is_some_and(|it| (it.network, it.node.key) == (self.network, self.node.key));
            let path = folder.to_owned();
            return if same { Ok(config) } else { Err(JoinError::OtherFolder { path }) };
        }
        let listen = Listen {
            p2p: listen.p2p.map_or_else(|| listens(&self.node.p2p_address), Ok)?,
            http: listen.http.map_or_else(|| listens(&self.node.http_address), Ok)?,
        };
        let key = self.key(folder, key)?;
        std::fs::create_dir_all(folder).map_err(io("make folder", folder))?;
        let genesis = folder.join("genesis.json");
        write(&genesis, &json(&self.genesis, &genesis)?)?;
        write(&copy, &json(self, &copy)?)?;
        let text = toml::to_string(&configuration(key, listen))
            .map_err(|e| io("write", &config)(std::io::Error::other(e)))?;
        // Last: a folder with a configuration is whole.
        write(&config, &text)?;
        Ok(config)
    }

    /// The key file as the configuration names it.
    fn key(&self, folder: &Path, named: Option<&Path>) -> Result<PathBuf, JoinError> {
        let usual = folder.join("node.key");
        let path = named.unwrap_or(&usual);
        let expected = self.node.key;
        if !path.exists() {
            return Err(JoinError::NoKey { path: path.to_owned(), key: expected });
        }
        let got = keystore::load(path)?.public();
        if got != expected {
            return Err(JoinError::OtherKey { path: path.to_owned(), got, expected });
        }
        match named {
            Some(path) => path.canonicalize().map_err(io("find", path)),
            None => Ok("node.key".into()),
        }
    }
}

fn configuration(key: PathBuf, listen: Listen) -> NodeConfig {
    NodeConfig { join: Some("join.json".into()), ..NodeConfig::new("genesis.json", key, listen) }
}

/// Writes a file whole, or not at all.
fn write(path: &Path, text: &str) -> Result<(), JoinError> {
    let half = path.with_extension("new");
    let written = std::fs::File::create(&half)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(io("write", &half))?;
    std::fs::rename(&half, path).map_err(io("write", path))
}

/// Where a node of this address listens: on loopback only where the address is there, else on
/// every interface.
fn listens(address: &str) -> Result<SocketAddr, JoinError> {
    let wrong = || JoinError::Address { address: address.to_owned() };
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().map_err(|_| wrong())?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let ip = match host.parse::<IpAddr>() {
        Ok(ip) if ip.is_loopback() => ip,
        Ok(IpAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
        Err(_) if host == "localhost" => Ipv4Addr::LOCALHOST.into(),
        _ => Ipv4Addr::UNSPECIFIED.into(),
    };
    Ok(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests;
