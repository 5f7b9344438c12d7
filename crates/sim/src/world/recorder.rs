//! What is seen of a world while it runs: the trace, the final blocks as each node
//! delivers them, and when each step of a request happened first. It only listens.

use super::{
    timeline::Timeline,
    trace::{self, Trace},
    traffic::{Tally, Traffic},
};
use crate::oracle::{Court, Violation};
use commonware_utils::channel::oneshot;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use trustmesh_agent::{Effect, Input};
use trustmesh_state::{Finalized, State};
use trustmesh_types::{Digest, Payload, PublicKey, RequestId, events::Event};

/// When the steps of a request happened first, in microseconds since the world began; the
/// last run that counted for `executed`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) sent: Option<u64>,
    pub(crate) arrived: Option<u64>,
    pub(crate) submitted: Option<u64>,
    pub(crate) accepted: Option<u64>,
    pub(crate) planned: Option<u64>,
    pub(crate) confirmed: Option<u64>,
    pub(crate) executed: Option<u64>,
    pub(crate) finalizing: Option<u64>,
    pub(crate) finalized: Option<u64>,
    pub(crate) received: Option<u64>,
}

/// How far the world was at some moment.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Wire {
    /// Height of the newest final block.
    pub(crate) height: u64,
    /// What was sent until then.
    pub(crate) traffic: Traffic,
}

/// What was seen.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) trace: Trace,
    pub(crate) court: Court,
    pub(crate) timeline: Timeline,
    /// Told when the first violation is seen.
    broken: Option<oneshot::Sender<()>>,
    pub(crate) marks: BTreeMap<RequestId, Marks>,
    /// When a request was sent, and when its device had the result.
    pub(crate) wire: BTreeMap<RequestId, Vec<Wire>>,
    /// The newest state of each node, by index.
    pub(crate) states: BTreeMap<usize, State>,
    /// Applications made ready, by node.
    /// Warnings that agents noted.
    pub(crate) warnings: u64,
    /// What evil nodes and outsiders did, and how often.
    pub(crate) evil_acts: BTreeMap<String, u64>,
    /// Keys that are no members' and still sent messages.
    strangers: BTreeSet<PublicKey>,
}

/// Takes notes; clones write into the same book.
#[derive(Debug, Clone)]
pub(crate) struct Recorder(Arc<Mutex<Seen>>, Arc<Tally>);

fn first(mark: &mut Option<u64>, at_us: u64) {
    mark.get_or_insert(at_us);
}

impl Recorder {
    /// A new book, and what tells of the first violation that is written into it.
    pub(crate) fn new(court: Court) -> (Self, oneshot::Receiver<()>) {
        let (broken, first_violation) = oneshot::channel();
        let seen = Seen {
            trace: Trace::default(),
            court,
            timeline: Timeline::default(),
            broken: Some(broken),
            marks: BTreeMap::new(),
            wire: BTreeMap::new(),
            states: BTreeMap::new(),
            warnings: 0,
            evil_acts: BTreeMap::new(),
            strangers: BTreeSet::new(),
        };
        (Self(Arc::new(Mutex::new(seen)), Arc::default()), first_violation)
    }

