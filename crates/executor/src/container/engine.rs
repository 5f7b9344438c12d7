//! The engine's API, and whether it is there. Docker and Podman speak it over a unix socket.

use super::{
    config::{ContainerConfig, EngineState},
    error::ContainerError,
};
use crate::text::shorten;
use bollard::{
    API_DEFAULT_VERSION, Docker,
    container::LogOutput,
    query_parameters::{
        ListContainersOptionsBuilder, ListNetworksOptionsBuilder, LogsOptionsBuilder,
        RemoveContainerOptionsBuilder,
    },
};
use futures::StreamExt as _;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, watch};

/// For one call of the engine's API, but those that wait or carry an image.
const TIMEOUT_S: u64 = 30;
/// Bytes of a log that are read.
const LOG_BYTES_MAX: usize = 64 * 1024;
/// Label of the network that a container or a container network belongs to.
pub(super) const NETWORK_LABEL: &str = "trustmesh.network";
/// Label of the node.
pub(super) const NODE_LABEL: &str = "trustmesh.node";
/// Label of the application.
pub(super) const APP_LABEL: &str = "trustmesh.app";
/// Where engines listen: Docker's, Podman's for root.
const SOCKETS: [&str; 2] = ["/var/run/docker.sock", "/run/podman/podman.sock"];
/// Between two looks whether the engine answers.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Digits of a node's key in names.
const NODE_DIGITS: usize = 12;

/// The engine as one node uses it.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) config: ContainerConfig,
    state: watch::Sender<EngineState>,
    turns: Mutex<BTreeMap<String, Arc<AsyncMutex<()>>>>,
}

impl Engine {
    pub(super) fn new(config: ContainerConfig) -> Self {
        Self { config, state: watch::Sender::new(EngineState::Unknown), turns: Mutex::default() }
    }

    pub(super) fn state(&self) -> watch::Receiver<EngineState> {
        self.state.subscribe()
    }

    fn socket(&self) -> PathBuf {
        let there = |path: &PathBuf| path.exists();
        let usual = || SOCKETS.iter().map(PathBuf::from).find(there);
        let user = || {
            let folder = std::env::var_os("XDG_RUNTIME_DIR")?;
            Some(PathBuf::from(folder).join("podman/podman.sock")).filter(there)
        };
        let given = self.config.socket.clone();
        given.or_else(usual).or_else(user).unwrap_or_else(|| PathBuf::from(SOCKETS[0]))
    }

    /// A connection; made anew, since the socket may come and go.
    pub(super) fn docker(&self) -> Result<Docker, ContainerError> {
        let socket = self.socket();
        Docker::connect_with_unix(&socket.to_string_lossy(), TIMEOUT_S, API_DEFAULT_VERSION)
            .map_err(|error| ContainerError::of("connect", &error))
    }

    /// Looks whether the engine answers, and says so.
    pub(super) async fn look(&self) -> EngineState {
        let asked = async {
            let docker = self.docker()?;
            // An older engine speaks an older version of its API.
            let docker = docker.negotiate_version().await;
            let docker = docker.map_err(|error| ContainerError::of("answer", &error))?;
            docker.version().await.map_err(|error| ContainerError::of("answer", &error))
        };
        let state = match tokio::time::timeout(LOOK_EVERY * 5, asked).await {
            Ok(Ok(version)) => EngineState::Up {
                version: shorten(version.version.unwrap_or_default()),
                arch: arch(&version.arch.unwrap_or_default()),
            },
            Ok(Err(error)) => EngineState::Down { reason: error.to_string() },
            Err(_) => EngineState::Down { reason: "it does not answer in time".to_owned() },
        };
        self.state.send_if_modified(|known| {
            let news = *known != state;
            known.clone_from(&state);
            news
        });
        state
    }

