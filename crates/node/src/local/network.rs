//! A local mesh's life: made or opened, started, stopped.

use super::{
    create::{self, LocalNode, LocalOptions},
    error::{LocalError, io},
    process::{self, ProcessId},
};
use crate::config::ConfigError;
use nix::sys::signal::Signal;
use std::{
    path::{Path, PathBuf},
    process::Child,
    time::Duration,
};
use tokio::time::{Instant, sleep};
use trustmesh_types::genesis::Genesis;

/// All nodes are ready after this long, or something is wrong: 16 of them share two cores.
const READY_TIMEOUT: Duration = Duration::from_secs(90);
/// A node has this long to stop by itself: a little more than it takes at most.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);
/// And this long once killed.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two looks.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Whether nodes outlive who starts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartMode {
    /// They end with the starting process, and when the [`LocalNetwork`] is dropped.
    Attached,
    /// They go on until they are stopped.
    Detached,
}

/// How a node of a local mesh is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// Its process, when it runs.
    pub pid: Option<u32>,
    /// Address of its API.
    pub http_address: String,
}

/// A local mesh.
#[derive(Debug)]
pub struct LocalNetwork {
    folder: PathBuf,
    genesis: Genesis,
    nodes: Vec<LocalNode>,
    attached: Vec<(ProcessId, Child)>,
}

/// A node on its way up.
struct Starting {
    index: usize,
    child: Child,
    log_from: u64,
}

impl LocalNetwork {
    /// Makes a mesh in a new or empty folder.
    ///
    /// # Errors
    /// [`LocalError`].
    pub fn create(folder: &Path, options: &LocalOptions) -> Result<Self, LocalError> {
        let genesis = create::create(folder, options)?;
        Ok(Self::of(folder, genesis))
    }

    /// Opens a mesh that was made before.
    ///
    /// # Errors
    /// [`LocalError`].
    pub fn open(folder: &Path) -> Result<Self, LocalError> {
        let path = folder.join("genesis.json");
        if !path.is_file() {
            return Err(LocalError::NoNetwork { path: folder.to_owned() });
        }
        let text = std::fs::read_to_string(&path).map_err(|e| io("read", &path, &e))?;
        let genesis: Genesis = serde_json::from_str(&text)
            .map_err(|e| ConfigError::GenesisForm { path: path.clone(), reason: e.to_string() })?;
        genesis.validate().map_err(|source| ConfigError::Genesis { path, source })?;
        Ok(Self::of(folder, genesis))
    }

    fn of(folder: &Path, genesis: Genesis) -> Self {
        let nodes = genesis.nodes.iter().map(|info| LocalNode {
            name: info.name.clone(),
            folder: folder.join(&info.name),
            info: info.clone(),
        });
        let nodes = nodes.collect();
        Self { folder: folder.to_owned(), genesis, nodes, attached: Vec::new() }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The genesis.
    #[must_use]
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The genesis document's file.
    #[must_use]
    pub fn genesis_path(&self) -> PathBuf {
        self.folder.join("genesis.json")
    }

    /// The operator's key file.
    #[must_use]
    pub fn operator_key_path(&self) -> PathBuf {
        self.folder.join("operator.key")
    }

    /// The nodes, in order.
    #[must_use]
    pub fn nodes(&self) -> &[LocalNode] {
        &self.nodes
    }

    /// How each node is doing.
    #[must_use]
    pub fn status(&self) -> Vec<NodeStatus> {
        let status = |node: &LocalNode| NodeStatus {
            name: node.name.clone(),
            pid: ProcessId::read(node).map(|process| process.pid),
            http_address: node.info.http_address.clone(),
        };
        self.nodes.iter().map(status).collect()
    }

    /// Starts every node that doesn't run, each by `exe node run --config …`, and waits until
    /// all are ready; `progress` is told how many are. If one fails, those that were started
    /// are stopped again.
    ///
    /// # Errors
    /// [`LocalError`], with the end of the log of the node that failed.
    pub async fn start(
        &mut self,
        exe: &Path,
        mode: StartMode,
        mut progress: impl FnMut(usize),
    ) -> Result<(), LocalError> {
        let idle: Vec<usize> = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| ProcessId::read(node).is_none())
            .map(|(index, _)| index)
            .collect();
        let mut starting = Vec::new();
        for index in idle {
            match self.launch(exe, index, mode) {
                Ok(started) => starting.push(started),
                Err(error) => {
                    self.abandon(starting).await;
                    return Err(error);
                }
            }
        }
        let outcome = self.wait_ready(&mut starting, &mut progress).await;
        if let Err(error) = outcome {
            self.abandon(starting).await;
            return Err(error);
        }
        self.adopt(starting, mode);
        Ok(())
    }

