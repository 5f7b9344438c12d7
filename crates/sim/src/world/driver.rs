//! A node's driver in virtual time: owns the agent, turns what happens into inputs, and
//! interprets the effects, as the daemon's driver does.
//!
//! What takes time (disk, applications, transactions) runs beside the loop as a child of the
//! driver's task, so that it dies with it.

use super::{
    arrivals::Arrivals, artifacts, clock, disk::Disk, mesh::Doors, outbox, recorder::Recorder,
    strangers::Strangers,
};
use crate::{
    adversary::{Adversary, Deed},
    apps::App,
};
use commonware_macros::select;
use commonware_runtime::{Clock as _, Spawner as _, Supervisor as _, deterministic::Context};
use commonware_utils::channel::{mpsc, oneshot};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};
use trustmesh_agent::{
    Agent, Answer, Bytes, Delivery, Effect, Input, Obtain, RunOutput, RunSpec, Start, Ticket,
};
use trustmesh_consensus::{ClockOffset, Handle, Streams};
use trustmesh_types::{
    Contents, Digest, Payload, PublicKey, RequestId, Signature, SignedTransaction, canonical,
    message::{Message, Recipient},
    records::{RequestRecord, Status},
    request::RequestBody,
    resources::{Resources, Snapshot},
};

/// Longer than any world lasts.
const NEVER: Duration = Duration::from_secs(1 << 30);

/// What a device hears when it waits for a result.
#[derive(Debug, Clone)]
pub(crate) enum Heard {
    /// Here it is.
    Result(Arc<Delivery>),
    /// It ended without one.
    Ended,
}

/// What reaches a driver from its own node's surroundings.
#[derive(Debug)]
pub(crate) enum Local {
    /// A device's request.
    Submit { body: RequestBody, signature: Signature, data: Bytes, reply: oneshot::Sender<Answer> },
    /// A publisher's artifact.
    Publish { contents: Contents, reply: oneshot::Sender<Answer> },
    /// Another node wants an artifact.
    Fetch { contents: Digest, reply: oneshot::Sender<Option<Bytes>> },
    /// A device waits for a result.
    Await { request: RequestId, reply: oneshot::Sender<Heard> },
    /// A device asks what the ledger holds of a request.
    Look { request: RequestId, reply: oneshot::Sender<Option<RequestRecord>> },
    /// A message by whoever says so, past the engine's authenticated channels.
    Overhear { from: PublicKey, message: Message },
    /// Something that took time is done.
    Done(Input),
    /// Something that an adversary put off.
    Deed(Box<Effect>),
}

/// What a driver is made from.
pub(crate) struct Parts {
    pub(crate) node: usize,
    pub(crate) agent: Agent,
    /// Stands between the agent and the world, in an evil node.
    pub(crate) adversary: Option<Adversary>,
    pub(crate) doors: Doors,
    pub(crate) device_time: Duration,
    pub(crate) first: Vec<Effect>,
    pub(crate) ledger: Handle,
    pub(crate) disk: Disk,
    pub(crate) disk_time: Duration,
    pub(crate) recorder: Recorder,
    pub(crate) silenced: Arc<AtomicBool>,
    pub(crate) clock: ClockOffset,
    pub(crate) arrivals: Arrivals,
    pub(crate) strangers: Strangers,
    pub(crate) inbox: mpsc::UnboundedSender<Local>,
    pub(crate) transactions: mpsc::UnboundedSender<Payload>,
    pub(crate) sample_interval: Duration,
}

/// See the module.
pub(crate) struct Driver {
    context: Context,
    parts: Parts,
    tickets: BTreeMap<Ticket, oneshot::Sender<Answer>>,
    waiting: BTreeMap<RequestId, Vec<oneshot::Sender<Heard>>>,
    next_ticket: Ticket,
    wake_at: SystemTime,
    sample_at: SystemTime,
    dead: bool,
}

impl Driver {
    pub(crate) fn new(context: Context, parts: Parts) -> Self {
        let now = context.current();
        Self {
            wake_at: now + NEVER,
            sample_at: now,
            context,
            parts,
            tickets: BTreeMap::new(),
            waiting: BTreeMap::new(),
            next_ticket: 0,
            dead: false,
        }
    }

