//! The nodes of a world and the network between them: starting, killing, linking.

use super::{
    cast::Cast,
    clock,
    disk::Disk,
    driver::{Driver, Local, Parts},
    outbox,
    recorder::Recorder,
};
use crate::{
    derive,
    error::SimError,
    scenario::{Fault, Link, Scenario},
};
use commonware_p2p::simulated;
use commonware_runtime::{Handle as Task, Spawner as _, Supervisor as _, deterministic::Context};
use commonware_utils::{NZUsize, Probability, channel::mpsc};
use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use trustmesh_agent::{Agent, Config};
use trustmesh_consensus::{
    ClockOffset, EngineKey, Handle, Options, Oracle, engine_public, max_message_size,
    simulated_network, start_sim,
};

/// How one gets at a running node.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) inbox: mpsc::UnboundedSender<Local>,
    pub(crate) ledger: Handle,
}

/// The doors of the running nodes, by index; clones are the same ones.
#[derive(Debug, Default, Clone)]
pub(crate) struct Doors(Arc<Mutex<BTreeMap<usize, Door>>>);

impl Doors {
    fn all(&self) -> MutexGuard<'_, BTreeMap<usize, Door>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The door of a node that is up.
    pub(crate) fn of(&self, node: usize) -> Option<Door> {
        self.all().get(&node).cloned()
    }

    /// Indices of the nodes that are up.
    pub(crate) fn up(&self) -> Vec<usize> {
        self.all().keys().copied().collect()
    }
}

struct Running {
    ledger: Task<()>,
    driver: Task<()>,
}

#[derive(Default)]
struct Slot {
    disk: Disk,
    silenced: Arc<AtomicBool>,
    lives: u64,
    running: Option<Running>,
}

/// See the module.
pub(crate) struct Mesh {
    context: Context,
    cast: Cast,
    oracle: Oracle,
    engine_keys: Vec<EngineKey>,
    links: BTreeMap<(usize, usize), Link>,
    slots: Vec<Slot>,
    doors: Doors,
    recorder: Recorder,
    disk_time: Duration,
    sample_interval: Duration,
}

impl Mesh {
    /// A network whose nodes are all linked and not yet started.
    pub(crate) async fn new(
        context: &Context,
        scenario: &Scenario,
        cast: Cast,
        recorder: Recorder,
    ) -> Result<Self, SimError> {
        let flaw = |what: String| SimError::Scenario { scenario: scenario.name.clone(), what };
        let keys = cast.nodes.iter().map(|key| engine_public(&key.public()));
        let engine_keys: Vec<EngineKey> =
            keys.collect::<Result<_, _>>().map_err(|e| flaw(e.to_string()))?;
        let config = simulated::Config {
            max_size: max_message_size(engine_keys.len()),
            max_peers_per_set: NonZeroUsize::new(engine_keys.len()).unwrap_or(NonZeroUsize::MIN),
            disconnect_on_block: true,
            tracked_peer_sets: NZUsize!(1),
        };
        let (network, oracle) = simulated::Network::new_with_peers(
            context.child("network"),
            config,
            engine_keys.iter().cloned(),
        )
        .await;
        network.start();
        let interval_ms = scenario.parameters.snapshot_interval_ms;
        let mut mesh = Self {
            context: context.child("mesh"),
            slots: engine_keys.iter().map(|_| Slot::default()).collect(),
            cast,
            oracle,
            engine_keys,
            links: BTreeMap::new(),
            doors: Doors::default(),
            recorder,
            disk_time: scenario.links.disk,
            sample_interval: Duration::from_millis(interval_ms),
        };
        mesh.link_all(scenario.links.nodes).await?;
        for (from, to, link) in &scenario.links.special {
            mesh.link(*from, *to, Some(*link)).await?;
        }
        Ok(mesh)
    }

    pub(crate) fn doors(&self) -> Doors {
        self.doors.clone()
    }

    /// Starts every node.
    pub(crate) async fn start_all(&mut self) -> Result<(), SimError> {
        for node in 0..self.slots.len() {
            self.start(node).await?;
        }
        Ok(())
    }

    /// Lets a fault happen.
    pub(crate) async fn inject(&mut self, fault: &Fault) -> Result<(), SimError> {
        self.recorder.fault(clock::at_us(&self.context), &format!("{fault:?}"));
        match fault {
            Fault::Crash(node) => self.crash(*node).await,
            Fault::Start(node) => self.start(*node).await?,
            Fault::Silence(node) => self.silence(*node, true),
            Fault::Speak(node) => self.silence(*node, false),
            Fault::Links(link) => self.link_all(*link).await?,
            Fault::Link(from, to, link) => self.link(*from, *to, *link).await?,
        }
        Ok(())
    }