    /// The turn to make or remove what an application has on the engine. The engine ends what it
    /// was asked for though nobody waits for it any more, so the next one does.
    pub(super) async fn turn(&self, app: &str) -> OwnedMutexGuard<()> {
        let turn = {
            // A map of pointers is never half changed.
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(app.to_owned()).or_default())
        };
        turn.lock_owned().await
    }

    /// Looks again and again while anybody uses the engine.
    pub(super) async fn watch(engine: std::sync::Weak<Self>) {
        while let Some(engine) = engine.upgrade() {
            engine.look().await;
            drop(engine);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Completes when the engine answers.
    pub(super) async fn up(&self) {
        let mut state = self.state();
        // The sender is ours.
        let _ = state.wait_for(|state| matches!(state, EngineState::Up { .. })).await;
    }

    /// A negotiated connection.
    pub(super) async fn connect(&self) -> Result<Docker, ContainerError> {
        let docker = self.docker()?.negotiate_version().await;
        docker.map_err(|error| ContainerError::of("answer", &error))
    }

    fn node(&self) -> String {
        self.config.node.chars().take(NODE_DIGITS).collect()
    }

    /// Name of an application's container, and of its network.
    pub(super) fn name(&self, app: &str) -> String {
        format!("trustmesh-{}-{app}", self.node())
    }

    /// Under which name this node has its images.
    pub(super) fn repository(&self) -> String {
        format!("trustmesh-{}", self.node())
    }

    /// What this node calls an image.
    pub(super) fn tag(&self, manifest: &trustmesh_types::Digest) -> String {
        format!("{}:{manifest}", self.repository())
    }

    pub(super) fn labels(&self, app: &str) -> HashMap<String, String> {
        [
            (NETWORK_LABEL, self.config.network.as_str()),
            (NODE_LABEL, &self.config.node),
            (APP_LABEL, app),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// Removes an application's container and network, if they are there.
    pub(super) async fn remove(&self, docker: &Docker, name: &str) -> Result<(), ContainerError> {
        let force = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        gone(docker.remove_container(name, Some(force)).await, "remove a container")?;
        gone(docker.remove_network(name).await, "remove a network")
    }

    /// The applications that have a container or a network of this node's here.
    pub(super) async fn apps(&self, docker: &Docker) -> Result<BTreeSet<String>, ContainerError> {
        let mine = vec![format!("{NODE_LABEL}={}", self.config.node)];
        let filters: HashMap<&str, Vec<String>> = HashMap::from([("label", mine)]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let listed = docker.list_containers(Some(options)).await;
        let containers = listed.map_err(|e| ContainerError::of("list containers", &e))?;
        let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
        let listed = docker.list_networks(Some(options)).await;
        let networks = listed.map_err(|e| ContainerError::of("list networks", &e))?;
        let labels = containers.into_iter().map(|it| it.labels);
        let labels = labels.chain(networks.into_iter().map(|it| it.labels));
        Ok(labels.flatten().filter_map(|mut it| it.remove(APP_LABEL)).collect())
    }

    /// The last lines of a container's log; empty when there is none.
    pub(super) async fn log(&self, docker: &Docker, name: &str, lines: usize) -> String {
        let options = LogsOptionsBuilder::default()
            .stdout(true)
            .stderr(true)
            .tail(&lines.to_string())
            .build();
        let mut text = String::new();
        let mut pieces = std::pin::pin!(docker.logs(name, Some(options)));
        while let Some(Ok(piece)) = pieces.next().await {
            let (LogOutput::StdErr { message }
            | LogOutput::StdOut { message }
            | LogOutput::StdIn { message }
            | LogOutput::Console { message }) = piece;
            text.push_str(&String::from_utf8_lossy(&message));
            if text.len() > LOG_BYTES_MAX {
                break;
            }
        }
        text
    }
}

/// Nothing there to remove is no error.
pub(super) fn gone<T>(
    result: Result<T, bollard::errors::Error>,
    action: &'static str,
) -> Result<(), ContainerError> {
    use bollard::errors::Error;
    match result {
        Ok(_) | Err(Error::DockerResponseServerError { status_code: 404 | 409, .. }) => Ok(()),
        Err(error) => Err(ContainerError::of(action, &error)),
    }
}

/// Our name of an engine's architecture, which are Go's.
fn arch(name: &str) -> String {
    match name {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        "386" => "x86",
        other => other,
    }
    .to_owned()
}
