//! What can be told on the node's own machine, whether the node runs or not. Nothing is
//! changed; ports are tried by taking them for a moment, where no node holds them.

use super::{super::contacts, Found, check::Check};
use crate::output::units;
use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpListener},
    path::Path,
};
use trustmesh_node::{
    NodeConfig,
    inspect::{self, GuardError, Inspected, Use},
    keystore,
};
use trustmesh_types::{SecretKey, genesis::Genesis};

/// With less room than this the node can't go on for long.
const FREE_BYTES_MIN: u64 = 64 << 20;
/// The ledger beside a full store.
const LEDGER_BYTES: u64 = 1 << 30;

/// The configuration; without it nothing else can be looked at.
pub fn config(path: &Path, checks: &mut Vec<Check>) -> Option<NodeConfig> {
    match NodeConfig::load(path) {
        Ok(config) => {
            checks.push(Check::ok("config", path.display()));
            Some(config)
        }
        Err(error) => {
            let advice = "mend the file; `trustmesh network init DIR` writes one to compare with";
            checks.push(Check::problem("config", error, advice));
            None
        }
    }
}

/// The genesis document.
pub fn genesis(config: &NodeConfig, checks: &mut Vec<Check>) -> Option<Genesis> {
    match config.load_genesis() {
        Ok(genesis) => {
            let network = genesis.network_id();
            let found = format!("network {} ({})", genesis.name, network.short());
            checks.push(Check::ok("genesis", found));
            Some(genesis)
        }
        Err(error) => {
            let advice = "copy the network's genesis document from another node";
            checks.push(Check::problem("genesis", error, advice));
            None
        }
    }
}

/// The key file, and whether the key is a node's.
pub fn key(config: &NodeConfig, genesis: &Genesis, checks: &mut Vec<Check>) -> Option<SecretKey> {
    let key = match keystore::load(&config.key) {
        Ok(key) => key,
        Err(error) => {
            let advice = "name the node's own key file in `key`, readable for its owner alone";
            checks.push(Check::problem("key", error, advice));
            return None;
        }
    };
    let public = key.public();
    let known = match contacts::known(config, genesis) {
        Ok(known) => known,
        Err(error) => {
            let advice = "put the join file back (`trustmesh node join-file` writes it anew)";
            checks.push(Check::problem("join file", error, advice));
            genesis.nodes.clone()
        }
    };
    checks.push(match known.iter().find(|node| node.key == public) {
        Some(node) => Check::ok("key", format!("of {} ({})", node.name, public.short())),
        None => Check::warning(
            "key",
            format!("{public} is neither a node of genesis nor that of a join file"),
            "use the node's own key, unless operators admitted this one later",
        ),
    });
    Some(key)
}

/// Who uses the data directory, and whether the node would start with it.
pub fn directory(found: &Found, checks: &mut Vec<Check>) -> Use {
    let (config, path) = (&found.config, found.config.data_dir.display());
    let used = match inspect::used_by(config) {
        Ok(used) => used,
        Err(error) => {
            checks.push(Check::problem("data directory", error, "mend its mode or owner"));
            return Use::Nobody;
        }
    };
    let says = match used {
        Use::Never => format!("{path} is new: no node has run with it"),
        Use::Nobody => format!("{path}, the node is stopped"),
        Use::Running => format!("{path}, the node is running"),
    };
    checks.push(match inspect::check_directory(config, &found.genesis, &found.key.public()) {
        Ok(()) => Check::ok("data directory", says),
        Err(error) => {
            let advice = match &error {
                GuardError::OtherNetwork { .. } => "name the right genesis, or another data_dir",
                GuardError::OtherNode { .. } => "name the right key, or another data_dir",
                GuardError::Newer { .. } => "run the newer version that wrote it",
                GuardError::Lost { .. } => "put back what was there when the node last ran",
                _ => "put the data directory back as it was when the node last ran",
            };
            Check::problem("data directory", error, advice)
        }
    });
    used
}

