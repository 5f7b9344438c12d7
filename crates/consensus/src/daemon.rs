//! A ledger on real threads, disks and sockets, for the daemon.
//!
//! The engine's runtime lives on a thread of its own, so the caller may use any other: only
//! channels cross. Peers are the ledger's nodes, authenticated by their keys: those of genesis
//! and those that the operator named from the start, others once they are admitted.

use crate::{
    engine::{self, CHANNELS, Network, Transport, channel_quota, max_message_size},
    error::{LedgerFailed, StartError},
    handle::{Handle, Streams},
    keys::{self, EngineKey, engine_public, engine_secret},
    limits::SHUTDOWN_TIMEOUT,
    options::NodeOptions,
};
use commonware_cryptography::{ChaCha20Poly1305, ed25519};
use commonware_macros::select;
use commonware_p2p::{
    Address, AddressableManager as _, AddressableTrackedPeers, authenticated::lookup,
};
use commonware_runtime::{
    Quota, Runner as _, Spawner as _, Supervisor as _, tokio as engine_tokio,
};
use commonware_stream::{
    cups::{self, Cups},
    sake::{self, Sake},
};
use commonware_utils::{NZU32, NZUsize, channel::oneshot, ordered::Map};
use std::{
    net::{SocketAddr, TcpListener, ToSocketAddrs as _},
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::Duration,
};
use trustmesh_state::{NodeView, State};
use trustmesh_types::records::NodeInfo;

/// Peers beside those known at the start that mailboxes have room for.
const SPARE_PEERS: usize = 16;

/// The authenticated network.
#[derive(Debug)]
struct Authenticated;

impl Transport for Authenticated {
    type Peers = lookup::Oracle<EngineKey>;
    type Blocker = lookup::Oracle<EngineKey>;
    type Sender = lookup::Sender<EngineKey, engine_tokio::Context>;
    type Receiver = lookup::Receiver<EngineKey>;
}

type Started = Result<(Handle, Streams), StartError>;

/// Knows how a node's ledger ends.
#[derive(Debug)]
pub struct Ending(oneshot::Receiver<LedgerFailed>);

impl Ending {
    /// Completes when the ledger's thread has ended and its files are closed; gives why, when
    /// it was not asked to.
    pub async fn failure(self) -> Option<LedgerFailed> {
        // An error means that the thread has ended in order.
        self.0.await.ok()
    }
}

/// Starts a node's ledger on a thread of its own; the thread ends after [`Handle::shutdown`],
/// or when the ledger fails ([`Handle::stopped`] completes either way).
///
/// The engine panics over files that it can't read or write: that ends this ledger, and
/// [`Ending`] says so.
///
/// # Errors
/// [`StartError`].
pub async fn start_node(options: NodeOptions) -> Result<(Handle, Streams, Ending), StartError> {
    let engine_error = |reason: String| StartError::Engine { reason };
    prepare(&options.directory, options.listen)?;
    let genesis = &options.ledger.genesis;
    let first = genesis.nodes.iter().chain(&options.contacts);
    let validators = genesis.validators();
    let peers = peers(first, |node| validators.contains(&node.key))?;
    let (reply, started) = oneshot::channel();
    let (failed, ending) = oneshot::channel();
    let directory = options.directory.display().to_string();
    let work = move || {
        // What unwinds owns all that it touches.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(options, peers, reply))) {
            // Whoever started it may be gone.
            let _ = failed.send(LedgerFailed::from_panic(directory, &*panic));
        }
    };
    std::thread::Builder::new()
        .name("ledger".to_owned())
        .spawn(work)
        .map_err(|e| engine_error(e.to_string()))?;
    let ending = Ending(ending);
    let ended = |_| engine_error("its thread has ended".to_owned());
    match started.await.map_err(ended).flatten() {
        Ok((handle, streams)) => Ok((handle, streams, ending)),
        // A part is gone: the thread knows why.
        Err(error @ StartError::Engine { .. }) => {
            Err(ending.failure().await.map_or(error, StartError::Failed))
        }
        Err(error) => Err(error),
    }
}

/// Writes a chain that was kept elsewhere into a directory that holds no ledger: blocks from
/// height 1 on as they are encoded, each with its finality certificate (empty where a later one
/// makes it final), all of them checked, and the state after the last one. Blocks the calling
/// thread.
///
/// # Errors
/// [`StartError::Restore`], also for the first error among the blocks, and
/// [`StartError::Failed`]; what is in the directory then is of no use.
pub fn restore_chain(
    directory: &Path,
    partition: &str,
    state: &State,
    blocks: impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), String>> + Send,
) -> Result<(), StartError> {
    let config = engine_tokio::Config::new().with_storage_directory(directory);
    let work = || {
        engine_tokio::Runner::new(config).start(|context| async move {
            engine::restore(&context, partition, state, blocks).await
        })
    };
    let directory = directory.display().to_string();
    // The caller may be a runtime's thread, which can't run another one.
    std::thread::scope(|scope| scope.spawn(work).join())
        .map_err(|panic| LedgerFailed::from_panic(directory.clone(), &*panic))?
        .map_err(|reason| StartError::Restore { directory, reason })
}

/// Finds out early what the engine would only panic over.
fn prepare(directory: &Path, listen: SocketAddr) -> Result<(), StartError> {
    std::fs::create_dir_all(directory).map_err(|e| StartError::Storage {
        what: "the directory itself",
        directory: directory.display().to_string(),
        reason: e.to_string(),
    })?;
    TcpListener::bind(listen)
        .map(drop)
        .map_err(|e| StartError::Listen { address: listen.to_string(), reason: e.to_string() })
}

