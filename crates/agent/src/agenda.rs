//! Matters due: what this node looks at again, and when (milliseconds of its own clock).
//!
//! Each [`Matter`] stands in the [`Agenda`] once, at its earliest time; a matter that is
//! looked at and still waits for something puts itself in again.

use std::collections::{BTreeMap, BTreeSet};
use trustmesh_types::{AppId, Digest, RequestId};

/// Names bytes kept for one purpose: a request's id or an artifact's digest, and the digest
/// of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BlobKey {
    /// What the bytes belong to.
    pub(crate) subject: Digest,
    /// Digest of the bytes.
    pub(crate) digest: Digest,
}

/// Something that is looked at again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Matter {
    /// The sign of life.
    Alive,
    /// The resource report.
    Report,
    /// A request on the ledger.
    Request(RequestId),
    /// Contradictions about a request.
    Conflict(RequestId),
    /// A request on its way to the ledger.
    Intake(RequestId),
    /// An artifact being published.
    Publish(Digest),
    /// An application.
    App(AppId),
    /// A blob being fetched.
    Fetch(Digest),
    /// Receipts being gathered.
    Gather(BlobKey),
    /// A blob to keep for another node.
    Keep(BlobKey),
    /// The input of an open request, to take over from validators that leave.
    Inherit(RequestId),
}

/// What is due when.
#[derive(Debug, Clone, Default)]
pub(crate) struct Agenda {
    due: BTreeMap<Matter, u64>,
    order: BTreeSet<(u64, Matter)>,
}

impl Agenda {
    /// Looks at a matter at a time, or earlier if it was due earlier.
    pub(crate) fn at(&mut self, matter: Matter, at_ms: u64) {
        if let Some(due) = self.due.get(&matter).copied() {
            if due <= at_ms {
                return;
            }
            self.order.remove(&(due, matter.clone()));
        }
        self.due.insert(matter.clone(), at_ms);
        self.order.insert((at_ms, matter));
    }

    /// Forgets a matter.
    pub(crate) fn clear(&mut self, matter: &Matter) {
        if let Some(due) = self.due.remove(matter) {
            self.order.remove(&(due, matter.clone()));
        }
    }

    /// Takes a matter that is due.
    pub(crate) fn pop(&mut self, now_ms: u64) -> Option<Matter> {
        if self.order.first()?.0 > now_ms {
            return None;
        }
        let (_, matter) = self.order.pop_first()?;
        self.due.remove(&matter);
        Some(matter)
    }

    /// When the next matter is due.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.order.first().map(|(at_ms, _)| *at_ms)
    }
}

/// When something is tried again: after a first interval that doubles up to a longest one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Retry {
    tries: u32,
    next_ms: u64,
}

impl Retry {
    /// Not before a time.
    pub(crate) const fn not_before(next_ms: u64) -> Self {
        Self { tries: 0, next_ms }
    }

    /// Whether it is time.
    pub(crate) const fn ready(&self, now_ms: u64) -> bool {
        now_ms >= self.next_ms
    }

    /// It was tried.
    pub(crate) fn tried(&mut self, now_ms: u64, (first_ms, longest_ms): (u64, u64)) {
        let wait_ms = first_ms.saturating_mul(1 << self.tries.min(16)).min(longest_ms);
        self.tries = self.tries.saturating_add(1);
        self.next_ms = now_ms.saturating_add(wait_ms);
    }

    /// How often it was tried.
    pub(crate) const fn tries(&self) -> u32 {
        self.tries
    }

    /// When it is tried next.
    pub(crate) const fn next_ms(&self) -> u64 {
        self.next_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matter_stands_once_at_its_earliest_time() {
        let mut agenda = Agenda::default();
        agenda.at(Matter::Alive, 20);
        agenda.at(Matter::Alive, 10);
        agenda.at(Matter::Alive, 30);
        assert_eq!(agenda.next_ms(), Some(10));
        assert_eq!(agenda.pop(9), None);
        assert_eq!(agenda.pop(10), Some(Matter::Alive));
        assert_eq!(agenda.pop(99), None);
    }

    #[test]
    fn intervals_double_up_to_the_longest() {
        let mut retry = Retry::default();
        let mut waits = Vec::new();
        for _ in 0..4 {
            retry.tried(100, (10, 50));
            waits.push(retry.next_ms() - 100);
        }
        assert_eq!(waits, [10, 20, 40, 50]);
    }
}