/// Room for what the node may still write.
pub fn disk(config: &NodeConfig) -> Check {
    let space = match inspect::space(&config.data_dir) {
        Ok(space) => space,
        Err(error) => {
            let found = format!("can't be told: {error}");
            return Check::warning("disk", found, "look with `df` at the data directory's disk");
        }
    };
    let held: u64 = inspect::files(&config.data_dir)
        .map_or(0, |files| files.iter().map(|file| file.bytes).sum());
    let says = format!(
        "{} free of {}, the node holds {}",
        units::bytes(space.free_bytes),
        units::bytes(space.total_bytes),
        units::bytes(held)
    );
    // A store's file can be twice as large as what it holds.
    let wanted = config.storage.bytes_max.saturating_mul(2).saturating_add(LEDGER_BYTES);
    if space.free_bytes < FREE_BYTES_MIN {
        Check::problem("disk", says, "make room on this disk now: a node stops when it is full")
    } else if space.free_bytes.saturating_add(held) < wanted {
        let wanted = units::bytes(wanted);
        let advice =
            format!("the node may come to hold {wanted}: make room, or lower storage.bytes_max");
        Check::warning("disk", says, advice)
    } else {
        Check::ok("disk", says)
    }
}

/// Whether the node can listen where it is to, when it does not already.
pub fn ports(found: &Found, used: Use, checks: &mut Vec<Check>) {
    let listen = found.config.listen;
    let own = found.genesis.nodes.iter().find(|node| node.key == found.key.public());
    let named = own.map(|it| (it.http_address.as_str(), it.p2p_address.as_str()));
    let (http, p2p) = named.unzip();
    for (check, address, named) in [("port http", listen.http, http), ("port p2p", listen.p2p, p2p)]
    {
        checks.push(port(check, address, named, used));
    }
}

fn port(check: &'static str, address: SocketAddr, named: Option<&str>, used: Use) -> Check {
    if used != Use::Running
        && let Err(error) = TcpListener::bind(address)
    {
        let advice = match error.kind() {
            ErrorKind::AddrInUse => {
                "stop the program that has it (`ss -tlnp`), or listen elsewhere"
            }
            ErrorKind::PermissionDenied => "choose a port from 1024 on",
            _ => "listen on an address of this machine, or on 0.0.0.0",
        };
        return Check::problem(check, format!("can't listen on {address}: {error}"), advice);
    }
    let says = format!("{address}, others reach it as {}", named.unwrap_or("the ledger says"));
    let other = named.and_then(|it| it.rsplit_once(':')).map(|(_, port)| port.to_owned());
    if other.is_some_and(|port| port != address.port().to_string()) {
        let advice = "see that something forwards that port here, or that the ports are the same";
        return Check::warning(check, says, advice);
    }
    Check::ok(check, says)
}

/// What the node keeps.
pub fn stores(found: &Found, used: Use, checks: &mut Vec<Check>) {
    let ledger = found.config.data_dir.join("ledger");
    if let Ok(files) = inspect::files(&ledger) {
        let bytes: u64 = files.iter().map(|file| file.bytes).sum();
        let says =
            format!("{} in {} files; checked at each start", units::bytes(bytes), files.len());
        checks.push(Check::ok("ledger files", says));
    }
    let advice = "put the data directory back as it was when the node last ran";
    checks.push(match used {
        Use::Never => Check::ok("store", "none yet"),
        Use::Running => {
            Check::ok("store", "open in the running node, which checked it at its start")
        }
        Use::Nobody => match inspect::check_store(&found.config) {
            Ok(None) => Check::ok("store", "none yet"),
            Ok(Some(Inspected::Sound(usage))) => Check::ok(
                "store",
                format!(
                    "all of it reads: {} blobs, {} documents, {}",
                    usage.blobs,
                    usage.documents,
                    units::bytes(usage.bytes())
                ),
            ),
            Ok(Some(Inspected::Unclosed)) => Check::warning(
                "store",
                "it was not closed in order",
                "nothing is lost: the next start repairs it, which takes longer",
            ),
            Err(error) => Check::problem("store", error, advice),
        },
    });
}
