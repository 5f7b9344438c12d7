//! A device with one request: signs it, brings it to a node, waits for the result, checks what
//! it hears against what f+1 nodes say, and goes to the next node when one does not answer or
//! is not to be believed. It takes no for an answer only from more nodes than may be faulty.
//! The ways are as long as the scenario says; HTTP and sealing are left out.

use super::{
    cast::Cast,
    check, clock,
    driver::{Heard, Local},
    mesh::Doors,
    operators,
    recorder::Recorder,
};
use crate::{
    derive,
    outcome::End,
    scenario::{Scenario, Workload},
};
use commonware_macros::select;
use commonware_runtime::{Clock as _, Spawner as _, Supervisor as _, deterministic::Context};
use commonware_utils::channel::oneshot;
use serde_json::Value;
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use trustmesh_agent::{Answer, Bytes, Delivery};
use trustmesh_types::{
    Digest, Payload, RequestId, SecretKey, Signature, canonical,
    genesis::faults_tolerated,
    records::{RequestRecord, Status},
    request::{Endpoint, RequestBody},
    workflow::Workflow,
};

/// A node that has not answered a submission by then is left for the next one.
const SUBMIT_TIMEOUT: Duration = Duration::from_secs(12);
/// How long a device waits for a result at one node.
const POLL_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause before the next node is tried.
const PAUSE: Duration = Duration::from_millis(100);
/// After a request's deadline, and after all has healed, its end reaches the device by then,
/// or L1 is broken; for each node that may keep it waiting, so much more.
const GRACE: Duration = Duration::from_secs(5);
const GRACE_PER_BAD_NODE: Duration = Duration::from_secs(6);
/// Probes are sent so much after all has healed.
const PROBES_AFTER: Duration = Duration::from_secs(2);

/// What a device asked and what it got.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) id: RequestId,
    pub(crate) workflow: Workflow,
    pub(crate) input: Value,
    /// The node that accepted it.
    pub(crate) accepted: Option<usize>,
    /// Whether it was sent when all had healed, to see that it becomes Active.
    pub(crate) probe: bool,
    pub(crate) end: End,
    pub(crate) delivery: Option<Arc<Delivery>>,
    /// What nodes said of its end and the device did not believe.
    pub(crate) refused: u64,
}

/// A device's view of the world.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) cast: Arc<Cast>,
    pub(crate) doors: Doors,
    pub(crate) recorder: Recorder,
    /// When the mesh was ready.
    pub(crate) ready: SystemTime,
}

impl Surroundings {
    /// When a request with that deadline has ended for its device.
    fn over(&self, deadline: SystemTime) -> SystemTime {
        let bad = self.scenario.evil.len() + self.scenario.lost().len();
        let bad = u32::try_from(bad).unwrap_or(u32::MAX);
        let grace = GRACE + GRACE_PER_BAD_NODE.saturating_mul(bad);
        deadline.max(self.ready + self.scenario.heals) + grace
    }

    /// How long after the mesh is ready a request is sent.
    fn sent_after(&self, number: u32) -> Duration {
        let Workload { requests, interval, .. } = &self.scenario.workload;
        let every_us = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX).max(1);
        let late_us = derive::below(self.cast.seed, "send time", number.into(), every_us);
        let (from, nth) = match number.checked_sub(*requests) {
            None => (Duration::ZERO, number),
            Some(probe) => (self.scenario.heals + PROBES_AFTER, probe),
        };
        from + interval.saturating_mul(nth) + Duration::from_micros(late_us)
    }
}

/// Plays request number `number`, from its send time on. Probes are numbered on.
pub(crate) async fn play(context: Context, world: Surroundings, number: u32) -> Option<Asked> {
    let Workload { workflows, devices, requests, lifetime, .. } = &world.scenario.workload;
    let (seed, nth) = (world.cast.seed, u64::from(number));
    let probe = number >= *requests;
    context.sleep_until(world.ready + world.sent_after(number)).await;

    let device = number % u32::from(*devices).max(1);
    let key = world.cast.devices.get(device as usize)?;
    let turn = if probe { 0 } else { number as usize % workflows.len().max(1) };
    let workflow = workflows.get(turn)?.clone();
    let input = input(&world.scenario.workload, seed, nth);
    let data: Bytes = canonical::to_canonical(&input).ok()?.into();
    let body = body(&context, &world, key, &workflow, &data, *lifetime, nth);
    let (id, signature) = (body.id(), body.sign(key));
    let until = world.over(context.current() + *lifetime);
    let number = number as usize;
    let mut visit = Visit { context, world, number, turn: number, until, refused: 0, holder: 0 };
    visit.note("sends", id.0);
    visit.world.recorder.mark(id, clock::at_us(&visit.context), |marks| &mut marks.sent);
    visit.world.recorder.note_wire(id);

    let accepted = visit.submit(&body, signature, &data).await;
    let (end, delivery) = match &accepted {
        Ok(_) => {
            if !probe {
                visit.perhaps_cancel(id, nth);
            }
            visit.wait(&body, &workflow).await
        }
        Err(why) => (End::Refused(why.clone()), None),
    };
    let (accepted, refused) = (accepted.ok(), visit.refused);
    Some(Asked { id, workflow, input, accepted, probe, end, delivery, refused })
}

