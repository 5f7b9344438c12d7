//! What carries the agents' effects out: messages, disks and runs.
//!
//! Links are lossless and in order, disks never fail, and both are done before anything
//! else happens. What a node says is checked against its disk as it says it: a receipt or a
//! completion must be durable first.

use crate::{
    mesh::{Mail, Mesh},
    watch::Broken,
};
use std::sync::Arc;
use trustmesh_agent::{Bytes, Effect, Input, Obtain, Start};
use trustmesh_types::{
    Digest, Payload, PublicKey, evidence::SignedCompletion, message::Message,
    request::StorageReceipt,
};

/// Steps in which a mesh must come to rest.
const STEPS_MAX: usize = 20_000;

impl Mesh {
    /// Hands out all that lies in inboxes, and what follows, until nothing does.
    pub(crate) fn settle(&mut self) {
        for _ in 0..STEPS_MAX {
            let full = |node: &crate::mesh::Node| !node.inbox.is_empty();
            let Some(at) = self.nodes.iter().position(full) else { return };
            self.step(at);
        }
        self.watch.report(Broken::Restless);
    }

    fn step(&mut self, at: usize) {
        let now_ms = self.now_ms;
        let Some(node) = self.nodes.get_mut(at) else { return };
        let Some(mail) = node.inbox.pop_front() else { return };
        let input = match mail {
            Mail::Plain(input) => input,
            Mail::Write { digest, data, completion } => {
                node.disk.insert(digest, data);
                node.kept.extend(completion.map(|it| *it));
                Input::Stored { digest, result: Ok(()) }
            }
        };
        let Some(agent) = node.agent.as_mut() else { return };
        let effects = Arc::make_mut(agent).step(now_ms, input);
        for effect in effects {
            self.carry_out(at, effect);
        }
    }

    fn carry_out(&mut self, at: usize, effect: Effect) {
        match effect {
            Effect::Transact(payload) => {
                self.check_said(at, &payload);
                self.bring(at, payload);
            }
            Effect::Send { to, message } => {
                self.check_sent(at, &message);
                self.send(at, &to, message);
            }
            Effect::Store { digest, data, .. } => self.keep(at, digest, data, None),
            Effect::KeepOutput { completion, data, .. } => {
                self.watch.completed(at, &completion);
                let digest = completion.completion.output;
                self.keep(at, digest, data, Some(Box::new(completion)));
            }
            Effect::Load { digest } => {
                let data = self.nodes.get(at).and_then(|node| node.disk.get(&digest).cloned());
                self.answer(at, Input::Loaded { digest, data });
            }
            // Every node holds the artifact from the start.
            Effect::Obtain(Obtain { contents, whole, .. }) => {
                self.answer(at, Input::Obtained { contents, whole, result: Ok(None) });
            }
            Effect::Start(Start { generation, manifest }) => {
                self.answer(at, Input::Started { app: manifest.id, generation, result: Ok(()) });
            }
            Effect::Run(spec) => self.runs.push_back((at, spec)),
            Effect::Deliver(delivery) => {
                let record = self.ledger.request(&delivery.request);
                self.watch.delivered(record.as_ref(), &delivery);
            }
            Effect::Wake { at_ms } => {
                if let Some(node) = self.nodes.get_mut(at) {
                    node.wake_ms = Some(at_ms);
                }
            }
            Effect::Meet(_)
            | Effect::KeepPlacement(_)
            | Effect::Stop { .. }
            | Effect::Discard { .. }
            | Effect::Reply { .. }
            | Effect::Note { .. } => {}
        }
    }

    fn answer(&mut self, at: usize, input: Input) {
        if let Some(node) = self.nodes.get_mut(at) {
            node.inbox.push_back(Mail::Plain(input));
        }
    }

    fn keep(
        &mut self,
        at: usize,
        digest: Digest,
        data: Bytes,
        completion: Option<Box<SignedCompletion>>,
    ) {
        if Digest::of(&data) != digest {
            self.watch.report(Broken::WrongBytes);
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.inbox.push_back(Mail::Write { digest, data, completion });
        }
    }

    /// From an honest node; the evil one keeps receipts that it is given, and lies when it
    /// is asked for bytes that it keeps back.
    fn send(&mut self, at: usize, to: &PublicKey, message: Message) {
        let Some(to) = self.world.place(to) else { return };
        let Some(from) = self.world.ids.get(at).copied() else { return };
        if self.world.start.evil != Some(to) {
            return self.tell(to, from, message);
        }
        match message {
            Message::Stored(receipt) => self.evil.receipts.push(receipt),
            Message::AskPiece { digest, .. } => {
                let Some(total) = self.evil.withheld.get(&digest).copied() else { return };
                let Some(me) = self.world.ids.get(to).copied() else { return };
                let bytes = vec![b'0'; usize::try_from(total).unwrap_or(0)];
                self.tell(at, me, Message::Piece { digest, total, offset: 0, bytes });
            }
            _ => {}
        }
    }

    /// A message reaches a node.
    pub(crate) fn tell(&mut self, to: usize, from: PublicKey, message: Message) {
        if let Some(node) = self.nodes.get_mut(to)
            && node.agent.is_some()
        {
            node.inbox.push_back(Mail::Plain(Input::Message { from, message }));
        }
    }

    fn check_sent(&mut self, at: usize, message: &Message) {
        match message {
            Message::Stored(receipt) => self.check_durable(at, &[], std::slice::from_ref(receipt)),
            Message::Completed { completion, .. } => {
                self.check_durable(at, std::slice::from_ref(completion), &[]);
            }
            Message::Receipts { receipts, .. } => self.check_durable(at, &[], receipts),
            _ => {}
        }
    }

    fn check_said(&mut self, at: usize, payload: &Payload) {
        match payload {
            Payload::SubmitRequest(it) => self.check_durable(at, &[], &it.receipts),
            Payload::Finalize(it) => self.check_durable(at, &it.completions, &it.receipts),
            Payload::RecordProgress(it) => {
                for done in &it.done {
                    let completion = std::slice::from_ref(&done.completion);
                    self.check_durable(at, completion, &done.receipts);
                }
            }
            _ => {}
        }
    }

    /// What this node says in its own name must be on its disk.
    fn check_durable(
        &mut self,
        at: usize,
        completions: &[SignedCompletion],
        receipts: &[StorageReceipt],
    ) {
        let (Some(me), Some(node)) = (self.world.ids.get(at), self.nodes.get(at)) else { return };
        let mut own = completions.iter().filter(|it| it.completion.node == *me);
        let mut held = receipts.iter().filter(|it| it.validator == *me);
        if !own.all(|it| node.kept.contains(it))
            || !held.all(|it| node.disk.contains_key(&it.digest))
        {
            self.watch.report(Broken::NotDurable);
        }
    }
}
