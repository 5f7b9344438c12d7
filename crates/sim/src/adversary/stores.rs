//! Evil stores (PROTOCOL §7): what a node keeps for others comes back altered, swapped, not at
//! all, or as something that it served before; and an artifact is another one's.

use super::{
    Part, craft,
    scene::{Deed, Scene},
};
use crate::apps::App;
use trustmesh_agent::{Bytes, Effect, Input};
use trustmesh_types::{Digest, message::Message};

/// Signs for what it does not keep, and serves something else.
#[derive(Default)]
pub(super) struct LyingStore {
    served: u64,
    /// The last true piece of some other blob, as it was sent.
    before: Option<Message>,
}

impl LyingStore {
    /// The lie that is told for a true piece.
    fn lie(&mut self, scene: &Scene, digest: Digest, piece: Message) -> Option<Message> {
        let Message::Piece { total, offset, ref bytes, .. } = piece else { return Some(piece) };
        self.served = self.served.saturating_add(1);
        let other = match &self.before {
            Some(Message::Piece { digest: other, bytes, .. }) if *other != digest => {
                Some(bytes.clone())
            }
            _ => None,
        };
        let lie = match (self.served % 4, other) {
            (2, Some(bytes)) => {
                scene.did("swaps");
                Some(Message::Piece { digest, total, offset, bytes })
            }
            (0, _) => {
                scene.did("drops");
                let loudly = self.served.is_multiple_of(8);
                loudly.then_some(Message::NoBlob { digest })
            }
            (3, Some(_)) => {
                scene.did("replays");
                self.before.clone()
            }
            _ => {
                scene.did("alters");
                Some(Message::Piece { digest, total, offset, bytes: craft::altered(bytes) })
            }
        };
        self.before = Some(piece);
        lie
    }
}

impl Part for LyingStore {
    fn wants(&mut self, scene: &mut Scene, effect: Effect) -> Option<Effect> {
        match effect {
            Effect::Send { to, message: piece @ Message::Piece { digest, .. } } => {
                let message = self.lie(scene, digest, piece)?;
                Some(Effect::Send { to, message })
            }
            // Its agent believes that it is durable, and signs.
            Effect::Store { digest, .. } => {
                scene.did("does not keep");
                scene.deeds.push(Deed::Hear(Box::new(Input::Stored { digest, result: Ok(()) })));
                None
            }
            other => Some(other),
        }
    }
}

/// Serves another application's artifact than it is asked for.
pub(super) struct ArtifactSwapper;

impl Part for ArtifactSwapper {
    fn serves(
        &mut self,
        scene: &mut Scene,
        contents: Digest,
        held: Option<Bytes>,
    ) -> Option<Bytes> {
        let all = App::ALL.into_iter().filter_map(|app| app.contents().ok());
        let other = all.map(|other| other.encode()).find(|other| Digest::of(other) != contents);
        scene.did("serves another artifact");
        other.map(Into::into).or(held)
    }
}
