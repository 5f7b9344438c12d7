//! Assembles a node from its configuration and runs it until it is told to stop.

use crate::{
    apps::{Apps, Parts},
    clock::{self, now_ms},
    config::{ConfigError, NodeConfig},
    driver::{Control, Deeds, Driver, completions},
    error::{BindError, NodeError},
    feed::Feed,
    guard::{ARTIFACTS, DataGuard, parts::Layout, seal},
    history::History,
    http::{self, App},
    inspect,
    join::JoinFile,
    keystore,
    mailbox::Mailbox,
    pruning::{Headers, Pruning},
    readying, recorder,
    stop::{Stop, Trigger},
    telemetry, tls, upkeep,
};
use futures::FutureExt as _;
use std::{
    io::{ErrorKind, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use trustmesh_agent::Config;
use trustmesh_client::{Client, Endpoint};
use trustmesh_consensus::{
    ClockOffset, Handle, LedgerFailed, NodeOptions, Options, StateSnapshot, archive_directories,
    start_node, votes_directories,
};
use trustmesh_data::{
    Store, StoreConfig,
    artifacts::{ArtifactStore, oci::Registry},
};
use trustmesh_executor::{ContainerConfig, ContainerRunner, RunnerConfig, WasmRunner};
use trustmesh_types::{PublicKey, SecretKey, codec, genesis::Genesis, records::NodeInfo};

/// Threads of this crate's runtime, and of the ledger's.
const THREADS: usize = 2;
/// Prefix of the ledger's partitions in its directory.
pub(crate) const PARTITION: &str = "ledger";
/// Stopping takes no longer, but for the seal of the data directory, which has a bound too.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// What is left of a runtime gets this long at least.
const SHUTDOWN_MIN: Duration = Duration::from_millis(100);
/// With less room than this a write that failed did so because of it.
const FULL_BYTES: u64 = 1024 * 1024;
/// Signals after which a node ends, whatever it was doing.
const SIGNALS_MAX: u32 = 2;

/// A node that has stopped as it was told to.
struct Stopped {
    /// Nobody else uses the directory yet.
    guard: DataGuard,
    data_dir: PathBuf,
    /// By then all of it has to be over.
    until: Instant,
    /// Whether every part has ended, and closed its files.
    in_order: bool,
}

fn system(action: &'static str, error: &std::io::Error) -> NodeError {
    NodeError::System { action, reason: error.to_string() }
}

/// Runs the node of a configuration file until it is told to stop. Starts its own runtime
/// and the process's log.
///
/// # Errors
/// [`NodeError`] when it can't start, or ends by itself.
pub fn run_node(config: &Path) -> Result<(), NodeError> {
    let config = NodeConfig::load(config)?;
    telemetry::start(&config.log)?;
    telemetry::log_panics();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(|e| system("start the runtime", &e))?;
    let outcome = runtime.block_on(serve(config));
    let until = outcome.as_ref().map_or_else(|_| Instant::now() + STOP_TIMEOUT, |it| it.until);
    runtime.shutdown_timeout(until.saturating_duration_since(Instant::now()).max(SHUTDOWN_MIN));
    let Stopped { guard, data_dir, until, in_order } = outcome?;
    if in_order && Instant::now() < until {
        // Without one the next start takes the files as they are.
        if let Err(error) = seal::close(&data_dir) {
            tracing::warn!(%error, "what the files are is not written down");
        }
    }
    drop(guard);
    Ok(())
}

/// Who this node is, of which network.
pub(crate) fn identity(
    config: &NodeConfig,
) -> Result<(Genesis, SecretKey, Vec<NodeInfo>), NodeError> {
    let genesis = config.load_genesis()?;
    let key = keystore::load(&config.key)?;
    if let Some(path) = &config.join {
        let join = JoinFile::load(path)?;
        join.check(path, &genesis, (&key.public(), &config.key))?;
        return Ok((genesis, key, join.nodes));
    }
    if !genesis.nodes.iter().any(|node| node.key == key.public()) {
        let (key, path) = (key.public().to_string(), config.genesis.clone());
        return Err(ConfigError::NotANode { key, path }.into());
    }
    Ok((genesis, key, Vec::new()))
}

/// Where the parts of the data directory are.
pub(crate) fn layout(config: &NodeConfig, genesis: &Genesis, node: &PublicKey) -> Layout {
    let ledger = config.data_dir.join("ledger");
    let votes = votes_directories(&ledger, PARTITION);
    let store = store_path(config);
    Layout { store, ledger, votes, validator: genesis.validators().contains(node) }
}

/// The store's file.
pub(crate) fn store_path(config: &NodeConfig) -> PathBuf {
    config.data_dir.join("store.redb")
}

/// Where artifacts of applications are.
fn artifacts_path(config: &NodeConfig) -> PathBuf {
    config.data_dir.join(ARTIFACTS)
}

/// Runs a node on the current runtime until it is told to stop.
///
/// # Errors
/// [`NodeError`] when it can't start, or ends by itself.
pub async fn run(config: NodeConfig) -> Result<(), NodeError> {
    serve(config).await.map(drop)
}

/// The store, of files that are as this node left them.
fn open_store(config: &NodeConfig, layout: &Layout) -> Result<Store, NodeError> {
    seal::open(&config.data_dir, layout)?;
    let bytes_max = config.storage.bytes_max;
    Ok(Store::open(&layout.store, StoreConfig { bytes_max, ..StoreConfig::default() })?)
}

/// Where a state to go on from lies, when one was fetched.
#[must_use]
pub fn snapshot_path(data_dir: &Path) -> PathBuf {
    data_dir.join("snapshot.fetched")
}

/// A fetched state to go on from; the ledger checks it.
fn read_snapshot(config: &NodeConfig) -> Result<Option<StateSnapshot>, NodeError> {
    match std::fs::read(snapshot_path(&config.data_dir)) {
        Ok(bytes) => match codec::decode("snapshot", &bytes, bytes.len()) {
            Ok(snapshot) => Ok(Some(snapshot)),
            Err(error) => {
                tracing::warn!(%error, "the fetched snapshot is damaged and is passed over");
                Ok(None)
            }
        },
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(system("read the fetched snapshot", &e)),
    }
}

/// It has served.
fn forget_snapshot(config: &NodeConfig) {
    match std::fs::remove_file(snapshot_path(&config.data_dir)) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(error = %e, "the fetched snapshot can't be removed");
        }
        _ => {}
    }
}

