//! Messages that came ahead of the block that explains them: a peer that executed a block
//! sooner sends completions for a plan that this node does not know yet.
//!
//! Bounded by number and bytes, oldest out first; what is lost here is asked for again.

use crate::limits;
use std::collections::VecDeque;
use trustmesh_types::{
    PublicKey, RequestId, evidence::TaskInput, limits::NAME_BYTES_MAX, message::Message,
    request::StorageReceipt,
};

#[derive(Debug, Clone)]
struct Entry {
    request: RequestId,
    from: PublicKey,
    message: Message,
    bytes: usize,
}

/// About how many bytes a message takes in memory, beside its fixed part.
fn weight(message: &Message) -> usize {
    match message {
        Message::Completed { completion, data } => {
            let inputs = completion.completion.inputs.len();
            let each = size_of::<TaskInput>().saturating_add(NAME_BYTES_MAX);
            inputs.saturating_mul(each).saturating_add(data.as_ref().map_or(0, Vec::len))
        }
        Message::Receipts { receipts, .. } => {
            receipts.len().saturating_mul(size_of::<StorageReceipt>())
        }
        _ => 0,
    }
}

/// The messages, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Early {
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl Early {
    /// Keeps a message for later.
    pub(crate) fn push(&mut self, request: RequestId, from: PublicKey, message: Message) {
        let bytes = weight(&message);
        self.bytes = self.bytes.saturating_add(bytes);
        self.entries.push_back(Entry { request, from, message, bytes });
        while self.entries.len() > limits::EARLY_MAX || self.bytes > limits::EARLY_BYTES_MAX {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(oldest.bytes);
        }
    }

    /// Takes the messages about a request.
    pub(crate) fn take(&mut self, request: &RequestId) -> Vec<(PublicKey, Message)> {
        if !self.entries.iter().any(|e| e.request == *request) {
            return Vec::new();
        }
        let (taken, kept): (Vec<Entry>, Vec<Entry>) =
            self.entries.drain(..).partition(|e| e.request == *request);
        self.entries = kept.into();
        self.bytes = self.entries.iter().map(|e| e.bytes).sum();
        taken.into_iter().map(|e| (e.from, e.message)).collect()
    }
}
