//! Flows of requests over four agents and the real ledger, and single agents that are handed
//! inputs by a script (PROTOCOL §4, §9). In each, no honest node is charged (S9: the harness
//! checks every receipt).

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise, helpers included"
)]

mod apps;
mod bounds;
mod common;
mod decline;
mod early;
mod fetch;
mod finalizer;
mod garbage;
mod graph;
mod policies;
mod progress;
mod replicas;
mod requests;
mod restart;
mod succession;
mod witness;
