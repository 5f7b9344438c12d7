//! The engine put together: p2p channels, block dissemination, the ordered archive
//! (marshal), agreement (simplex), and this crate's tasks around them (ADR 0001).
//!
//! Everything here is generic over the runtime and the transport; [`crate::daemon`] and
//! [`crate::simulated`] make it concrete, once, so that nobody above compiles it again.

mod agreement;
mod archive;
mod assembly;
mod floor;
mod lazy;
mod network_marker;
mod restoring;
mod spreading;
mod supervisor;
mod terms;
mod transport;
mod witness;

pub(crate) use lazy::Gate;
pub(crate) use restoring::restore;
pub(crate) use supervisor::start;
pub use transport::{
    BLOCKS_CHANNEL, CHANNEL_NAMES, CHANNELS, Network, Transport, VOTES_CHANNEL, channel_quota,
    max_message_size,
};
