//! What carries effects out: mail, disks, runs, blocks and the clock.

use super::{Mail, Mesh};
use std::sync::Arc;
use trustmesh_agent::{Bytes, Effect, Input, Obtain, RunOutput, RunSpec, Start};
use trustmesh_state::{Finalized, Proposal};
use trustmesh_types::{Block, Digest, Header, PublicKey, SignedTransaction, message::Message};

impl Mesh {
    pub fn carry_out(&mut self, at: usize, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Transact(payload) => {
                    self.transacted.push((self.now_ms, at, payload.clone()));
                    if !(self.censor)(at, &payload) {
                        let key = self.nodes[at].key.clone();
                        self.sign(&key, payload);
                    }
                }
                Effect::Send { to, message } => self.send(at, &to, message),
                Effect::Store { digest, data, .. } => self.keep(at, digest, data),
                Effect::KeepOutput { completion, data, .. } => {
                    let digest = completion.completion.output;
                    self.nodes[at].completions.push(completion);
                    self.keep(at, digest, data);
                }
                Effect::KeepPlacement(explained) => self.nodes[at].placements.push(explained),
                Effect::Load { digest } => {
                    let node = &mut self.nodes[at];
                    let data = node.blobs.get(&digest).cloned();
                    node.inbox.push_back(Input::Loaded { digest, data });
                }
                Effect::Run(spec) => self.run_task(at, spec),
                Effect::Deliver(delivery) => self.nodes[at].deliveries.push(delivery),
                Effect::Reply { ticket, answer } => {
                    assert!(self.replies.insert(ticket, answer).is_none(), "answered twice");
                }
                Effect::Wake { at_ms } => self.nodes[at].wake_ms = Some(at_ms),
                Effect::Note { warning, text, .. } => {
                    let text = format!("n{at}: {text}");
                    self.warnings.extend(warning.then(|| text.clone()));
                    self.notes.push(text);
                }
                Effect::Meet(nodes) => self.nodes[at].met.extend(nodes),
                Effect::Obtain(wanted) => self.obtain(at, wanted),
                Effect::Start(Start { generation, manifest }) => {
                    let app = manifest.id.clone();
                    let result = self.nodes[at].broken.clone().map_or(Ok(()), Err);
                    self.nodes[at].starts.push((app.clone(), generation));
                    self.nodes[at].inbox.push_back(Input::Started { app, generation, result });
                }
                Effect::Stop { app } => self.nodes[at].stops.push(app),
                Effect::Discard { contents } => {
                    self.nodes[at].artifacts.remove(&contents);
                }
            }
        }
    }

    fn keep(&mut self, at: usize, digest: Digest, data: Bytes) {
        assert_eq!(Digest::of(&data), digest);
        let node = &mut self.nodes[at];
        node.blobs.insert(digest, data);
        node.inbox.push_back(Input::Stored { digest, result: Ok(()) });
    }

    /// An artifact comes from the first of its sources that holds it.
    fn obtain(&mut self, at: usize, wanted: Obtain) {
        let Obtain { contents, whole, sources, .. } = wanted;
        let holds = |key: &PublicKey| self.nodes[self.place(key)].artifacts.contains(&contents);
        let had = self.nodes[at].artifacts.contains(&contents) || sources.iter().any(holds);
        if had {
            self.nodes[at].artifacts.insert(contents);
        }
        let result = if had { Ok(None) } else { Err("nobody has it".to_owned()) };
        self.nodes[at].inbox.push_back(Input::Obtained { contents, whole, result });
    }

    fn send(&mut self, at: usize, to: &PublicKey, message: Message) {
        let from = self.nodes[at].key.public();
        let to = self.place(to);
        self.mail.push(Mail { at_ms: self.now_ms, from: at, to, message: message.clone() });
        if let Some(message) = (self.wire)(at, to, message)
            && self.nodes[to].agent.is_some()
        {
            self.nodes[to].inbox.push_back(Input::Message { from, message });
        }
    }

    fn run_task(&mut self, at: usize, spec: RunSpec) {
        let run = spec.run.clone();
        let result = if self.broken.contains(&at) {
            Err("broken".to_owned())
        } else {
            let odd = self.odd.get(&at).copied().unwrap_or_default();
            let data = format!("[\"{}{odd}\"]", run.task).into_bytes();
            Ok(RunOutput { data: data.into(), duration_us: 1_000 })
        };
        self.nodes[at].runs.push(spec);
        self.nodes[at].inbox.push_back(Input::Ran { run, result });
    }

    /// Executes what stands ready.
    fn block(&mut self) {
        let transactions: Vec<SignedTransaction> = std::mem::take(&mut self.pending);
        let ids: Vec<_> = transactions.iter().map(SignedTransaction::id).collect();
        self.now_ms += 1;
        let proposer = self.state.validators()[0];
        let timestamp_ms = self.now_ms;
        let proposal = Proposal { proposer, timestamp_ms, transactions: &transactions, ids: &ids };
        let executed = self.state.execute(&proposal).unwrap();
        self.state = executed.state.clone();
        self.events.extend(executed.events.iter().cloned());
        for receipt in &executed.receipts {
            if let trustmesh_types::receipt::Outcome::Rejected(rejection) = &receipt.outcome {
                assert!(!rejection.fault, "an honest node was charged: {rejection}");
                self.rejections.push((receipt.signer, rejection.to_string()));
            }
        }
        let zero = Digest::default();
        let header = Header {
            version: 1,
            height: self.state.height(),
            parent: zero,
            timestamp_ms,
            proposer,
            transactions_root: zero,
            receipts_root: zero,
            state_root: zero,
        };
        let finalized = Arc::new(Finalized {
            block: Arc::new(Block { header, transactions }),
            receipts: executed.receipts,
            events: executed.events,
            state: executed.state,
        });
        for (at, node) in self.nodes.iter_mut().enumerate() {
            if node.agent.is_none() || self.deaf.contains(&at) {
                continue;
            }
            node.inbox.push_back(Input::Block(Arc::clone(&finalized)));
        }
    }

    fn step_one(&mut self) -> bool {
        for at in 0..self.nodes.len() {
            let now_ms = self.now_ms;
            let node = &mut self.nodes[at];
            let Some(input) = node.inbox.pop_front() else { continue };
            let Some(agent) = node.agent.as_mut() else { continue };
            let effects = agent.step(now_ms, input);
            self.carry_out(at, effects);
            return true;
        }
        false
    }

    /// Lets the mesh go on until `done`, for at most `within_ms` of its time.
    #[track_caller]
    pub fn run(&mut self, within_ms: u64, done: impl Fn(&Self) -> bool) {
        let until_ms = self.now_ms + within_ms;
        while !done(self) {
            if self.step_one() {
                continue;
            }
            if !self.pending.is_empty() {
                self.block();
                continue;
            }
            let wakes = self.nodes.iter().filter_map(|n| n.wake_ms);
            let next_ms = wakes.chain(self.state.next_deadline_ms()).min().unwrap_or(u64::MAX);
            self.now_ms = self.now_ms.max(next_ms);
            assert!(self.now_ms < until_ms, "not done within {within_ms} ms: {:#?}", self.notes);
            if self.state.next_deadline_ms().is_some_and(|due_ms| due_ms <= self.now_ms) {
                self.block();
            }
            for node in &mut self.nodes {
                if node.agent.is_some() && node.wake_ms.is_some_and(|at_ms| at_ms <= self.now_ms) {
                    node.wake_ms = None;
                    node.inbox.push_back(Input::Woken);
                }
            }
        }
    }
}