fn input(workload: &Workload, seed: u64, nth: u64) -> Value {
    let (least, most) = (workload.input_integers_min, workload.input_integers_max);
    let span = u64::from(most.saturating_sub(least)) + 1;
    let length = u64::from(least) + derive::below(seed, "input length", nth, span);
    let label = format!("input {nth}");
    let integers: Vec<u64> = (0..length).map(|n| derive::below(seed, &label, n, 1_000)).collect();
    Value::from(integers)
}

fn body(
    context: &Context,
    world: &Surroundings,
    key: &SecretKey,
    workflow: &Workflow,
    data: &Bytes,
    lifetime: Duration,
    nonce: u64,
) -> RequestBody {
    let lifetime_ms = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
    RequestBody {
        network: world.cast.network,
        device: key.public(),
        nonce,
        workflow: workflow.id.clone(),
        input: Digest::of(data),
        input_bytes: data.len() as u64,
        result_key: Digest(derive::bytes(world.cast.seed, "result key", nonce)),
        endpoint: Endpoint::Pull,
        persist: false,
        deadline_ms: clock::now_ms(context).saturating_add(lifetime_ms),
    }
}

/// A device's way from node to node.
struct Visit {
    context: Context,
    world: Surroundings,
    number: usize,
    turn: usize,
    until: SystemTime,
    refused: u64,
    /// Holders of the result that were asked.
    holder: usize,
}

impl Visit {
    fn note(&self, kind: &'static str, what: Digest) {
        self.world.recorder.device(clock::at_us(&self.context), self.number, kind, what);
    }

    async fn travel(&self) {
        self.context.sleep(self.world.scenario.links.device).await;
    }

    fn late(&self) -> bool {
        self.context.current() >= self.until
    }

    /// Asks the node whose turn it is, and waits. `None` when it is down, breaks off or does
    /// not answer in time: then it is the next node's turn.
    async fn ask<T: Send>(
        &mut self,
        longest: Duration,
        question: impl FnOnce(oneshot::Sender<T>) -> Local,
    ) -> Option<T> {
        self.travel().await;
        let (reply, answer) = oneshot::channel();
        let node = self.turn % self.world.cast.nodes.len().max(1);
        let answer = match self.world.doors.of(node) {
            Some(door) if door.inbox.send(question(reply)).is_ok() => {
                select! {
                    answer = answer => answer.ok(),
                    _ = self.context.sleep(longest) => None,
                }
            }
            _ => None,
        };
        self.travel().await;
        if answer.is_none() {
            self.turn += 1;
            self.context.sleep(PAUSE).await;
        }
        answer
    }

