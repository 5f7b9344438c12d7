//! Assembles a node from its configuration and runs it until it is told to stop.

use crate::{
    clock::now_ms,
    config::{ConfigError, NodeConfig},
    driver::{Control, Deeds, Driver, completions},
    error::{BindError, NodeError},
    feed::Feed,
    guard::{DataGuard, parts::Layout},
    history::History,
    http::{self, App},
    keystore,
    mailbox::Mailbox,
    recorder,
    stop::{Stop, Trigger},
    telemetry, tls, upkeep,
};
use futures::FutureExt as _;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::AsyncReadExt as _,
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    task::JoinHandle,
};
use trustmesh_agent::Config;
use trustmesh_consensus::{ClockOffset, Handle, NodeOptions, Options, start_node, votes_directory};
use trustmesh_data::{Store, StoreConfig};
use trustmesh_executor::{RunnerConfig, WasmRunner};
use trustmesh_types::{PublicKey, SecretKey, genesis::Genesis};

/// Threads of this crate's runtime, and of the ledger's.
const THREADS: usize = 2;
/// Prefix of the ledger's partitions in its directory.
const PARTITION: &str = "ledger";
/// Stopping takes no longer.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

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
    let outcome = runtime.block_on(run(config));
    runtime.shutdown_timeout(STOP_TIMEOUT);
    outcome
}

/// Who this node is, of which network.
fn identity(config: &NodeConfig) -> Result<(Genesis, SecretKey), NodeError> {
    let genesis = config.load_genesis()?;
    let key = keystore::load(&config.key)?;
    if !genesis.nodes.iter().any(|node| node.key == key.public()) {
        let (key, path) = (key.public().to_string(), config.genesis.clone());
        return Err(ConfigError::NotANode { key, path }.into());
    }
    Ok((genesis, key))
}

/// Where the parts of the data directory are.
pub(crate) fn layout(config: &NodeConfig, genesis: &Genesis, node: &PublicKey) -> Layout {
    let ledger = config.data_dir.join("ledger");
    let votes = votes_directory(&ledger, PARTITION);
    let store = store_path(config);
    Layout { store, ledger, votes, validator: genesis.validators().contains(node) }
}

/// The store's file.
pub(crate) fn store_path(config: &NodeConfig) -> PathBuf {
    config.data_dir.join("store.redb")
}

/// Runs a node on the current runtime until it is told to stop.
///
/// # Errors
/// [`NodeError`] when it can't start, or ends by itself.
pub async fn run(config: NodeConfig) -> Result<(), NodeError> {
    let (genesis, key) = identity(&config)?;
    let network = genesis.network_id();
    let layout = layout(&config, &genesis, &key.public());
    let (_guard, parts) =
        DataGuard::take(&config.data_dir, &network, &key.public(), layout.clone())?;
    let bytes_max = config.storage.bytes_max;
    let store = Store::open(&layout.store, StoreConfig { bytes_max, ..StoreConfig::default() })?;
    let tls = tls::server_config(&key)?;
    let listener = TcpListener::bind(config.listen.http).await.map_err(|e| BindError {
        address: config.listen.http.to_string(),
        reason: e.to_string(),
    })?;
    let runner = WasmRunner::new(RunnerConfig::default())?;
    let history = History::open(store.clone(), &config.retention)?;
    let mailbox = Mailbox::new(store.clone(), key.public());
    let feed = Feed::new();
    let (consensus, streams, ending) = start_node(NodeOptions {
        ledger: Options {
            genesis: genesis.clone(),
            key: key.clone(),
            partition: PARTITION.to_owned(),
            delivered_height: Some(history.height()),
            clock: ClockOffset::default(),
        },
        directory: layout.ledger,
        listen: config.listen.p2p,
        threads: THREADS,
    })
    .await?;
    consensus.limit_signers(config.admission.signer_transactions_per_second);
    let (trigger, stop) = Stop::new();
    let (control, calls) = Control::new();
    let (outcomes, outcomes_end) = mpsc::unbounded_channel();
    let app = App {
        genesis: Arc::new(genesis),
        network,
        node: key.public(),
        consensus: consensus.clone(),
        control,
        mailbox: mailbox.clone(),
        history: history.clone(),
        feed: feed.clone(),
        store: store.clone(),
        runner: runner.clone(),
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
        key,
        network,
        consensus: consensus.clone(),
        store: store.clone(),
        runner,
        mailbox: mailbox.clone(),
        outcomes,
    };
    let (recorder, recording) = recorder::start(history.clone(), feed, stop.clone());
    let driver = Driver::new(agent, deeds, outcomes_end, streams, calls, recorder);
    let serving = tokio::spawn(http::serve(listener, tls, app));
    tokio::spawn(parts.watch(stop.clone()));
    tokio::spawn(upkeep::run(store, mailbox, history, stop.clone()));
    tokio::spawn(await_stop(trigger.clone(), config.stop_with_stdin));
    // A ledger over damaged files may have ended by now.
    if consensus.stopped().now_or_never().is_none() {
        announce(&config, &consensus);
    }
    let asked = driver.run(stop).await;
    // When the ledger ended by itself, the other parts don't know yet.
    trigger.pull();
    end(consensus, serving, recording).await;
    if asked {
        return Ok(());
    }
    let failure = tokio::time::timeout(STOP_TIMEOUT, ending.failure()).await;
    Err(failure.ok().flatten().map_or(NodeError::LedgerEnded, NodeError::LedgerFailed))
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

/// Waits for a signal, or for the end of stdin where that counts, and pulls the trigger.
async fn await_stop(trigger: Trigger, with_stdin: bool) {
    let (Ok(mut term), Ok(mut int)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals can't be listened for: the node stops");
        return trigger.pull();
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
        () = stdin_end(), if with_stdin => {}
    }
    tracing::info!("stopping");
    trigger.pull();
}

async fn stdin_end() {
    let mut stdin = tokio::io::stdin();
    let mut buffer = [0; 64];
    while matches!(stdin.read(&mut buffer).await, Ok(read) if read > 0) {}
}

async fn end(
    consensus: Handle,
    serving: JoinHandle<Result<(), NodeError>>,
    recording: JoinHandle<()>,
) {
    let all = async {
        consensus.shutdown().await;
        recording.await?;
        serving.await
    };
    match tokio::time::timeout(STOP_TIMEOUT, all).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::warn!(%error, "the HTTP API ended with an error"),
        Ok(Err(error)) => tracing::warn!(%error, "the HTTP API ended badly"),
        Err(_) => tracing::warn!("stopping took too long; what is durable stays so"),
    }
}
