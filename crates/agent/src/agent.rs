//! The agent: one step per input, and who handles which.
//!
//! Invariant: a step ends with every matter handled that is due, and with a wake-up asked
//! for when a later one is.

use crate::{
    Config, Effect, Input, RunId,
    agenda::{BlobKey, Matter, Retry},
    core::{Core, Waiter},
    duties::{
        apps, conflicts, execute, fetch,
        intake::{self, Intakes},
        keep::{self, Keeps},
        obtain,
        publish::{self, Publishes},
        receipts,
        report::{self, Reports},
        request::{self, Works},
        succession::{self, Inherited},
        witness::{self, Charges},
    },
    limits,
};
use std::collections::BTreeSet;
use trustmesh_state::Finalized;
use trustmesh_types::{
    AppId, Digest, Payload, PublicKey, RequestId,
    events::Event,
    evidence::{Finalization, Progress},
    message::Message,
    receipt::Outcome,
    reject::{RejectCode, Rejection},
};

/// A compute node's behaviour. See the crate's documentation.
#[derive(Debug, Clone)]
pub struct Agent {
    core: Core,
    intakes: Intakes,
    keeps: Keeps,
    publishes: Publishes,
    reports: Reports,
    works: Works,
    charges: Charges,
    inherited: Inherited,
    started: bool,
    wake_ms: Option<u64>,
}

impl Agent {
    /// An agent that stands at `config.state`, and what it wants done first. The first
    /// effect is a wake-up at once: only then does the agent know the time.
    #[must_use]
    pub fn new(mut config: Config) -> (Self, Vec<Effect>) {
        let works = Works::new(std::mem::take(&mut config.recovered));
        let agent = Self {
            core: Core::new(config),
            intakes: Intakes::default(),
            keeps: Keeps::default(),
            publishes: Publishes::default(),
            reports: Reports::default(),
            works,
            charges: Charges::default(),
            inherited: Inherited::default(),
            started: false,
            wake_ms: Some(0),
        };
        (agent, vec![Effect::Wake { at_ms: 0 }])
    }

    /// Takes an input at a time of this node's clock, in Unix milliseconds; what to do, in
    /// order. A clock that goes back counts as standing.
    pub fn step(&mut self, now_ms: u64, input: Input) -> Vec<Effect> {
        self.core.now_ms = self.core.now_ms.max(now_ms);
        if !self.started {
            self.start();
        }
        match input {
            Input::Block(block) => self.block(&block),
            Input::Submit { ticket, body, signature, data } => {
                let signed = (body, signature);
                intake::submit(&mut self.core, &mut self.intakes, ticket, signed, data);
            }
            Input::Publish { ticket, contents, bytes, registry } => {
                let artifact = (contents, bytes, registry);
                publish::begin(&mut self.core, &mut self.publishes, ticket, artifact);
            }
            Input::Message { from, message } => self.message(from, message),
            Input::Stored { digest, result } => self.stored(&digest, result),
            Input::Loaded { digest, data } => fetch::loaded(&mut self.core, digest, data),
            Input::Obtained { contents, whole, result } => {
                obtain::obtained(&mut self.core, (contents, whole), result);
            }
            Input::Started { app, generation, result } => self.started(&app, generation, result),
            Input::Ran { run, result } => {
                if let Some(work) = self.works.open.get_mut(&run.request) {
                    execute::ran(&mut self.core, work, &run, result);
                }
            }
            Input::Sampled(snapshot) => {
                report::sampled(&mut self.core, &mut self.reports, snapshot);
            }
            Input::Misbehaviour(votes) => witness::report(&mut self.core, &mut self.charges, votes),
            Input::Woken => self.wake_ms = None,
        }
        self.handle_due();
        std::mem::take(&mut self.core.out)
    }

    fn start(&mut self) {
        self.started = true;
        let core = &mut self.core;
        core.peers.listen(core.now_ms);
        core.poke(Matter::Alive);
        apps::all(core);
        succession::all(core);
        let ids: Vec<RequestId> = core.state.requests().map(|r| r.id).collect();
        for id in ids {
            request::refresh(core, &mut self.works, &id);
        }
    }

    fn handle_due(&mut self) {
        for _ in 0..limits::MATTERS_PER_STEP_MAX {
            let Some(matter) = self.core.agenda.pop(self.core.now_ms) else { break };
            self.handle(matter);
        }
        if let Some(next_ms) = self.core.agenda.next_ms()
            && self.wake_ms != Some(next_ms)
        {
            self.wake_ms = Some(next_ms);
            self.core.out.push(Effect::Wake { at_ms: next_ms });
        }
    }

    fn handle(&mut self, matter: Matter) {
        let core = &mut self.core;
        match matter {
            Matter::Alive => report::alive(core),
            Matter::Report => report::tick(core, &mut self.reports),
            Matter::Request(id) => request::tick(core, &mut self.works, &id),
            Matter::Conflict(id) => conflicts::tick(core, &mut self.works.conflicts, &id),
            Matter::Intake(id) => intake::tick(core, &mut self.intakes, id),
            Matter::Publish(digest) => publish::tick(core, &mut self.publishes, digest),
            Matter::App(app) => {
                let busy = self.works.need(&core.me, &app);
                apps::tick(core, &app, busy);
            }
            Matter::Fetch(digest) => fetch::tick(core, digest),
            Matter::Gather(key) => receipts::tick(core, &key),
            Matter::Keep(key) => keep::tick(core, &mut self.keeps, key),
            Matter::Inherit(id) => succession::tick(core, &mut self.inherited, id),
        }
    }