    /// Runs until the ledger ends or the task is aborted.
    pub(crate) async fn run(
        mut self,
        mut streams: Streams,
        mut inbox: mpsc::UnboundedReceiver<Local>,
    ) {
        for effect in std::mem::take(&mut self.parts.first) {
            self.perform(effect);
        }
        loop {
            let input = select! {
                block = streams.finalized.recv() => match block {
                    Some(block) => Some(Input::Block(block)),
                    None => return,
                },
                message = streams.messages.recv() => match message {
                    Some((from, message)) => self.arrival(from, message),
                    None => return,
                },
                votes = streams.misbehaviour.recv() => match votes {
                    Some(votes) => Some(Input::Misbehaviour(votes)),
                    None => return,
                },
                local = inbox.recv() => match local {
                    Some(local) => self.local(local),
                    None => return,
                },
                _ = self.context.sleep_until(self.sample_at) => {
                    self.sample_at = self.context.current() + self.parts.sample_interval;
                    let taken_ms = self.now_ms();
                    Some(Input::Sampled(Snapshot { taken_ms, foreign: Resources::ZERO }))
                },
                _ = self.context.sleep_until(self.wake_at) => {
                    self.wake_at = self.context.current() + NEVER;
                    Some(Input::Woken)
                },
            };
            let Some(input) = input else { continue };
            self.step(input);
            if self.dead {
                self.parts.doors.close(self.parts.node);
                return self.parts.ledger.shutdown().await;
            }
        }
    }

    /// This node's clock.
    fn now_ms(&self) -> u64 {
        self.parts.clock.shown_ms(clock::now_ms(&self.context))
    }

    /// A message comes: now, late, or twice.
    fn arrival(&mut self, from: PublicKey, message: Message) -> Option<Input> {
        let arrival = self.parts.arrivals.draw();
        if let Some(after) = arrival.again {
            let message = message.clone();
            self.later(after, move || Some(Input::Message { from, message }));
        }
        let Some(after) = arrival.late else { return Some(Input::Message { from, message }) };
        self.later(after, move || Some(Input::Message { from, message }));
        None
    }

    fn step(&mut self, input: Input) {
        let block = matches!(input, Input::Block(_));
        let now_ms = self.now_ms();
        let heard = match &mut self.parts.adversary {
            Some(adversary) => adversary.hears(now_ms, input),
            None => Some(input),
        };
        if let Some(input) = heard {
            self.parts.recorder.input(clock::at_us(&self.context), self.parts.node, &input);
            for effect in self.parts.agent.step(now_ms, input) {
                let wanted = match &mut self.parts.adversary {
                    Some(adversary) => adversary.wants(now_ms, effect),
                    None => Some(effect),
                };
                wanted.into_iter().for_each(|effect| self.perform(effect));
            }
        }
        self.misbehave();
        if block {
            let waiting: Vec<RequestId> = self.waiting.keys().copied().collect();
            waiting.iter().for_each(|request| self.tell(request));
        }
    }

    fn local(&mut self, local: Local) -> Option<Input> {
        match local {
            Local::Submit { body, signature, data, reply } => {
                let ticket = self.ticket(reply);
                Some(Input::Submit { ticket, body, signature, data })
            }
            Local::Publish { contents: of, reply } => {
                let (ticket, contents, bytes) = (self.ticket(reply), of.digest(), of.bytes());
                self.parts.disk.held().artifacts.insert(contents, of.encode().into());
                Some(Input::Publish { ticket, contents, bytes, registry: None })
            }
            Local::Fetch { contents, reply } => {
                let held = self.parts.disk.held().artifacts.get(&contents).cloned();
                let served = match &mut self.parts.adversary {
                    Some(adversary) => adversary.serves(contents, held),
                    None => held,
                };
                // Who asked may have gone.
                let _ = reply.send(served);
                None
            }
            Local::Await { request, reply } => {
                self.waiting.entry(request).or_default().push(reply);
                self.tell(&request);
                None
            }
            Local::Look { request, reply } => {
                // A device that no longer waits asks again.
                let _ = reply.send(self.parts.ledger.state().request(&request));
                None
            }
            Local::Overhear { from, message } => Some(Input::Message { from, message }),
            Local::Done(input) => Some(input),
            Local::Deed(effect) => {
                self.perform(*effect);
                None
            }
        }
    }

