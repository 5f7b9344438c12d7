//! What the engine needs of a peer-to-peer network, and its channels.
//!
//! A channel's quota is messages per second and peer, in both directions. Inbound mailboxes
//! are preallocated, quota × peers, so quotas are a node's resident memory: they are as small
//! as a busy network allows (each kind of traffic below says why).

use crate::{block::LedgerBlock, keys::EngineKey};
use commonware_consensus::{
    marshal::{self, standard::Standard},
    simplex::{self, scheme::ed25519::Scheme},
};
use commonware_cryptography::sha256;
use commonware_p2p::{Blocker, Provider, Receiver, Sender, utils::mux};
use commonware_runtime::Quota;
use commonware_utils::NZU32;
use trustmesh_types::limits::{MESSAGE_BYTES_MAX, VALIDATORS_MAX};

/// Number of channels; a node registers the ids from 0 up.
pub const CHANNELS: usize = 7;

/// What goes over each channel, in words.
pub const CHANNEL_NAMES: [&str; CHANNELS] =
    ["votes", "certificates", "resolver", "blocks", "backfill", "transactions", "messages"];

/// The channel of votes.
pub const VOTES_CHANNEL: usize = 0;
/// The channel on which leaders spread their blocks.
pub const BLOCKS_CHANNEL: usize = 3;

/// The quota of a channel.
#[must_use]
pub fn channel_quota(channel: usize) -> Quota {
    Quota::per_second(match channel {
        // Votes: about two a view.
        0 => NZU32!(512),
        // Certificates and their resolver: about two a view, and catching up.
        1 => NZU32!(256),
        2 => NZU32!(128),
        // Blocks: one a view of each leader.
        3 => NZU32!(128),
        // Catching up: a block per request.
        4 => NZU32!(256),
        // Transactions and messages: grouped, see `wire`.
        _ => NZU32!(512),
    })
}

/// A peer-to-peer network of a runtime.
pub trait Transport: 'static {
    /// Knows the peers.
    type Peers: Provider<PublicKey = EngineKey>;
    /// Cuts off peers that prove faulty.
    type Blocker: Blocker<PublicKey = EngineKey>;
    /// Sends on a channel.
    type Sender: Sender<PublicKey = EngineKey>;
    /// Receives on a channel.
    type Receiver: Receiver<PublicKey = EngineKey>;
}

/// A node's end of the network.
pub struct Network<T: Transport> {
    /// Knows the peers.
    pub peers: T::Peers,
    /// Cuts off peers that prove faulty.
    pub blocker: T::Blocker,
    /// Votes, certificates, resolver, blocks, backfill, transactions, messages.
    pub channels: [(T::Sender, T::Receiver); CHANNELS],
}

impl<T: Transport> std::fmt::Debug for Network<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Network({CHANNELS} channels)")
    }
}

/// Largest network message; all nodes must agree on it, so it does not depend on how many
/// validators there are.
#[must_use]
pub fn max_message_size() -> u32 {
    let validators = u32::try_from(VALIDATORS_MAX).unwrap_or(u32::MAX);
    let agreement = simplex::max_payload_size::<Scheme, sha256::Digest>(validators);
    commonware_p2p::max_message_size(&[
        // Committees share its channels: see `terms`.
        mux::prefixed(agreement),
        marshal::max_payload_size::<Standard<LedgerBlock>, Scheme>(validators, &()),
        MESSAGE_BYTES_MAX,
    ])
}
