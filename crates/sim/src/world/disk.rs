//! A node's durable store: blobs, artifacts, signed completions, results held for devices. It outlives
//! the node's process; what was on its way to it when the process died is lost.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use trustmesh_agent::{Bytes, Delivery};
use trustmesh_types::{Digest, RequestId, evidence::SignedCompletion};

/// What lies on a disk.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) blobs: BTreeMap<Digest, Bytes>,
    /// Encoded contents of artifacts, by their digests: they stand for the blobs.
    pub(crate) artifacts: BTreeMap<Digest, Bytes>,
    /// With the time in Unix milliseconds until which each is kept.
    pub(crate) completions: Vec<(SignedCompletion, u64)>,
    pub(crate) results: BTreeMap<RequestId, Arc<Delivery>>,
}

/// A disk; clones are the same one.
#[derive(Debug, Default, Clone)]
pub(crate) struct Disk(Arc<Mutex<Held>>);

impl Disk {
    pub(crate) fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The completions that are still kept at a time.
    pub(crate) fn recovered(&self, now_ms: u64) -> Vec<SignedCompletion> {
        let mut held = self.held();
        held.completions.retain(|(_, until_ms)| *until_ms > now_ms);
        held.completions.iter().map(|(signed, _)| signed.clone()).collect()
    }
}
