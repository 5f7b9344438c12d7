//! Events of requests that have not ended, in memory: they are written when the request ends.
//!
//! Invariants: bounded per request and in requests; what is dropped is history only; blocks
//! come in order of height, and one that comes again, as it could not be written, adds nothing.

use super::{
    record::ended,
    tables::{BlockRecord, EventRecord},
};
use std::collections::BTreeMap;
use trustmesh_types::RequestId;

/// Events kept of one request; later ones than these are lost to its history.
const EVENTS_PER_REQUEST_MAX: usize = 512;
/// Requests whose events are kept.
const REQUESTS_MAX: usize = 100_000;

/// Events of open requests.
#[derive(Debug, Default)]
pub(super) struct Recent {
    events: BTreeMap<RequestId, Vec<EventRecord>>,
    /// Height of the last block added.
    height: u64,
}

impl Recent {
    /// Adds a block's events.
    pub(super) fn add(&mut self, block: &BlockRecord) {
        if block.height <= self.height {
            return;
        }
        self.height = block.height;
        for event in &block.events {
            let Some(request) = event.request() else { continue };
            if !self.events.contains_key(request) && self.events.len() >= REQUESTS_MAX {
                continue;
            }
            let events = self.events.entry(*request).or_default();
            if events.len() < EVENTS_PER_REQUEST_MAX {
                let (height, timestamp_ms) = (block.height, block.timestamp_ms);
                events.push(EventRecord { height, timestamp_ms, event: event.clone() });
            }
        }
    }

    /// Forgets the requests that a block ended, and those that left the state: the history
    /// has them.
    pub(super) fn forget(&mut self, block: &BlockRecord) {
        use trustmesh_types::events::Event;
        for event in &block.events {
            let retired = match event {
                Event::RequestRetired { request } => Some(request),
                _ => None,
            };
            if let Some(request) = ended(event).or(retired) {
                self.events.remove(request);
            }
        }
    }

    /// Events of a request, oldest first.
    pub(super) fn events(&self, request: &RequestId) -> &[EventRecord] {
        self.events.get(request).map_or(&[], Vec::as_slice)
    }
}
