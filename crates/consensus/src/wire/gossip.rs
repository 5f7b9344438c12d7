//! Transactions between nodes: the node at which one came in sends it to all peers, and
//! again until it is final or expired, so that a lossy network only delays it.
//!
//! A peer that sends more than its share, or bad signatures, is not heard for a while: what
//! it sends is dropped before it is decoded.

use super::groups::{self, Group};
use crate::{
    keys::{EngineKey, ledger_public},
    limits::{GOSSIP_BYTES_MAX, REGOSSIP_INTERVAL, SEND_GAP},
    pool::{Arrival, Incoming, Pool},
    runtime::{self, Runtime},
};
use commonware_p2p::{Receiver, Recipients, Sender};
use commonware_utils::channel::mpsc;
use std::sync::Arc;
use trustmesh_types::{SignedTransaction, codec};

/// Sends what comes in, grouped, until the sending side is gone.
pub(crate) async fn send<E: Runtime, S: Sender>(
    context: E,
    mut network: S,
    mut queue: mpsc::Receiver<Vec<u8>>,
) {
    while let Some(first) = queue.recv().await {
        let mut group = Group::new(GOSSIP_BYTES_MAX);
        let mut full: Vec<Vec<u8>> = group.push(&first).into_iter().collect();
        while let Ok(next) = queue.try_recv() {
            full.extend(group.push(&next));
        }
        full.extend(group.take());
        for group in full {
            network.send(Recipients::All, group, false);
        }
        context.sleep(SEND_GAP).await;
    }
}

/// Sends own transactions again that are still waiting.
pub(crate) async fn regossip<E: Runtime>(context: E, pool: Pool, queue: mpsc::Sender<Vec<u8>>) {
    let interval_ms = u64::try_from(REGOSSIP_INTERVAL.as_millis()).unwrap_or(u64::MAX);
    loop {
        context.sleep(REGOSSIP_INTERVAL).await;
        let now_ms = runtime::now_ms(&context);
        for transaction in pool.due_for_gossip(now_ms.saturating_sub(interval_ms), now_ms) {
            if queue.send(codec::encode(transaction.as_ref())).await.is_err() {
                return;
            }
        }
    }
}

/// Takes what peers send, until the network is gone. What finds the intake full is dropped:
/// its sender sends it again.
pub(crate) async fn receive<E: Runtime, R: Receiver<PublicKey = EngineKey>>(
    context: E,
    mut network: R,
    pool: Pool,
    intake: mpsc::Sender<Arrival>,
) {
    while let Ok((from, message)) = network.recv().await {
        let (from, message): (_, Vec<u8>) = (ledger_public(&from), message.into());
        let heard = pool.hears(from, message.len(), runtime::now_ms(&context));
        if !heard || message.len() > 2 * GOSSIP_BYTES_MAX {
            continue;
        }
        let transactions: Vec<Incoming> = groups::values::<SignedTransaction>(&message)
            .into_iter()
            .map(|(transaction, bytes)| Incoming {
                id: transaction.id(),
                bytes,
                transaction: Arc::new(transaction),
            })
            .collect();
        if !transactions.is_empty() {
            // Full: see above.
            let _ = intake.try_send(Arrival { transactions, reply: None, peer: Some(from) });
        }
    }
}
