//! What a node does now and then beside its work: expired blobs, completions, placements,
//! results, history and old blocks go.

use crate::{
    apps::Apps,
    clock::now_ms,
    driver::{completions, placements},
    history::History,
    mailbox::Mailbox,
    pruning::Pruning,
    stop::Stop,
};
use std::time::Duration;
use trustmesh_data::Store;

const INTERVAL: Duration = Duration::from_secs(60);

/// Sweeps until the node stops.
pub(crate) async fn run(
    store: Store,
    mailbox: Mailbox,
    history: History,
    pruning: Pruning,
    apps: Apps,
    stop: Stop,
) {
    loop {
        tokio::select! {
            () = stop.requested() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        let now_ms = now_ms();
        loop {
            match store.blobs().expire(now_ms).await {
                Ok(changed) if changed.entries > 0 => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "expired blobs can't be removed");
                    break;
                }
            }
        }
        if let Err(error) = completions::expire(&store, now_ms).await {
            tracing::warn!(%error, "expired completions can't be removed");
        }
        if let Err(error) = placements::expire(&store, now_ms).await {
            tracing::warn!(%error, "expired placements can't be removed");
        }
        if let Err(error) = mailbox.expire(now_ms).await {
            tracing::warn!(%error, "expired results can't be removed");
        }
        if let Err(error) = history.prune().await {
            tracing::warn!(%error, "old history can't be removed");
        }
        apps.sweep().await;
        if let Err(error) = pruning.run(now_ms).await {
            tracing::warn!(%error, "old blocks can't be removed");
        }
    }
}
