//! One agent of a mesh, handed inputs by a script: what it does comes back and is not
//! carried out.

use super::{Edges, Mesh};
use trustmesh_agent::{Answer, Bytes, Effect, Input};
use trustmesh_types::{Digest, PublicKey, SecretKey, message::Message, request::StorageReceipt};

impl Mesh {
    /// A mesh whose agents have taken in all that came to them.
    pub fn quiet(edges: Edges) -> Self {
        let mut mesh = Self::new(edges);
        mesh.quieten();
        mesh
    }

    #[track_caller]
    pub fn quieten(&mut self) {
        self.run(1_000, |m| m.nodes.iter().all(|n| n.inbox.is_empty()));
    }

    /// A step of a node's agent.
    pub fn step(&mut self, at: usize, input: Input) -> Vec<Effect> {
        let now_ms = self.now_ms;
        self.nodes[at].agent.as_mut().unwrap().step(now_ms, input)
    }

    /// A node's agent hears a message.
    pub fn tell(&mut self, at: usize, from: usize, message: Message) -> Vec<Effect> {
        let from = self.key(from);
        self.step(at, Input::Message { from, message })
    }

    /// A node's agent is woken after some time.
    pub fn wake(&mut self, at: usize, after_ms: u64) -> Vec<Effect> {
        self.now_ms += after_ms;
        self.step(at, Input::Woken)
    }

    /// A node's disk has no such bytes.
    pub fn loaded_none(&mut self, at: usize, digest: Digest) -> Vec<Effect> {
        self.step(at, Input::Loaded { digest, data: None })
    }

    pub fn secret(&self, at: usize) -> SecretKey {
        self.nodes[at].key.clone()
    }
}

/// Messages about blobs and requests, save signs of life.
pub fn sends(effects: &[Effect]) -> Vec<(PublicKey, &Message)> {
    let sends = effects.iter().filter_map(|e| match e {
        Effect::Send { to, message } if *message != Message::Alive => Some((*to, message)),
        _ => None,
    });
    sends.collect()
}

/// Whom a step asked for a blob's piece, and from which offset.
pub fn asked(effects: &[Effect], blob: &Digest) -> Vec<(PublicKey, u64)> {
    let asks = sends(effects).into_iter().filter_map(|(to, message)| match message {
        Message::AskPiece { digest, offset } if digest == blob => Some((to, *offset)),
        _ => None,
    });
    asks.collect()
}

/// Why bytes were not kept, where a step said so.
pub fn refusals(effects: &[Effect]) -> Vec<&str> {
    let refusals = sends(effects).into_iter().filter_map(|(_, message)| match message {
        Message::NotStored { reason, .. } => Some(reason.as_str()),
        _ => None,
    });
    refusals.collect()
}

pub fn receipts(effects: &[Effect]) -> Vec<&StorageReceipt> {
    let receipts = sends(effects).into_iter().filter_map(|(_, message)| match message {
        Message::Stored(receipt) => Some(receipt),
        _ => None,
    });
    receipts.collect()
}

pub fn answers(effects: &[Effect]) -> Vec<(u64, &Answer)> {
    let answers = effects.iter().filter_map(|e| match e {
        Effect::Reply { ticket, answer } => Some((*ticket, answer)),
        _ => None,
    });
    answers.collect()
}

pub fn stores(effects: &[Effect]) -> Vec<(Digest, &Bytes)> {
    let stores = effects.iter().filter_map(|e| match e {
        Effect::Store { digest, data, .. } => Some((*digest, data)),
        _ => None,
    });
    stores.collect()
}

pub fn warned(effects: &[Effect]) -> bool {
    effects.iter().any(|e| matches!(e, Effect::Note { warning: true, .. }))
}