    /// Does what an adversary does of its own.
    fn misbehave(&mut self) {
        let Some(adversary) = &mut self.parts.adversary else { return };
        for deed in adversary.deeds() {
            match deed {
                Deed::Do(Duration::ZERO, effect) => self.perform(*effect),
                Deed::Do(after, effect) => {
                    let inbox = self.parts.inbox.clone();
                    self.later(after, move || {
                        // The loop may have ended with its ledger.
                        let _ = inbox.send(Local::Deed(effect));
                        None
                    });
                }
                Deed::Bring(transactions) => self.bring(transactions),
                Deed::Hear(input) => {
                    // The loop runs: this is it.
                    let _ = self.parts.inbox.send(Local::Done(*input));
                }
                Deed::Die => self.dead = true,
            }
        }
    }

    /// Brings transactions as they are to every node, as anybody may over HTTP.
    fn bring(&self, transactions: Vec<SignedTransaction>) {
        let (doors, way) = (self.parts.doors.clone(), self.parts.device_time);
        self.context.child("bring").spawn(move |context| async move {
            context.sleep(way).await;
            for door in doors.up().into_iter().filter_map(|node| doors.of(node)) {
                for outcome in door.ledger.submit_many(transactions.clone()).await {
                    if let Err(error) = outcome {
                        tracing::debug!(%error, "an adversary's transaction was not taken");
                    }
                }
            }
        });
    }

    fn ticket(&mut self, reply: oneshot::Sender<Answer>) -> Ticket {
        self.next_ticket += 1;
        self.tickets.insert(self.next_ticket, reply);
        self.next_ticket
    }

    /// Answers who waits for a request that has ended here.
    fn tell(&mut self, request: &RequestId) {
        let result = self.parts.disk.held().results.get(request).cloned();
        let heard = result.map(Heard::Result).or_else(|| {
            let record = self.parts.ledger.state().request(request)?;
            let lost = matches!(record.status, Status::Failed | Status::Cancelled);
            lost.then_some(Heard::Ended)
        });
        let now_ms = clock::now_ms(&self.context);
        let heard = match &mut self.parts.adversary {
            Some(adversary) => adversary.tells(now_ms, request, heard),
            None => heard,
        };
        let Some(heard) = heard else { return };
        for reply in self.waiting.remove(request).unwrap_or_default() {
            // A device that no longer waits asks again elsewhere.
            let _ = reply.send(heard.clone());
        }
    }

    fn perform(&mut self, effect: Effect) {
        let parts = &self.parts;
        parts.recorder.effect(clock::at_us(&self.context), parts.node, &effect);
        match effect {
            Effect::Transact(payload) => self.transact(payload),
            Effect::Send { to, message } => {
                self.meet(to);
                // Messages may get lost; the agent sends again.
                let _ = parts.ledger.send(Recipient::Node(to), message);
            }
            Effect::Meet(nodes) => nodes.into_iter().for_each(|node| self.meet(node)),
            Effect::Store { digest, data, .. } => self.store(digest, data, None),
            Effect::KeepOutput { completion, data, until_ms } => {
                self.store(completion.completion.output, data, Some((completion, until_ms)));
            }
            Effect::Load { digest } => {
                let data = parts.disk.held().blobs.get(&digest).cloned();
                self.later(Duration::ZERO, move || Some(Input::Loaded { digest, data }));
            }
            Effect::Run(spec) => self.run_task(spec),
            Effect::Obtain(wanted) => self.obtain(wanted),
            Effect::Start(Start { generation, manifest }) => {
                let started = Input::Started { app: manifest.id, generation, result: Ok(()) };
                self.later(Duration::ZERO, move || Some(started));
            }
            Effect::Stop { .. } | Effect::Note { .. } | Effect::KeepPlacement(_) => {}
            Effect::Discard { contents } => {
                parts.disk.held().artifacts.remove(&contents);
            }
            Effect::Deliver(delivery) => self.hold(delivery),
            Effect::Reply { ticket, answer } => {
                if let Some(reply) = self.tickets.remove(&ticket) {
                    // Who asked may have gone.
                    let _ = reply.send(answer);
                }
            }
            Effect::Wake { at_ms } => {
                let wait = at_ms.saturating_sub(self.now_ms());
                self.wake_at = self.context.current() + Duration::from_millis(wait);
            }
        }
    }

