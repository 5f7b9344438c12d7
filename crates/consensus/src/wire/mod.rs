//! What nodes send each other beside the engine's own traffic: gossiped transactions and
//! messages (PROTOCOL §4, §7), in groups.

mod gossip;
mod groups;
mod messages;
#[cfg(test)]
mod tests;

pub(crate) use gossip::{receive as receive_transactions, regossip, send as send_transactions};
pub(crate) use groups::values;
pub(crate) use messages::{Outgoing, receive as receive_messages, send as send_messages};
