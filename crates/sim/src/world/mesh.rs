//! The nodes of a world: starting, killing, and what else goes wrong with them.

use super::{
    cast::Cast,
    clock,
    disk::Disk,
    driver::{Driver, Local, Parts},
    network::Network,
    outbox,
    recorder::Recorder,
};
use crate::{
    adversary::{
        Adversary, Ring,
        engine::{Ends, Evil, Switch},
    },
    derive,
    deviation::Deviation,
    error::SimError,
    oracle::Violation,
    scenario::{ClockError, Fault, Scenario},
};
use commonware_runtime::{Handle as Task, Spawner as _, Supervisor as _, deterministic::Context};
use commonware_utils::channel::mpsc;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use trustmesh_agent::{Agent, Config};
use trustmesh_consensus::{ClockOffset, Handle, Meter, Options};
use trustmesh_types::{Digest, PublicKey};

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

    /// The first door behind which nobody is evil.
    pub(crate) fn honest(&self, cast: &Cast) -> Option<Door> {
        let all = self.all();
        all.iter().find(|(node, _)| !cast.is_evil(**node)).map(|(_, door)| door.clone())
    }

    /// The door of the node of a key, when it is up.
    pub(crate) fn of_key(&self, key: &PublicKey) -> Option<Door> {
        self.all().values().find(|door| door.ledger.me() == *key).cloned()
    }

    /// A node is gone.
    pub(crate) fn close(&self, node: usize) {
        self.all().remove(&node);
    }
}

struct Running {
    ledger: Task<()>,
    driver: Task<()>,
}

/// A node that is on the network and has yet to start.
struct Life {
    context: Context,
    ends: Ends,
}

#[derive(Default)]
struct Slot {
    disk: Disk,
    silenced: Arc<AtomicBool>,
    clock: ClockOffset,
    drift: Option<Task<()>>,
    lives: u64,
    running: Option<Running>,
}

/// See the module.
pub(crate) struct Mesh {
    context: Context,
    cast: Cast,
    network: Network,
    slots: Vec<Slot>,
    doors: Doors,
    recorder: Recorder,
    ring: Arc<Ring>,
    disk_time: Duration,
    device_time: Duration,
    sample_interval: Duration,
    leader_timeout: Duration,
    evil: BTreeMap<usize, Deviation>,
    unleashed: Switch,
}

impl Mesh {
    /// A network whose nodes are all linked and not yet started.
    pub(crate) fn new(
        context: &Context,
        scenario: &Scenario,
        cast: Cast,
        recorder: Recorder,
    ) -> Result<Self, SimError> {
        let network = Network::new(context, scenario, &cast)?;
        let interval_ms = scenario.parameters.snapshot_interval_ms;
        let mut mesh = Self {
            context: context.child("mesh"),
            slots: cast.nodes.iter().map(|_| Slot::default()).collect(),
            ring: Arc::new(Ring::new(cast.seed, cast.evil_keys())),
            cast,
            network,
            doors: Doors::default(),
            recorder,
            disk_time: scenario.links.disk,
            device_time: scenario.links.device,
            sample_interval: Duration::from_millis(interval_ms),
            leader_timeout: Duration::from_millis(scenario.parameters.leader_timeout_ms),
            evil: scenario.evil.iter().copied().filter(|(_, how)| how.of_engine()).collect(),
            unleashed: Switch::default(),
        };
        scenario.clocks.iter().for_each(|error| mesh.set_clock(error));
        Ok(mesh)
    }

    /// What is evil about a node in agreement.
    fn evil(&self, node: usize) -> Option<Evil> {
        let (deviation, key) = (*self.evil.get(&node)?, self.cast.nodes.get(node)?.clone());
        let parts = (self.unleashed.clone(), self.recorder.clone());
        Some(Evil::new(deviation, key, self.cast.network, self.cast.seed, parts))
    }

    /// Gives a node a clock that is wrong.
    fn set_clock(&mut self, error: &ClockError) {
        let Some(slot) = self.slots.get_mut(error.node) else { return };
        if let Some(drift) = slot.drift.take() {
            drift.abort();
        }
        slot.clock.set_ms(error.ahead_ms);
        if error.drift_ppm != 0 {
            let (clock, error) = (slot.clock.clone(), *error);
            let context = self.context.child("clock").with_attribute("node", error.node);
            slot.drift = Some(context.spawn(move |context| clock::drift(context, clock, error)));
        }
    }

    pub(crate) fn doors(&self) -> Doors {
        self.doors.clone()
    }

    /// Evil nodes are evil from now on.
    pub(crate) fn let_loose(&self) {
        self.ring.let_loose();
        self.unleashed.on();
    }