    /// Links this node to another one, if it is not; what is sent before that is done is lost.
    fn meet(&self, to: PublicKey) {
        let (strangers, me) = (self.parts.strangers.clone(), self.parts.ledger.me());
        if !strangers.meet(&me, &to) {
            return;
        }
        self.context.child("introduction").spawn(move |_| async move {
            // It fails when the world ends.
            let _ = strangers.link(&me, &to).await;
        });
    }

    fn transact(&self, payload: Payload) {
        let plan = matches!(payload, Payload::ConfirmSchedule(_) | Payload::DeclineSchedule(_));
        if plan && self.parts.silenced.load(Ordering::Relaxed) {
            return;
        }
        outbox::send(&self.parts.transactions, payload);
    }

    fn store(
        &self,
        digest: Digest,
        data: Bytes,
        completion: Option<(trustmesh_types::evidence::SignedCompletion, u64)>,
    ) {
        let disk = self.parts.disk.clone();
        self.later(self.parts.disk_time, move || {
            let mut held = disk.held();
            held.blobs.insert(digest, data);
            held.completions.extend(completion);
            Some(Input::Stored { digest, result: Ok(()) })
        });
    }

    fn obtain(&self, wanted: Obtain) {
        let (contents, whole) = (wanted.contents, wanted.whole);
        let (disk, inbox) = (self.parts.disk.clone(), self.parts.inbox.clone());
        let (doors, way) = (self.parts.doors.clone(), self.parts.device_time);
        self.context.child("artifact").spawn(move |context| async move {
            let held = disk.held().artifacts.contains_key(&contents);
            let result = if held {
                Ok(None)
            } else {
                artifacts::fetch(&context, &doors, way, &wanted).await.map(|(bytes, note)| {
                    disk.held().artifacts.insert(contents, bytes);
                    note
                })
            };
            // The loop may have ended with its ledger.
            let _ = inbox.send(Local::Done(Input::Obtained { contents, whole, result }));
        });
    }

    fn hold(&self, delivery: Delivery) {
        let disk = self.parts.disk.clone();
        let inbox = self.parts.inbox.clone();
        let request = delivery.request;
        self.later(self.parts.disk_time, move || {
            disk.held().results.insert(request, Arc::new(delivery));
            let (reply, _) = oneshot::channel();
            // Wakes those who wait; this reply itself is for nobody.
            let _ = inbox.send(Local::Await { request, reply });
            None
        });
    }

    fn run_task(&self, spec: RunSpec) {
        let app = App::of(&spec.app);
        let here = self.parts.disk.held().artifacts.contains_key(&spec.contents);
        let takes = app.map_or(Duration::ZERO, App::running_time);
        self.later(takes, move || {
            let app = app.filter(|_| here).ok_or_else(|| format!("no artifact of {}", spec.app));
            let output = app.and_then(|app| app.run(&spec.input)).and_then(|value| {
                canonical::to_canonical(&value).map_err(|error| error.to_string())
            });
            let duration_us = u64::try_from(takes.as_micros()).unwrap_or(u64::MAX);
            let result = output.map(|data| RunOutput { data: data.into(), duration_us });
            Some(Input::Ran { run: spec.run, result })
        });
    }

    /// Does something after a while and hands what comes of it to the loop.
    fn later(&self, after: Duration, work: impl FnOnce() -> Option<Input> + Send + 'static) {
        let inbox = self.parts.inbox.clone();
        self.context.child("work").spawn(move |context| async move {
            context.sleep(after).await;
            if let Some(input) = work() {
                // The loop may have ended with its ledger.
                let _ = inbox.send(Local::Done(input));
            }
        });
    }
}
