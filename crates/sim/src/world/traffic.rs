//! How many messages and bytes nodes send, by channel: counted where a message leaves its node,
//! once for each node that it is for. Bytes are those of the message, without what a transport
//! adds (framing, encryption).

use std::sync::atomic::{AtomicU64, Ordering};
use trustmesh_consensus::{CHANNELS, Meter};

/// What was sent until some moment, by channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) messages: [u64; CHANNELS],
    pub(crate) bytes: [u64; CHANNELS],
}

impl Traffic {
    /// What was sent since an earlier moment.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let less = |now: &[u64; CHANNELS], then: &[u64; CHANNELS]| {
            let mut left = *now;
            left.iter_mut().zip(then).for_each(|(now, then)| *now = now.saturating_sub(*then));
            left
        };
        Self {
            messages: less(&self.messages, &earlier.messages),
            bytes: less(&self.bytes, &earlier.bytes),
        }
    }

    /// Both together.
    pub(crate) fn plus(mut self, other: &Self) -> Self {
        self.messages.iter_mut().zip(other.messages).for_each(|(sum, more)| *sum += more);
        self.bytes.iter_mut().zip(other.bytes).for_each(|(sum, more)| *sum += more);
        self
    }
}

/// Counts what all nodes of a world send.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    messages: [AtomicU64; CHANNELS],
    bytes: [AtomicU64; CHANNELS],
}

impl Tally {
    /// What was sent until now.
    pub(crate) fn now(&self) -> Traffic {
        let read = |counts: &[AtomicU64; CHANNELS]| {
            counts.each_ref().map(|count| count.load(Ordering::Relaxed))
        };
        Traffic { messages: read(&self.messages), bytes: read(&self.bytes) }
    }
}

impl Meter for Tally {
    fn sent(&self, channel: usize, nodes: usize, bytes: usize) {
        let add = |counts: &[AtomicU64; CHANNELS], more: usize| {
            if let Some(count) = counts.get(channel) {
                count.fetch_add(more as u64, Ordering::Relaxed);
            }
        };
        add(&self.messages, nodes);
        add(&self.bytes, nodes.saturating_mul(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_counts_once_for_each_node_that_it_is_for() {
        let tally = Tally::default();
        tally.sent(3, 15, 100);
        let before = tally.now();
        assert_eq!((before.messages[3], before.bytes[3]), (15, 1_500));
        tally.sent(3, 2, 7);
        tally.sent(0, 1, 64);
        tally.sent(CHANNELS, 1, 1);
        let since = tally.now().since(&before);
        assert_eq!((since.messages[3], since.bytes[3]), (2, 14));
        assert_eq!((since.messages[0], since.bytes[0]), (1, 64));
        assert_eq!(since.messages.iter().sum::<u64>(), 3, "no channel has that number");
        assert_eq!(before.plus(&since), tally.now());
    }
}
