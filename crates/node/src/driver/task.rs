//! The task that owns the agent.

use super::{Deeds, control::Call};
use crate::{clock::now_ms, recorder::Recorder, sampling::Sampler, stop::Stop};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use trustmesh_agent::{Agent, Answer, Config, Effect, Input, Ticket};
use trustmesh_consensus::Streams;
use trustmesh_state::Finalized;

/// Drives a node's agent.
pub(crate) struct Driver {
    agent: Agent,
    deeds: Deeds,
    streams: Streams,
    calls: mpsc::Receiver<Call>,
    outcomes: mpsc::UnboundedReceiver<Input>,
    recorder: Recorder,
    sampler: Sampler,
    wake_at: Instant,
    waiting: BTreeMap<Ticket, oneshot::Sender<Answer>>,
    next_ticket: Ticket,
}

impl Driver {
    /// A driver for an agent made from `config`.
    pub(crate) fn new(
        config: Config,
        deeds: Deeds,
        outcomes: mpsc::UnboundedReceiver<Input>,
        streams: Streams,
        calls: mpsc::Receiver<Call>,
        recorder: Recorder,
    ) -> Self {
        let interval_ms = config.state.parameters().snapshot_interval_ms;
        let (agent, effects) = Agent::new(config);
        let mut driver = Self {
            agent,
            deeds,
            streams,
            calls,
            outcomes,
            recorder,
            sampler: Sampler::new(interval_ms),
            wake_at: Instant::now(),
            waiting: BTreeMap::new(),
            next_ticket: 0,
        };
        driver.interpret(effects);
        driver
    }

    /// Drives until the node is to stop (`true`) or the ledger ends (`false`).
    pub(crate) async fn run(mut self, stop: Stop) -> bool {
        loop {
            let input = tokio::select! {
                biased;
                () = stop.requested() => return true,
                block = self.streams.finalized.recv() => match block {
                    Some(block) => self.finalized(block).await,
                    None => return stop.is_requested(),
                },
                Some(outcome) = self.outcomes.recv() => self.outcome(outcome),
                message = self.streams.messages.recv() => match message {
                    Some((from, message)) => Input::Message { from, message },
                    None => return stop.is_requested(),
                },
                Some(votes) = self.streams.misbehaviour.recv() => Input::Misbehaviour(votes),
                Some(call) = self.calls.recv() => self.called(call),
                snapshot = self.sampler.next() => Input::Sampled(snapshot),
                () = tokio::time::sleep_until(self.wake_at) => {
                    // Until the agent asks again; it always does.
                    self.wake_at = Instant::now() + Duration::from_secs(1);
                    Input::Woken
                }
            };
            let effects = self.agent.step(now_ms(), input);
            self.interpret(effects);
        }
    }

    fn outcome(&self, outcome: Input) -> Input {
        if let Input::Started { app, generation, result } = &outcome {
            self.deeds.apps.changed(app, *generation, result);
        }
        outcome
    }

    async fn finalized(&mut self, block: Arc<Finalized>) -> Input {
        // Fails only when the process ends.
        let _ = self.recorder.send(Arc::clone(&block)).await;
        Input::Block(block)
    }

    fn called(&mut self, call: Call) -> Input {
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        // Whoever went away needs no answer.
        self.waiting.retain(|_, reply| !reply.is_closed());
        match call {
            Call::Submit { body, signature, data, reply } => {
                self.waiting.insert(ticket, reply);
                Input::Submit { ticket, body: *body, signature, data }
            }
            Call::Publish { contents, bytes, registry, reply } => {
                self.waiting.insert(ticket, reply);
                Input::Publish { ticket, contents, bytes, registry }
            }
        }
    }

    fn interpret(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Transact(payload) => self.deeds.transact(payload),
                Effect::Send { to, message } => self.deeds.send(to, message),
                Effect::Meet(nodes) => self.deeds.meet(&nodes),
                Effect::Store { digest, data, kind, until_ms } => {
                    self.deeds.store(digest, data, kind, until_ms);
                }
                Effect::KeepOutput { completion, data, until_ms } => {
                    self.deeds.keep_output(completion, data, until_ms);
                }
                Effect::KeepPlacement(explained) => self.deeds.keep_placement(explained),
                Effect::Load { digest } => self.deeds.load(digest),
                Effect::Run(spec) => self.deeds.run(spec),
                Effect::Obtain(wanted) => self.deeds.obtain(wanted),
                Effect::Start(start) => self.deeds.start(start),
                Effect::Stop { app } => self.deeds.stop(app),
                Effect::Discard { contents } => self.deeds.discard(contents),
                Effect::Deliver(delivery) => self.deeds.deliver(delivery),
                Effect::Reply { ticket, answer } => {
                    if let Some(reply) = self.waiting.remove(&ticket) {
                        // Fails only when whoever asked went away.
                        let _ = reply.send(answer);
                    }
                }
                Effect::Wake { at_ms } => {
                    let in_ms = at_ms.saturating_sub(now_ms());
                    self.wake_at = Instant::now() + Duration::from_millis(in_ms);
                }
                Effect::Note { warning, request, text } => note(warning, request.as_ref(), &text),
            }
        }
    }
}

fn note(warning: bool, request: Option<&trustmesh_types::RequestId>, text: &str) {
    let request = request.map(trustmesh_types::RequestId::short);
    if warning {
        tracing::warn!(request, "{text}");
    } else {
        tracing::debug!(request, "{text}");
    }
}