    /// Starts every node, once all are on the network.
    pub(crate) async fn start_all(&mut self) -> Result<(), SimError> {
        let mut lives = Vec::with_capacity(self.slots.len());
        for node in 0..self.slots.len() {
            lives.push(self.enter(node).await?);
        }
        self.network.open().await?;
        for (node, life) in lives.into_iter().enumerate() {
            self.begin(node, life).await?;
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
            Fault::Clock(node, ahead_ms) => {
                let (node, ahead_ms) = (*node, *ahead_ms);
                self.set_clock(&ClockError { node, ahead_ms, drift_ppm: 0 });
            }
            other => self.network.inject(other).await?,
        }
        Ok(())
    }

    /// Whether no request is open, and every honest node that is up has the newest block.
    pub(crate) fn settled(&self) -> bool {
        let seen = self.recorder.seen();
        let height = seen.court.chain().height();
        let behind = |node: &usize| {
            !seen.court.is_evil(*node) && seen.court.chain().delivered(*node) < height
        };
        seen.court.open_inputs().is_empty() && !self.doors.up().iter().any(behind)
    }

    /// S8: every open request's input lies with an honest node that is not lost for good.
    pub(crate) fn check_inputs(&self, lost: &[usize]) {
        let up = self.doors.up();
        let (inputs, evil): (_, Vec<bool>) = {
            let seen = self.recorder.seen();
            let nodes = 0..self.slots.len();
            (seen.court.open_inputs(), nodes.map(|node| seen.court.is_evil(node)).collect())
        };
        let counts = |node: usize| {
            let gone = lost.contains(&node) && !up.contains(&node);
            !gone && evil.get(node) == Some(&false)
        };
        let held = |digest: &Digest| {
            let mut slots = self.slots.iter().enumerate();
            slots.any(|(n, slot)| counts(n) && slot.disk.held().blobs.contains_key(digest))
        };
        if let Some((request, _)) = inputs.iter().find(|(_, digest)| !held(digest)) {
            let what = format!("no honest node has the input of request {}", request.short());
            self.recorder.complain(Violation::new("S8", what));
        }
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
        if self.slots.get(node).is_none_or(|slot| slot.running.is_some()) {
            return Ok(());
        }
        let life = self.enter(node).await?;
        self.begin(node, life).await
    }

    /// Puts a node on the network for its next life.
    async fn enter(&mut self, node: usize) -> Result<Life, SimError> {
        let ends = self.network.ends(node)?;
        let lives = self.slots.get_mut(node).map_or(0, |slot| {
            slot.lives += 1;
            slot.lives
        });
        let context =
            self.context.child("node").with_attribute("node", node).with_attribute("life", lives);
        let evil: (_, Arc<dyn Meter>) = (self.evil(node), self.recorder.tally());
        let ends = Ends::of(&context, ends, evil, self.leader_timeout).await?;
        Ok(Life { context, ends })
    }

    /// Begins a node's next life.
    async fn begin(&mut self, node: usize, life: Life) -> Result<(), SimError> {
        let (Some(slot), Some(key)) = (self.slots.get_mut(node), self.cast.nodes.get(node)) else {
            return Ok(());
        };
        let Life { context, ends } = life;
        let options = Options {
            genesis: self.cast.genesis.clone(),
            key: key.clone(),
            partition: format!("node{node}"),
            delivered_height: None,
            votes_unknown: false,
            snapshot: None,
            clock: slot.clock.clone(),
        };
        let (started, beside) = ends.start(&context, options).await;
        let (ledger, streams, ledger_task) =
            started.map_err(|source| SimError::Start { node, source })?;
        self.recorder.starts(node, streams.state.clone());
        let (agent, first) = Agent::new(Config {
            key: key.clone(),
            seed: derive::bytes(self.cast.seed, "agent", (node as u64) << 32 | slot.lives),
            state: streams.state.clone(),
            recovered: slot.disk.recovered(slot.clock.shown_ms(clock::now_ms(&context))),
        });
        let (inbox, local) = mpsc::unbounded_channel();
        let (transactions, payloads) = mpsc::unbounded_channel();
        let parts = Parts {
            node,
            agent,
            first,
            adversary: Adversary::new(
                &self.cast.deviations(node),
                key.clone(),
                Arc::clone(&self.ring),
                self.recorder.clone(),
                streams.state.clone(),
            ),
            doors: self.doors.clone(),
            device_time: self.device_time,
            ledger: ledger.clone(),
            disk: slot.disk.clone(),
            disk_time: self.disk_time,
            recorder: self.recorder.clone(),
            silenced: Arc::clone(&slot.silenced),
            clock: slot.clock.clone(),
            arrivals: self.network.arrivals(node, slot.lives),
            strangers: self.network.strangers(),
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
            beside.spawn(&context);
            Driver::new(context, parts).run(streams, local).await;
        });
        slot.running = Some(Running { ledger: ledger_task, driver });
        self.doors.all().insert(node, Door { inbox, ledger });
        Ok(())
    }
}
