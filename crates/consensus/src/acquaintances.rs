//! Which nodes that don't vote a node that does not vote itself keeps a connection to.
//!
//! The engine's nodes dial who is a *primary* peer to them and accept any peer. All dial those
//! that vote, so two nodes of which one votes are connected. Two that don't vote would both
//! wait for the other: the one that has something to say, or is about to, dials, from then on.
//! In a mesh of many workers each has connections to those that it works with.

use crate::limits::ACQUAINTANCES_MAX;
use commonware_utils::sync::{Mutex, Notify};
use std::{collections::VecDeque, sync::Arc};
use trustmesh_types::PublicKey;

/// Bounded; who was written to longest ago goes first. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Acquaintances(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// The one written to last is last.
    keys: Mutex<VecDeque<PublicKey>>,
    changed: Notify,
}

impl Acquaintances {
    /// A node is written to.
    pub(crate) fn meet(&self, key: PublicKey) {
        let mut keys = self.0.keys.lock();
        let known = keys.iter().position(|it| *it == key).map(|at| keys.remove(at));
        keys.push_back(key);
        if known.is_some() {
            return;
        }
        if keys.len() > ACQUAINTANCES_MAX {
            keys.pop_front();
        }
        drop(keys);
        self.0.changed.notify_one();
    }

    /// Whether a connection to this one is kept.
    pub(crate) fn contains(&self, key: &PublicKey) -> bool {
        self.0.keys.lock().contains(key)
    }

    /// Completes when others belong to them than at the last call.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    fn key(n: usize) -> PublicKey {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_le_bytes());
        PublicKey(bytes)
    }

    #[test]
    fn who_was_written_to_longest_ago_makes_room() {
        let all = Acquaintances::default();
        for n in 0..ACQUAINTANCES_MAX {
            all.meet(key(n));
        }
        assert!(all.changed().now_or_never().is_some());
        // No news.
        all.meet(key(0));
        assert!(all.changed().now_or_never().is_none());
        all.meet(key(ACQUAINTANCES_MAX));
        assert!(all.changed().now_or_never().is_some());
        assert!(all.contains(&key(0)) && all.contains(&key(ACQUAINTANCES_MAX)));
        assert!(!all.contains(&key(1)));
    }
}
