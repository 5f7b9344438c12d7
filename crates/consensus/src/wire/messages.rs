//! Messages between nodes: authenticated, bounded, lossy. Whoever needs an answer asks again.
//!
//! What a peer sends beyond its rate is dropped, so that one that floods takes neither the
//! consumer's queue nor its time from the others.

use super::groups::{self, Group};
use crate::{
    keys::{EngineKey, engine_public, ledger_public},
    limits::{PEER_MESSAGES_PER_SECOND, RATED_PEERS_MAX, SEND_GAP},
    rates::Rates,
    runtime::{self, Runtime},
};
use commonware_p2p::{Receiver, Recipients, Sender};
use commonware_utils::channel::mpsc;
use std::collections::BTreeMap;
use trustmesh_types::{
    PublicKey,
    limits::MESSAGE_BYTES_MAX,
    message::{Envelope, MESSAGE_VERSION, Message},
};

/// An encoded message and whom it is for.
pub(crate) struct Outgoing {
    /// The nodes.
    pub(crate) to: Vec<PublicKey>,
    /// The encoded [`Envelope`].
    pub(crate) envelope: Vec<u8>,
}

/// Sends what comes in, grouped by node, until the sending side is gone.
pub(crate) async fn send<E: Runtime, S: Sender<PublicKey = EngineKey>>(
    context: E,
    mut network: S,
    mut queue: mpsc::Receiver<Outgoing>,
) {
    while let Some(first) = queue.recv().await {
        let mut groups: BTreeMap<PublicKey, Group> = BTreeMap::new();
        let mut next = Some(first);
        while let Some(message) = next {
            for to in message.to {
                let group = groups.entry(to).or_insert_with(|| Group::new(MESSAGE_BYTES_MAX));
                if let Some(full) = group.push(&message.envelope) {
                    send_to(&mut network, &to, full);
                }
            }
            next = queue.try_recv().ok();
        }
        for (to, mut group) in groups {
            if let Some(rest) = group.take() {
                send_to(&mut network, &to, rest);
            }
        }
        context.sleep(SEND_GAP).await;
    }
}

fn send_to<S: Sender<PublicKey = EngineKey>>(network: &mut S, to: &PublicKey, group: Vec<u8>) {
    match engine_public(to) {
        Ok(key) => {
            if network.send(Recipients::One(key), group, false).is_empty() {
                tracing::debug!(%to, "messages were not sent: over quota or not connected");
            }
        }
        Err(error) => tracing::warn!(%error, "messages were not sent"),
    }
}

/// Takes what peers send, until the network or the consumer is gone.
pub(crate) async fn receive<E: Runtime, R: Receiver<PublicKey = EngineKey>>(
    context: E,
    mut network: R,
    consumer: mpsc::Sender<(PublicKey, Message)>,
) {
    let rate = PEER_MESSAGES_PER_SECOND;
    let mut rates = Rates::new(rate, 2 * rate, RATED_PEERS_MAX);
    while let Ok((from, group)) = network.recv().await {
        let from = ledger_public(&from);
        let now_ms = runtime::now_ms(&context);
        if rates.left(&from, now_ms) == 0 {
            tracing::debug!(%from, "messages beyond the peer's rate are dropped");
            continue;
        }
        let group: Vec<u8> = group.into();
        let envelopes = groups::values::<Envelope>(&group);
        rates.charge(from, envelopes.len().max(1) as u64, now_ms);
        for (envelope, _) in envelopes {
            if envelope.version != MESSAGE_VERSION {
                tracing::debug!(%from, version = envelope.version, "a message of another version");
                continue;
            }
            if consumer.send((from, envelope.message)).await.is_err() {
                return;
            }
        }
    }
}