    /// Starts one node, without waiting for it to be ready; nothing happens when it runs.
    ///
    /// # Errors
    /// [`LocalError`].
    pub fn start_node(
        &mut self,
        exe: &Path,
        index: usize,
        mode: StartMode,
    ) -> Result<(), LocalError> {
        if self.nodes.get(index).is_some_and(|node| ProcessId::read(node).is_some()) {
            return Ok(());
        }
        let started = self.launch(exe, index, mode)?;
        self.adopt(vec![started], mode);
        Ok(())
    }

    /// Starts one node and waits until it is ready.
    ///
    /// # Errors
    /// [`LocalError`], with the end of its log; it is then not running.
    pub async fn restart_node(
        &mut self,
        exe: &Path,
        index: usize,
        mode: StartMode,
    ) -> Result<(), LocalError> {
        let mut starting = vec![self.launch(exe, index, mode)?];
        let outcome = self.wait_ready(&mut starting, &mut |_| {}).await;
        match outcome {
            Ok(()) => self.adopt(starting, mode),
            Err(_) => self.abandon(starting).await,
        }
        outcome
    }

    fn launch(&self, exe: &Path, index: usize, mode: StartMode) -> Result<Starting, LocalError> {
        let Some(node) = self.nodes.get(index) else {
            let (nodes, max) = (index.saturating_add(1), self.nodes.len());
            return Err(LocalError::Nodes { nodes, min: 1, max });
        };
        let (child, log_from) = process::spawn(exe, node, mode == StartMode::Attached)?;
        if let Some(process) = ProcessId::of(child.id()) {
            process.write(node)?;
        }
        Ok(Starting { index, child, log_from })
    }

