//! Evil workers (PROTOCOL §4, Execution): wrong outputs, none, too large ones, two of one task,
//! other bytes than were signed, or no bytes at all.

use super::{Part, craft, scene::Scene};
use crate::deviation::Deviation;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use trustmesh_agent::{Bytes, Effect, Input};
use trustmesh_types::{
    Digest, Payload, PublicKey,
    evidence::{DoneTask, Progress, SignedCompletion},
    limits::OUTPUT_BYTES_MAX,
    message::Message,
    request::StorageReceipt,
};

/// Signs wrong outputs: its own, or those that its colluders sign, too.
pub(super) struct Falsifier {
    deviation: Deviation,
}

impl Falsifier {
    pub(super) const fn new(deviation: Deviation) -> Self {
        Self { deviation }
    }
}

impl Part for Falsifier {
    fn hears(&mut self, scene: &mut Scene, input: Input) -> Option<Input> {
        let Input::Ran { run, result: Ok(mut output) } = input else { return Some(input) };
        let own = scene.me.0;
        let colludes = self.deviation == Deviation::ColludingReplica;
        let salt: &[u8] = if colludes { b"colluders" } else { &own };
        output.data = craft::output(&run.request, &run.task, salt);
        scene.did("gives a wrong output");
        Some(Input::Ran { run, result: Ok(output) })
    }
}

/// Takes tasks and never completes them: as if they never ended.
pub(super) struct Idler;

impl Part for Idler {
    fn wants(&mut self, scene: &mut Scene, effect: Effect) -> Option<Effect> {
        if let Effect::Run(_) = effect {
            scene.did("runs nothing");
            return None;
        }
        Some(effect)
    }
}

/// Signs what it computed, but serves other bytes for it, or none.
pub(super) struct Holdback {
    deviation: Deviation,
    signed: BTreeSet<Digest>,
}

impl Holdback {
    pub(super) const fn new(deviation: Deviation) -> Self {
        Self { deviation, signed: BTreeSet::new() }
    }

    /// What goes out instead of the bytes of its own output.
    fn instead(&self, scene: &Scene, data: Option<Vec<u8>>) -> Option<Vec<u8>> {
        let data = data?;
        if self.deviation == Deviation::Withholder {
            scene.did("withholds an output");
            return None;
        }
        scene.did("serves another output");
        Some(craft::altered(&data))
    }
}

impl Part for Holdback {
    fn hears(&mut self, scene: &mut Scene, input: Input) -> Option<Input> {
        match input {
            Input::Message { message: Message::AskPiece { digest, .. }, .. }
                if self.deviation == Deviation::Withholder && self.signed.contains(&digest) =>
            {
                scene.did("withholds an output");
                None
            }
            other => Some(other),
        }
    }

    fn wants(&mut self, scene: &mut Scene, effect: Effect) -> Option<Effect> {
        let (to, message) = match effect {
            Effect::KeepOutput { ref completion, .. } => {
                self.signed.insert(completion.completion.output);
                return Some(effect);
            }
            Effect::Send { to, message } => (to, message),
            other => return Some(other),
        };
        let mine = |digest: &Digest| self.signed.contains(digest);
        let message = match message {
            Message::Completed { completion, data } if mine(&completion.completion.output) => {
                let data = self.instead(scene, data);
                Message::Completed { completion, data }
            }
            Message::StoreOutput { completion, data } if mine(&completion.completion.output) => {
                let data = self.instead(scene, data);
                Message::StoreOutput { completion, data }
            }
            Message::Piece { digest, total, offset, bytes } if mine(&digest) => {
                let bytes = self.instead(scene, Some(bytes)).unwrap_or_default();
                Message::Piece { digest, total, offset, bytes }
            }
            other => other,
        };
        Some(Effect::Send { to, message })
    }
}

/// The plan's nodes but this one, each once.
fn partners(scene: &Scene, signed: &SignedCompletion) -> Vec<PublicKey> {
    let record = scene.state.request(&signed.completion.request);
    let plan = record.and_then(|record| record.plan);
    let all = plan.into_iter().flat_map(|plan| plan.assignments).flat_map(|a| a.nodes);
    let nodes: BTreeSet<PublicKey> = all.filter(|node| *node != scene.me).collect();
    nodes.into_iter().collect()
}

/// Signs outputs above the bound, and brings them to everybody and to the ledger.
#[derive(Default)]
pub(super) struct Inflater {
    huge: Option<Bytes>,
}

impl Part for Inflater {
    fn wants(&mut self, scene: &mut Scene, effect: Effect) -> Option<Effect> {
        let Effect::KeepOutput { completion, .. } = effect else { return Some(effect) };
        let bytes = usize::try_from(OUTPUT_BYTES_MAX).unwrap_or(0).saturating_add(1);
        let huge = self.huge.get_or_insert_with(|| vec![b'1'; bytes].into());
        let mut huger = completion.completion;
        huger.output = Digest::of(huge);
        huger.output_bytes = huge.len() as u64;
        let (request, designation, subject) = (huger.request, huger.designation, huger.request.0);
        let signed = huger.sign(&scene.key, &scene.network);
        for to in partners(scene, &signed) {
            scene.send(to, Message::Completed { completion: signed.clone(), data: None });
        }
        for to in scene.others() {
            scene.send(to, Message::StoreOutput { completion: signed.clone(), data: None });
        }
        let (output, length) = (signed.completion.output, signed.completion.output_bytes);
        let receipts = scene
            .colluders()
            .iter()
            .map(|key| StorageReceipt::sign(key, &scene.network, subject, output, length));
        let done = vec![DoneTask { receipts: receipts.collect(), completion: signed }];
        scene.transact(Payload::RecordProgress(Progress { request, designation, done }));
        scene.did("gives a huge output");
        None
    }
}

/// Signs two completions of each task, and tells one half of the nodes one, the rest the other;
/// a little later each hears the one that it has not heard.
#[derive(Default)]
pub(super) struct Doubler {
    second: BTreeMap<Digest, (SignedCompletion, Bytes)>,
}

impl Part for Doubler {
    fn wants(&mut self, scene: &mut Scene, effect: Effect) -> Option<Effect> {
        match effect {
            Effect::KeepOutput { completion, data, until_ms } => {
                let mut other = completion.completion.clone();
                let bytes = craft::output(&other.request, &other.task, b"second");
                other.output = Digest::of(&bytes);
                other.output_bytes = bytes.len() as u64;
                let other = other.sign(&scene.key, &scene.network);
                for to in partners(scene, &completion) {
                    let message = Message::Completed {
                        completion: other.clone(),
                        data: Some(bytes.to_vec()),
                    };
                    let soon = Duration::from_millis(20);
                    scene.after(soon, Effect::Send { to, message });
                }
                self.second.insert(completion.completion.output, (other, bytes));
                scene.did("signs two completions");
                Some(Effect::KeepOutput { completion, data, until_ms })
            }
            Effect::Send { to, message: Message::Completed { completion, data } } => {
                let odd = scene.others().iter().position(|node| *node == to).unwrap_or(0) % 2 == 1;
                let second = self.second.get(&completion.completion.output).filter(|_| odd);
                let message = match second {
                    Some((completion, bytes)) => Message::Completed {
                        completion: completion.clone(),
                        data: data.map(|_| bytes.to_vec()),
                    },
                    None => Message::Completed { completion, data },
                };
                Some(Effect::Send { to, message })
            }
            other => Some(other),
        }
    }
}