    /// Cancels the request some time later, if the seed says so.
    fn perhaps_cancel(&self, request: RequestId, nth: u64) {
        let Workload { devices, interval, cancelled_per_mille, .. } = &self.world.scenario.workload;
        let seed = self.world.cast.seed;
        let cancels = derive::below(seed, "cancels", nth, 1_000) < u64::from(*cancelled_per_mille);
        let device = self.number % usize::from(*devices).max(1);
        let Some(key) = self.world.cast.devices.get(device).filter(|_| cancels).cloned() else {
            return;
        };
        let within_us = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX).max(1);
        let after = Duration::from_micros(derive::below(seed, "cancel time", nth, within_us));
        let (world, turn) = (self.world.clone(), self.turn);
        self.context.child("cancel").spawn(move |context| async move {
            context.sleep(after).await;
            let sent = [(nth, Payload::CancelRequest { request })];
            operators::send(&context, &world, &key, turn, sent).await;
        });
    }

    /// Until a node says that the request is on the ledger: its index.
    async fn submit(
        &mut self,
        body: &RequestBody,
        signature: Signature,
        data: &Bytes,
    ) -> Result<usize, String> {
        let mut last = "no node answered".to_owned();
        let mut refusals = 0;
        while !self.late() {
            let (body, data) = (body.clone(), data.clone());
            let question = |reply| Local::Submit { body, signature, data, reply };
            match self.ask(SUBMIT_TIMEOUT, question).await {
                Some(Answer::Accepted(id)) => {
                    self.note("is accepted", id.0);
                    return Ok(self.turn % self.world.cast.nodes.len().max(1));
                }
                Some(Answer::Refused(rejection)) => {
                    refusals += 1;
                    if refusals > self.world.scenario.tolerated() {
                        return Err(rejection.reason);
                    }
                    self.turn += 1;
                }
                Some(Answer::Unavailable(why)) => {
                    last = why;
                    self.turn += 1;
                    self.context.sleep(PAUSE).await;
                }
                Some(Answer::Published(_)) | None => {}
            }
        }
        Err(last)
    }

    /// Until a node hands over a result or says that there is none, and is to be believed.
    async fn wait(
        &mut self,
        body: &RequestBody,
        workflow: &Workflow,
    ) -> (End, Option<Arc<Delivery>>) {
        let id = body.id();
        while !self.late() {
            let question = |reply| Local::Await { request: id, reply };
            let Some(heard) = self.ask(POLL_TIMEOUT, question).await else {
                self.turn_to_a_holder(&id).await;
                continue;
            };
            // The check's own way is the device's, not the mesh's.
            let at_us = clock::at_us(&self.context);
            let record = self.look(&id).await;
            match (heard, record) {
                (Heard::Result(delivery), Some(record)) => {
                    let network = &self.world.cast.network;
                    match check::believe(network, body, workflow, &record, &delivery) {
                        Ok(()) => {
                            self.note("has its result", id.0);
                            self.world.recorder.mark(id, at_us, |marks| &mut marks.received);
                            self.world.recorder.note_wire(id);
                            return (End::Delivered, Some(delivery));
                        }
                        Err(why) => self.refuse(id, &why),
                    }
                }
                (Heard::Ended, Some(record)) if record.status != Status::Finalized => {
                    self.note("has no result", id.0);
                    return (End::Failed(record.reason.unwrap_or_default()), None);
                }
                (_, None) => self.refuse(id, "f+1 nodes do not say that the request has ended"),
                (Heard::Ended, _) => self.refuse(id, "there is a result"),
            }
            self.turn += 1;
            self.context.sleep(PAUSE).await;
        }
        (End::Unended, None)
    }

    fn refuse(&mut self, id: RequestId, why: &str) {
        tracing::debug!(request = id.short(), why, "what a node says is not believed");
        self.note("refuses a result", id.0);
        self.refused += 1;
    }

    /// The next node to ask is one that holds the result, if the ledger says who does: another
    /// one each time. A real node names them when it is none.
    async fn turn_to_a_holder(&mut self, id: &RequestId) {
        let Some(record) = self.look(id).await else { return };
        let done = record.done.values().flat_map(|done| &done.receipts);
        let holders = record.result_receipts.iter().chain(done).map(|receipt| receipt.validator);
        let nodes = &self.world.cast.nodes;
        let mut holders: Vec<usize> =
            holders.filter_map(|key| nodes.iter().position(|node| node.public() == key)).collect();
        holders.sort_unstable();
        holders.dedup();
        if let Some(holder) = holders.get(self.holder % holders.len().max(1)) {
            self.turn = *holder;
            self.holder += 1;
        }
    }

    /// The ledger's record of a request that has ended, as f+1 nodes show it.
    async fn look(&self, id: &RequestId) -> Option<RequestRecord> {
        let doors = &self.world.doors;
        self.travel().await;
        let asked: Vec<oneshot::Receiver<Option<RequestRecord>>> = doors
            .up()
            .into_iter()
            .filter_map(|node| {
                let (reply, answer) = oneshot::channel();
                doors.of(node)?.inbox.send(Local::Look { request: *id, reply }).ok()?;
                Some(answer)
            })
            .collect();
        // Nodes answer at once; who has not by then has no say.
        self.travel().await;
        let shown: Vec<RequestRecord> =
            asked.into_iter().filter_map(|mut answer| answer.try_recv().ok().flatten()).collect();
        let needed = faults_tolerated(self.world.cast.validators()) + 1;
        check::attested(&shown, needed).cloned()
    }
}