    fn message(&mut self, from: PublicKey, message: Message) {
        let core = &mut self.core;
        if from == core.me || !core.is_node(&from) {
            return;
        }
        core.peers.heard(from, core.now_ms);
        let keeps = &mut self.keeps;
        match message {
            Message::StoreInput { body, signature, data } => {
                keep::input(core, keeps, from, (&body, &signature), data);
            }
            Message::StoreOutput { completion, data } => {
                keep::output(core, keeps, from, &completion, data);
            }
            Message::StoreArtifact { contents, bytes, registry } => {
                keep::artifact(core, keeps, from, (contents, bytes, registry));
            }
            Message::Stored(receipt) => receipts::receive(core, receipt),
            Message::NotStored { subject, digest, reason } => {
                receipts::refused(core, from, BlobKey { subject, digest }, &reason);
            }
            Message::AskPiece { digest, offset } => fetch::serve(core, from, digest, offset),
            Message::Piece { digest, total, offset, bytes } => {
                fetch::receive(core, from, digest, (total, offset), &bytes);
            }
            Message::NoBlob { digest } => fetch::no_blob(core, from, digest),
            Message::Alive => {}
            about @ (Message::Completed { .. }
            | Message::Receipts { .. }
            | Message::AskCompletions { .. }) => {
                request::hear(core, &mut self.works, from, about);
            }
        }
    }

    fn stored(&mut self, digest: &Digest, result: Result<(), String>) {
        match self.core.stored(digest) {
            Some(Waiter::Own(key)) => receipts::own_stored(&mut self.core, key, result),
            Some(Waiter::Keep(key)) => {
                keep::stored(&mut self.core, &mut self.keeps, key, result);
            }
            Some(Waiter::Output(run)) => self.output_stored(&run, result),
            Some(Waiter::Inherited(id)) => {
                succession::stored(&mut self.core, &mut self.inherited, id, result);
            }
            None => {}
        }
    }

    /// Tasks may wait for the application; it is rare.
    fn started(&mut self, app: &AppId, generation: u32, result: Result<(), String>) {
        if apps::started(&mut self.core, app, generation, result) {
            for id in self.works.open.keys() {
                self.core.poke(Matter::Request(*id));
            }
        }
    }

    fn output_stored(&mut self, run: &RunId, result: Result<(), String>) {
        if let Some(work) = self.works.open.get_mut(&run.request) {
            execute::stored(&mut self.core, work, run, result);
        }
    }

    fn block(&mut self, finalized: &Finalized) {
        self.core.state = finalized.state.clone();
        let mut touched: BTreeSet<RequestId> = BTreeSet::new();
        for event in &finalized.events {
            touched.extend(event.request().copied());
            match event {
                Event::AppDeployed { app } => self.app_deployed(app),
                Event::AppStateChanged { app, .. } | Event::AppRestarted { app } => {
                    self.core.poke(Matter::App(app.clone()));
                }
                Event::AppReported { app, node, .. } if *node == self.core.me => {
                    self.core.poke(Matter::App(app.clone()));
                }
                Event::NodeAdmitted { node } | Event::NodeChanged { node }
                    if *node == self.core.me =>
                {
                    apps::all(&mut self.core);
                }
                Event::ResourcesReported { node } if *node == self.core.me => {
                    report::settled(&mut self.core, &mut self.reports);
                }
                Event::CommitteeDecided(_) => succession::all(&mut self.core),
                Event::CommitteeBegan { .. } => {
                    succession::began(&mut self.core, &mut self.works);
                }
                _ => {}
            }
        }
        for (tx, receipt) in finalized.block.transactions.iter().zip(&finalized.receipts) {
            if let Outcome::Rejected(rejection) = &receipt.outcome
                && receipt.signer == self.core.me
            {
                self.refused(&tx.transaction.payload, rejection, &mut touched);
            }
        }
        for id in touched {
            intake::accepted(&mut self.core, &self.intakes, id);
            if self.core.state.request(&id).is_none_or(|r| r.status.ended()) {
                keep::ended(&mut self.core, &mut self.keeps, &id);
            }
            request::refresh(&mut self.core, &mut self.works, &id);
            self.core.poke(Matter::Inherit(id));
        }
    }

    /// First this node's own want of the artifact, so that a fetch under way goes on.
    fn app_deployed(&mut self, app: &AppId) {
        apps::tick(&mut self.core, app, false);
        if let Some(record) = self.core.state.app(app) {
            keep::deployed(&mut self.core, &mut self.keeps, record.manifest.contents);
        }
    }

    /// The ledger refused a transaction of this node.
    fn refused(
        &mut self,
        payload: &Payload,
        rejection: &Rejection,
        touched: &mut BTreeSet<RequestId>,
    ) {
        // Another node recorded some of the tasks in between; the rest is brought at once.
        let outrun = rejection.code == RejectCode::NotOpen;
        let request = match payload {
            Payload::SubmitRequest(submission) => {
                let id = submission.body.id();
                intake::refused(&mut self.core, &mut self.intakes, id, rejection);
                // What is brought again still needs its receipts.
                (rejection.code != RejectCode::TooFewReceipts).then_some(id)
            }
            Payload::ConfirmSchedule(plan) => Some(plan.request),
            Payload::DeclineSchedule(decline) => Some(decline.request),
            Payload::ReportFailure(failure) => Some(failure.request),
            Payload::RecordProgress(Progress { request, .. })
            | Payload::Finalize(Finalization { request, .. }) => {
                if let Some(work) = self.works.open.get_mut(request).filter(|_| outrun) {
                    work.progress = Retry::default();
                    work.finalize = Retry::default();
                }
                Some(*request)
            }
            Payload::ReportResources(_) => {
                report::settled(&mut self.core, &mut self.reports);
                None
            }
            _ => None,
        };
        let text = format!("the ledger refused {}: {rejection}", payload.kind());
        self.core.note(rejection.fault, request, text);
        touched.extend(request);
    }
}