/// The clock of a test may be wrong.
fn ledger_clock(config: &NodeConfig) -> ClockOffset {
    let (ahead_ms, offset) = (config.testing.clock_offset_ms, ClockOffset::default());
    if ahead_ms != 0 {
        tracing::warn!(ahead_ms, "the clock is shifted: testing.clock_offset_ms is set");
        clock::shift(ahead_ms);
        offset.set_ms(ahead_ms);
    }
    offset
}

async fn serve(config: NodeConfig) -> Result<Stopped, NodeError> {
    let clock = ledger_clock(&config);
    let (genesis, key, contacts) = identity(&config)?;
    let network = genesis.network_id();
    let layout = layout(&config, &genesis, &key.public());
    let (guard, parts) =
        DataGuard::take(&config.data_dir, &network, &key.public(), layout.clone())?;
    let votes_unknown = !parts.prepared();
    if votes_unknown && layout.validator && !parts.has_votes() {
        tracing::warn!(
            "no votes of this validator: it follows, and votes when the network has a new committee; \
             only one that has never run may vote at once (trustmesh node prepare)"
        );
    }
    let tls = tls::server_config(&key)?;
    let listener = TcpListener::bind(config.listen.http).await.map_err(|e| BindError {
        address: config.listen.http.to_string(),
        reason: e.to_string(),
    })?;
    let store = open_store(&config, &layout)?;
    let runner = WasmRunner::new(RunnerConfig::default())?;
    let artifacts =
        ArtifactStore::open(&artifacts_path(&config), config.storage.artifacts_bytes_max)?;
    let history = History::open(store.clone(), &config.retention)?;
    let mailbox = Mailbox::new(store.clone(), key.public());
    let feed = Feed::new();
    let (consensus, streams, ending) = start_node(NodeOptions {
        ledger: Options {
            genesis: genesis.clone(),
            key: key.clone(),
            partition: PARTITION.to_owned(),
            delivered_height: Some(history.height()),
            votes_unknown,
            snapshot: read_snapshot(&config)?,
            clock,
        },
        directory: layout.ledger.clone(),
        listen: config.listen.p2p,
        contacts,
        peers_max: None,
        threads: THREADS,
    })
    .await?;
    forget_snapshot(&config);
    consensus.limit_signers(config.admission.signer_transactions_per_second);
    let headers = Headers::new(&store, consensus.clone());
    let [block_values, ..] = archive_directories(&layout.ledger, PARTITION);
    let pruning = Pruning::new(headers.clone(), block_values, config.retention);
    let (trigger, stop) = Stop::new();
    let (outcomes, outcomes_end) = mpsc::unbounded_channel();
    let apps = Apps::new(Parts {
        store: artifacts,
        runner,
        containers: ContainerRunner::new(ContainerConfig {
            socket: config.containers.socket.clone(),
            ..ContainerConfig::new(&network.to_string(), &key.public().to_string())
        }),
        registries: config.registries.iter().map(Registry::new).collect::<Result<_, _>>()?,
        tell: outcomes.clone(),
        client: Client::new(&genesis, Endpoint::of_genesis(&genesis))?,
        key: key.clone(),
        ledger: consensus.clone(),
    });
    let (control, calls) = Control::new();
    let app = App {
        genesis: Arc::new(genesis),
        network,
        node: key.public(),
        consensus: consensus.clone(),
        control,
        mailbox: mailbox.clone(),
        history: history.clone(),
        headers,
        feed: feed.clone(),
        store: store.clone(),
        apps: apps.clone(),
        limits: config.http,
        admission: config.admission,
        stop: stop.clone(),
    };
    let agent = Config {
        key: key.clone(),
        seed: seed()?,
        state: streams.state.clone(),
        recovered: completions::recover(&store, now_ms())?,
    };
    let deeds = Deeds {
        key: key.clone(),
        network,
        consensus: consensus.clone(),
        store: store.clone(),
        apps: apps.clone(),
        mailbox: mailbox.clone(),
        outcomes,
    };
    let (recorder, recording) = recorder::start(history.clone(), feed, stop.clone());
    let driver = Driver::new(agent, deeds, outcomes_end, streams, calls, recorder);
    tokio::spawn(readying::run(app.clone(), key));
    let serving = tokio::spawn(http::serve(listener, tls, app));
    tokio::spawn(parts.watch(stop.clone()));
    let running = apps.clone();
    tokio::spawn(upkeep::run(store, mailbox, history, pruning, apps, stop.clone()));
    tokio::spawn(await_stop(trigger.clone(), config.stop_with_stdin));
    // A ledger over damaged files may have ended by now.
    if consensus.stopped().now_or_never().is_none() {
        announce(&config, &consensus);
    }
    let asked = driver.run(stop).await;
    let containers = tokio::spawn(async move { running.stop_all().await });
    // When the ledger ended by itself, the other parts don't know yet.
    trigger.pull();
    let until = Instant::now() + STOP_TIMEOUT;
    let ended = end(consensus, serving, recording, until).await;
    if tokio::time::timeout_at(until.into(), containers).await.is_err() {
        tracing::warn!("containers did not end in time; the next start removes them");
    }
    let failure = tokio::time::timeout_at(until.into(), ending.failure()).await;
    if asked {
        let in_order = ended && failure == Ok(None);
        return Ok(Stopped { guard, data_dir: config.data_dir, until, in_order });
    }
    Err(failure.ok().flatten().map_or(NodeError::LedgerEnded, |it| failed(&config.data_dir, it)))
}