    async fn wait_ready(
        &self,
        starting: &mut [Starting],
        progress: &mut impl FnMut(usize),
    ) -> Result<(), LocalError> {
        let until = Instant::now() + READY_TIMEOUT;
        let mut ready = vec![false; starting.len()];
        let running = self.nodes.len() - starting.len();
        loop {
            for (one, ready) in starting.iter_mut().zip(&mut ready) {
                let Some(node) = self.nodes.get(one.index) else { continue };
                *ready = *ready || process::said_ready(&node.log(), one.log_from);
                // An error means that it is gone as well.
                if !matches!(one.child.try_wait(), Ok(None)) {
                    let log = process::log_since(&node.log(), one.log_from);
                    return Err(LocalError::Ended { node: node.name.clone(), log });
                }
            }
            let count = ready.iter().filter(|ready| **ready).count();
            progress(running + count);
            if count == starting.len() {
                return Ok(());
            }
            if Instant::now() >= until {
                let slow = starting.iter().zip(&ready).find(|(_, ready)| !**ready);
                let slow = slow.and_then(|(one, _)| Some((one, self.nodes.get(one.index)?)));
                let Some((one, node)) = slow else { return Ok(()) };
                let log = process::log_since(&node.log(), one.log_from);
                let waited_s = READY_TIMEOUT.as_secs();
                return Err(LocalError::NotReady { node: node.name.clone(), waited_s, log });
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    fn adopt(&mut self, started: Vec<Starting>, mode: StartMode) {
        for one in started {
            match (mode, ProcessId::of(one.child.id())) {
                (StartMode::Attached, Some(process)) => self.attached.push((process, one.child)),
                // A detached child is reaped when its parent ends, or by `stop`.
                _ => drop(one.child),
            }
        }
    }

    /// Stops what a failed start has started; what ran before goes on.
    async fn abandon(&mut self, started: Vec<Starting>) {
        let of = |one: &Starting| self.nodes.get(one.index).cloned();
        let nodes: Vec<LocalNode> = started.iter().filter_map(of).collect();
        self.adopt(started, StartMode::Attached);
        if let Err(error) = self.stop_nodes(nodes).await {
            tracing::warn!(%error, "a node that was started can't be stopped");
        }
    }

    /// Kills nodes at the same time, and waits until all of them are gone.
    ///
    /// # Errors
    /// [`LocalError::Immortal`].
    pub async fn kill_nodes(&mut self, indices: &[usize]) -> Result<(), LocalError> {
        let nodes: Vec<LocalNode> =
            indices.iter().filter_map(|index| self.nodes.get(*index)).cloned().collect();
        let processes: Vec<Option<ProcessId>> = nodes.iter().map(ProcessId::read).collect();
        for process in processes.iter().flatten() {
            process.signal(Signal::SIGKILL);
        }
        for (node, process) in nodes.iter().zip(processes) {
            if let Some(process) = process {
                self.wait_gone(node, process, KILL_TIMEOUT).await?;
            }
            ProcessId::forget(node);
        }
        Ok(())
    }

    /// Stops every node: asks first, kills what does not stop in time. What they hold stays.
    ///
    /// # Errors
    /// [`LocalError::Immortal`].
    pub async fn stop(&mut self) -> Result<(), LocalError> {
        self.stop_nodes(self.nodes.clone()).await
    }

    async fn stop_nodes(&mut self, nodes: Vec<LocalNode>) -> Result<(), LocalError> {
        let running: Vec<(LocalNode, ProcessId)> = nodes
            .into_iter()
            .filter_map(|node| ProcessId::read(&node).map(|process| (node, process)))
            .collect();
        for (_, process) in &running {
            process.signal(Signal::SIGTERM);
        }
        let until = Instant::now() + STOP_TIMEOUT;
        for (node, process) in running {
            let left = until.saturating_duration_since(Instant::now());
            if self.wait_gone(&node, process, left).await.is_err() {
                process.signal(Signal::SIGKILL);
                self.wait_gone(&node, process, KILL_TIMEOUT).await?;
            }
            ProcessId::forget(&node);
        }
        Ok(())
    }

    async fn wait_gone(
        &mut self,
        node: &LocalNode,
        process: ProcessId,
        timeout: Duration,
    ) -> Result<(), LocalError> {
        let until = Instant::now() + timeout;
        loop {
            // Reaps it, if it is a child of this process.
            let child = self.attached.iter_mut().find(|(known, _)| *known == process);
            let reaped = child.is_some_and(|(_, child)| matches!(child.try_wait(), Ok(Some(_))));
            if reaped || !process.lives() {
                self.attached.retain(|(known, _)| *known != process);
                return Ok(());
            }
            if Instant::now() >= until {
                let (node, pid) = (node.name.clone(), process.pid);
                return Err(LocalError::Immortal { node, pid });
            }
            sleep(POLL_INTERVAL).await;
        }
    }
}

impl Drop for LocalNetwork {
    fn drop(&mut self) {
        // Whoever wants more time for them calls `stop`. Each is a child of this process,
        // so its number is its own until it is waited for.
        for (process, child) in &mut self.attached {
            process.signal(Signal::SIGTERM);
            // Closes standard input, which stops it as well.
            drop(child.stdin.take());
        }
        let until = std::time::Instant::now() + STOP_TIMEOUT;
        for (_, child) in &mut self.attached {
            while matches!(child.try_wait(), Ok(None)) {
                if std::time::Instant::now() >= until {
                    // It has had its time; an error means that it is gone.
                    let _ = child.kill();
                    let _ = child.wait();
                    break;
                }
                std::thread::sleep(POLL_INTERVAL);
            }
        }
    }
}