    fn silence(&self, node: usize, silenced: bool) {
        if let Some(slot) = self.slots.get(node) {
            slot.silenced.store(silenced, Ordering::Relaxed);
        }
    }

    /// Kills a node's process, if it runs.
    async fn crash(&mut self, node: usize) {
        self.doors.all().remove(&node);
        let Some(running) = self.slots.get_mut(node).and_then(|slot| slot.running.take()) else {
            return;
        };
        running.driver.abort();
        running.ledger.abort();
        // Both end as aborted; only then is the storage free for a next life.
        let _ = running.driver.await;
        let _ = running.ledger.await;
    }

    /// Starts a node from what is durable, if it does not run.
    async fn start(&mut self, node: usize) -> Result<(), SimError> {
        let (Some(slot), Some(key), Some(engine_key)) =
            (self.slots.get_mut(node), self.cast.nodes.get(node), self.engine_keys.get(node))
        else {
            return Ok(());
        };
        if slot.running.is_some() {
            return Ok(());
        }
        slot.lives += 1;
        let context = self
            .context
            .child("node")
            .with_attribute("node", node)
            .with_attribute("life", slot.lives);
        let network = simulated_network(&self.oracle, engine_key).await?;
        let options = Options {
            genesis: self.cast.genesis.clone(),
            key: key.clone(),
            partition: format!("node{node}"),
            delivered_height: None,
            clock: ClockOffset::default(),
        };
        let (ledger, streams, ledger_task) = start_sim(context.child("chain"), options, network)
            .await
            .map_err(|source| SimError::Start { node, source })?;
        self.recorder.starts(node, streams.state.clone());
        let (agent, first) = Agent::new(Config {
            key: key.clone(),
            seed: derive::bytes(self.cast.seed, "agent", (node as u64) << 32 | slot.lives),
            state: streams.state.clone(),
            recovered: slot.disk.recovered(clock::now_ms(&context)),
        });
        let (inbox, local) = mpsc::unbounded_channel();
        let (transactions, payloads) = mpsc::unbounded_channel();
        let parts = Parts {
            node,
            agent,
            first,
            ledger: ledger.clone(),
            disk: slot.disk.clone(),
            disk_time: self.disk_time,
            recorder: self.recorder.clone(),
            silenced: Arc::clone(&slot.silenced),
            inbox: inbox.clone(),
            transactions,
            sample_interval: self.sample_interval,
        };
        // Nonces of another life must not come again.
        let nonce = slot.lives << 32;
        let (sender, network) = (key.clone(), self.cast.network);
        let emptied = ledger.clone();
        let driver = context.child("driver").spawn(move |context| async move {
            context
                .child("outbox")
                .spawn(move |_| outbox::run(payloads, emptied, sender, network, nonce));
            Driver::new(context, parts).run(streams, local).await;
        });
        slot.running = Some(Running { ledger: ledger_task, driver });
        self.doors.all().insert(node, Door { inbox, ledger });
        Ok(())
    }

    async fn link_all(&mut self, link: Link) -> Result<(), SimError> {
        let count = self.engine_keys.len();
        for (from, to) in (0..count).flat_map(|from| (0..count).map(move |to| (from, to))) {
            if from != to {
                self.link(from, to, Some(link)).await?;
            }
        }
        Ok(())
    }

    async fn link(&mut self, from: usize, to: usize, link: Option<Link>) -> Result<(), SimError> {
        let ends = (self.engine_keys.get(from), self.engine_keys.get(to));
        let (Some(sender), Some(receiver)) = ends else { return Ok(()) };
        if self.links.remove(&(from, to)).is_some() {
            self.oracle.remove_link(sender.clone(), receiver.clone()).await?;
        }
        if let Some(link) = link {
            let delivered = 1_000u64.saturating_sub(u64::from(link.loss_per_mille));
            let success_rate =
                Probability::new(delivered, 1_000).ok_or_else(|| SimError::Network {
                    reason: format!("{} of 1,000 messages can't get lost", link.loss_per_mille),
                })?;
            let config =
                simulated::Link { latency: link.latency, jitter: link.jitter, success_rate };
            self.oracle.add_link(sender.clone(), receiver.clone(), config).await?;
            self.links.insert((from, to), link);
        }
        Ok(())
    }
}