/// Why a ledger failed: the engine only says that a write did.
fn failed(data_dir: &Path, failed: LedgerFailed) -> NodeError {
    match inspect::space(data_dir) {
        Ok(room) if room.free_bytes < FULL_BYTES => {
            NodeError::DiskFull { directory: data_dir.display().to_string(), failed }
        }
        _ => NodeError::LedgerFailed(failed),
    }
}

fn seed() -> Result<[u8; 32], NodeError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|e| NodeError::System { action: "draw randomness", reason: e.to_string() })?;
    Ok(seed)
}

/// One line on stdout, so that whoever started the node knows that it serves.
fn announce(config: &NodeConfig, consensus: &Handle) {
    let ready = serde_json::json!({
        "event": "ready",
        "node": consensus.me(),
        "http": config.listen.http,
        "p2p": config.listen.p2p,
        "height": consensus.status().height,
    });
    println!("{ready}");
}

/// Waits for a signal, or for the end of stdin where that counts, and pulls the trigger. The
/// second signal ends the process at once, as a kill would: what is durable stays so.
async fn await_stop(trigger: Trigger, with_stdin: bool) {
    let (Ok(mut term), Ok(mut int)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals can't be listened for: the node stops");
        return trigger.pull();
    };
    let mut ended = std::pin::pin!(stdin_end());
    let (mut signals, mut listening) = (0, with_stdin);
    loop {
        tokio::select! {
            _ = term.recv() => signals += 1,
            _ = int.recv() => signals += 1,
            () = &mut ended, if listening => listening = false,
        }
        if signals >= SIGNALS_MAX {
            tracing::warn!("told to stop again: the node ends at once");
            std::process::exit(1);
        }
        tracing::info!("stopping");
        trigger.pull();
    }
}

/// Completes when standard input ends. A thread of its own reads it: nobody can end a read of
/// the runtime's, which would hold up the runtime's end.
async fn stdin_end() {
    let (tell, told) = oneshot::channel::<()>();
    let read = move || {
        let mut buffer = [0; 64];
        loop {
            match std::io::stdin().read(&mut buffer) {
                Ok(0) => break,
                Err(error) if error.kind() != ErrorKind::Interrupted => break,
                _ => {}
            }
        }
        drop(tell);
    };
    if let Err(error) = std::thread::Builder::new().name("stdin".to_owned()).spawn(read) {
        tracing::error!(%error, "standard input can't be watched: the node stops");
    }
    // Nothing is ever sent: the end of the channel is what counts.
    let _ = told.await;
}

/// Waits until every part has ended, or it is too late; says which of the two.
async fn end(
    consensus: Handle,
    serving: JoinHandle<Result<(), NodeError>>,
    recording: JoinHandle<()>,
    until: Instant,
) -> bool {
    let all = async {
        consensus.shutdown().await;
        recording.await?;
        serving.await
    };
    match tokio::time::timeout_at(until.into(), all).await {
        Ok(Ok(Ok(()))) => return true,
        Ok(Ok(Err(error))) => tracing::warn!(%error, "the HTTP API ended with an error"),
        Ok(Err(error)) => tracing::warn!(%error, "the HTTP API ended badly"),
        Err(_) => tracing::warn!("stopping took too long; what is durable stays so"),
    }
    false
}
