//! The task that records final blocks and then tells the feed, beside the driver: what a node
//! does next need not wait for its history to be on disk.
//!
//! After a crash the ledger goes on after the last block that the history has, so none is
//! missed.

use crate::{feed::Feed, history::History};
use std::sync::Arc;
use tokio::{sync::mpsc, task::JoinHandle};
use trustmesh_state::Finalized;

/// Blocks that wait to be recorded; more hold up the driver.
const WAITING_MAX: usize = 64;

/// The way to the task. It ends when this is dropped, with everything recorded.
pub(crate) type Recorder = mpsc::Sender<Arc<Finalized>>;

/// Starts the task.
pub(crate) fn start(history: History, feed: Feed) -> (Recorder, JoinHandle<()>) {
    let (recorder, mut blocks) = mpsc::channel::<Arc<Finalized>>(WAITING_MAX);
    let task = tokio::spawn(async move {
        while let Some(block) = blocks.recv().await {
            if let Err(error) = history.record(&block).await {
                let height = block.state.height();
                tracing::error!(%error, height, "history can't be written");
            }
            feed.publish(block);
        }
        if let Err(error) = history.flush().await {
            tracing::warn!(%error, "the last blocks are recorded again after the next start");
        }
    });
    (recorder, task)
}