fn address(node: &NodeInfo) -> Result<(EngineKey, Address), StartError> {
    let resolved = node.p2p_address.to_socket_addrs().ok().and_then(|mut all| all.next());
    let socket = resolved.ok_or_else(|| StartError::Address {
        node: node.name.clone(),
        address: node.p2p_address.clone(),
    })?;
    Ok((engine_public(&node.key)?, Address::from(socket)))
}

/// Nodes as peers; some are dialled, the others may dial.
fn peers<'a>(
    nodes: impl Iterator<Item = &'a NodeInfo> + Clone,
    dialled: impl Fn(&NodeInfo) -> bool,
) -> Result<AddressableTrackedPeers<EngineKey>, StartError> {
    let of = |primary: bool| -> Result<Map<EngineKey, Address>, StartError> {
        let nodes = nodes.clone().filter(|node| dialled(node) == primary);
        let addresses = nodes.map(address).collect::<Result<Vec<_>, _>>()?;
        Ok(Map::from_iter_dedup(addresses))
    };
    Ok(AddressableTrackedPeers::new(of(true)?, of(false)?))
}

fn peers_max(options: &NodeOptions) -> usize {
    let known = options.ledger.genesis.nodes.len() + options.contacts.len();
    options.peers_max.unwrap_or(0).max(known + SPARE_PEERS)
}

/// Connects to the network's nodes as they join, change and leave.
async fn follow_members(handle: Handle, mut oracle: lookup::Oracle<EngineKey>, most: usize) {
    let (mut members, acquaintances) = (handle.members(), handle.acquaintances());
    // Id 0 was that of the start.
    for id in 1.. {
        let state = handle.state();
        let views = state.nodes();
        let votes = |node: &NodeInfo| state.votes_or_will(&node.key);
        let taking_part = |view: &&NodeView| view.is_member() || votes(&view.info);
        let mut nodes: Vec<&NodeInfo> =
            views.iter().filter(taking_part).map(|view| &view.info).collect();
        nodes.sort_by_key(|node| !votes(node));
        if nodes.len() > most {
            tracing::warn!(
                nodes = nodes.len(),
                most,
                "the network has more nodes than this process has room for, the others are not connected: raise p2p.peers_max"
            );
            nodes.truncate(most);
        }
        let dialled = |node: &NodeInfo| votes(node) || acquaintances.contains(&node.key);
        match peers(nodes.iter().copied(), dialled) {
            Ok(peers) => drop(oracle.track(id, peers)),
            Err(error) => tracing::warn!(%error, "a node can't be connected to"),
        }
        select! {
            changed = members.changed() => if changed.is_err() { return },
            () = acquaintances.changed() => {},
        }
    }
}

type Handshake = Cups<Sake<ed25519::PrivateKey>, ChaCha20Poly1305>;

fn p2p_config(options: &NodeOptions) -> lookup::Config<Handshake> {
    let genesis = &options.ledger.genesis;
    let sake = Sake {
        signer: engine_secret(&options.ledger.key),
        synchrony_bound: Duration::from_secs(5),
        max_handshake_age: Duration::from_secs(10),
        version: sake::Version::V1,
    };
    let mut config = lookup::Config::local(
        Cups::<_, ChaCha20Poly1305>::new(sake, cups::Version::V1),
        &keys::p2p_namespace(&genesis.network_id()),
        options.listen,
        NonZeroUsize::MIN.saturating_add(peers_max(options) - 1),
        max_message_size(),
        NZUsize!(512),
    );
    config.tracked_peer_sets = NZUsize!(1);
    // Nodes may stand behind one address, and come back all at once.
    config.allowed_handshake_rate_per_ip = Quota::per_second(NZU32!(256));
    config.allowed_handshake_rate_per_subnet = Quota::per_second(NZU32!(256));
    config.bypass_ip_check = true;
    config
}

fn run(
    options: NodeOptions,
    peers: AddressableTrackedPeers<EngineKey>,
    reply: oneshot::Sender<Started>,
) {
    let config = engine_tokio::Config::new()
        .with_storage_directory(&options.directory)
        .with_worker_threads(options.threads.max(1))
        .with_tcp_nodelay(Some(true));
    engine_tokio::Runner::new(config).start(|context| async move {
        let directory = options.directory.display().to_string();
        let (mut network, mut oracle) =
            lookup::Network::new(context.child("network"), p2p_config(&options));
        oracle.track(0, peers);
        let channels: [_; CHANNELS] =
            std::array::from_fn(|channel| network.register(channel as u64, channel_quota(channel)));
        network.start();
        let (members, most) = (oracle.clone(), peers_max(&options));
        let ends = Network::<Authenticated> { peers: oracle.clone(), blocker: oracle, channels };
        match engine::start(context.child("ledger"), options.ledger, ends, directory, None).await {
            Ok((handle, streams, task)) => {
                let followed = handle.clone();
                context.child("members").spawn(move |_| follow_members(followed, members, most));
                // Whoever started it may be gone: then nobody needs the ledger.
                if reply.send(Ok((handle, streams))).is_ok() {
                    // An error means that the task was aborted, which is an end as well.
                    let _ = task.await;
                }
            }
            Err(error) => {
                let _ = reply.send(Err(error));
            }
        }
        // Tasks that do not end in time end with the runtime.
        let _ = context.stop(0, Some(SHUTDOWN_TIMEOUT)).await;
    });
}
