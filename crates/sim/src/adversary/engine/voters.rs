//! Validators that vote twice in a view, or for what they have not judged.

use super::{Evil, equivocator::halves};
use std::time::Duration;
use trustmesh_consensus::{Conduct, Said, Tap, VOTES_CHANNEL, revote};
use trustmesh_types::{Digest, Signature, votes::Vote};

/// Votes for every block at once.
#[derive(Debug)]
pub(super) struct Blind(pub(super) Evil);

impl Conduct for Blind {
    fn judges(&self) -> bool {
        self.0.act();
        false
    }
}

/// Contradicts its vote, in one of the three ways that there are, before half of the others.
#[derive(Debug)]
pub(super) struct Double(pub(super) Evil);

impl Tap for Double {
    fn send(&self, channel: usize, said: Said) -> Vec<Said> {
        let evil = &self.0;
        if channel != VOTES_CHANNEL {
            return vec![said];
        }
        let payload = Digest::of_parts(&[b"another block", &said.bytes]);
        let change = |_, vote| match (vote, evil.seed % 3) {
            (Vote::Notarize { parent_view, signature, .. }, 0) => {
                Some(Vote::Notarize { parent_view, payload, signature })
            }
            (Vote::Finalize { parent_view, signature, .. }, 1) => {
                Some(Vote::Finalize { parent_view, payload, signature })
            }
            (Vote::Finalize { .. }, 2) => Some(Vote::Nullify { signature: Signature([0; 64]) }),
            _ => None,
        };
        let Some(bytes) = revote(&evil.network, &evil.key, &said.bytes, &change) else {
            return vec![said];
        };
        evil.act();
        let (to, _) = halves(&said);
        vec![said, Said { to, bytes, after: Duration::ZERO }]
    }
}
