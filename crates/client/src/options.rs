//! How patient a client is, and from where it calls.

use std::{net::IpAddr, time::Duration};

/// How patient a client is. Every wait and retry is bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// To connect to a node.
    pub connect_timeout: Duration,
    /// For an answer, beside what a long poll waits.
    pub answer_timeout: Duration,
    /// Times that each node is asked before a call fails.
    pub rounds: u32,
    /// The same while all nodes ask to slow down; each time for as long as they say.
    pub limited_rounds: u32,
    /// Pause after the first round; doubles, up to eight times as long.
    pub pause: Duration,
    /// For a transaction to become final.
    pub final_timeout: Duration,
    /// Heights that a transaction stays valid for; at most the network's own bound.
    pub transaction_lifetime_blocks: u64,
    /// The address of this machine to call from; the system chooses when there is none.
    pub local_address: Option<IpAddr>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            answer_timeout: Duration::from_secs(15),
            rounds: 3,
            limited_rounds: 8,
            pause: Duration::from_millis(200),
            final_timeout: Duration::from_secs(30),
            transaction_lifetime_blocks: 512,
            local_address: None,
        }
    }
}