    /// Something that must never happen did.
    pub(crate) fn complain(&self, violation: Violation) {
        let mut seen = self.seen();
        seen.court.complain(violation);
        seen.tell();
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what nodes send.
    pub(crate) fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.1)
    }

    /// How far the world is.
    pub(crate) fn wire(&self) -> Wire {
        Wire { height: self.seen().court.chain().height(), traffic: self.1.now() }
    }

    /// A request's device sends it, or has its result.
    pub(crate) fn note_wire(&self, id: RequestId) {
        let wire = self.wire();
        self.seen().wire.entry(id).or_default().push(wire);
    }

    /// A step that the device sees.
    pub(crate) fn mark(&self, id: RequestId, at_us: u64, of: fn(&mut Marks) -> &mut Option<u64>) {
        first(of(self.seen().marks.entry(id).or_default()), at_us);
    }

    /// A device did or heard something; `number` is the device's.
    pub(crate) fn device(&self, at_us: u64, number: usize, kind: &'static str, what: Digest) {
        const DEVICES_FROM: usize = 1 << 16;
        self.seen().trace.add(at_us, DEVICES_FROM + number, (kind, what));
    }

    /// A fault is injected.
    pub(crate) fn fault(&self, at_us: u64, text: &str) {
        tracing::info!(at_us, fault = text);
        self.seen().trace.add(at_us, usize::MAX, ("fault", Digest::of(text.as_bytes())));
    }

    /// An agent hears something.
    pub(crate) fn input(&self, at_us: u64, node: usize, input: &Input) {
        let mut seen = self.seen();
        seen.trace.add(at_us, node, trace::of_input(input));
        match input {
            Input::Block(finalized) => seen.block(at_us, node, finalized),
            Input::Submit { body, .. } => {
                first(&mut seen.marks.entry(body.id()).or_default().arrived, at_us);
            }
            Input::Ran { run, result: Ok(_) } => {
                let marks = seen.marks.entry(run.request).or_default();
                if marks.finalizing.is_none() {
                    marks.executed = Some(at_us);
                }
            }
            _ => {}
        }
    }

    /// An agent wants something.
    pub(crate) fn effect(&self, at_us: u64, node: usize, effect: &Effect) {
        let mut seen = self.seen();
        seen.trace.add(at_us, node, trace::of_effect(effect));
        match effect {
            Effect::Transact(Payload::SubmitRequest(submission)) => {
                first(&mut seen.marks.entry(submission.body.id()).or_default().submitted, at_us);
            }
            Effect::Transact(Payload::ConfirmSchedule(plan)) => {
                first(&mut seen.marks.entry(plan.request).or_default().planned, at_us);
                seen.timeline.sends(at_us, node, plan);
            }
            Effect::Transact(Payload::Finalize(end)) => {
                first(&mut seen.marks.entry(end.request).or_default().finalizing, at_us);
            }
            Effect::Send { to, .. } if seen.strangers.contains(to) => {
                let what = format!("node {node} answers {}, who is no member", to.short());
                seen.court.complain(Violation::new("S4", what));
                seen.tell();
            }
            Effect::Note { warning, request, text } => {
                seen.warnings += u64::from(*warning);
                let request = request.map(|r| r.short()).unwrap_or_default();
                tracing::debug!(at_us, node, warning, request, "{text}");
            }
            _ => {}
        }
    }

    /// An evil node or an outsider does what it should not.
    pub(crate) fn evil_act(&self, what: String) {
        *self.seen().evil_acts.entry(what).or_default() += 1;
    }

    /// Nobody may ever answer this key.
    pub(crate) fn stranger(&self, key: PublicKey) {
        self.seen().strangers.insert(key);
    }

    /// A node starts from a state that it had made durable.
    pub(crate) fn starts(&self, node: usize, state: State) {
        self.seen().states.insert(node, state);
    }
}

impl Seen {
    /// Tells of the first violation, once.
    fn tell(&mut self) {
        if !self.court.violations().is_empty()
            && let Some(broken) = self.broken.take()
        {
            // A world that is over no longer listens.
            let _ = broken.send(());
        }
    }

    fn block(&mut self, at_us: u64, node: usize, finalized: &Finalized) {
        self.court.deliver(node, finalized);
        if !self.court.is_evil(node) {
            self.timeline.block(at_us, self.court.nodes(), finalized);
        }
        self.tell();
        self.states.insert(node, finalized.state.clone());
        for event in &finalized.events {
            let Some(id) = event.request() else { continue };
            let marks = self.marks.entry(*id).or_default();
            match event {
                Event::RequestAccepted { .. } => first(&mut marks.accepted, at_us),
                Event::PlanConfirmed { .. } => first(&mut marks.confirmed, at_us),
                Event::RequestFinalized { .. } => first(&mut marks.finalized, at_us),
                _ => {}
            }
        }
    }
}
