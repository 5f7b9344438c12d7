//! The task that records final blocks and then tells the feed, beside the driver: what a node
//! does next need not wait for its history to be on disk.
//!
//! Invariant: heights are recorded in order and none is left out. While one can't be written
//! the task tries again and later ones wait, which in the end holds up the driver. After a
//! crash the ledger goes on after the last block that the history has.

use crate::{feed::Feed, history::History, stop::Stop};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, task::JoinHandle};
use trustmesh_state::Finalized;

/// Blocks that wait to be recorded; more hold up the driver.
const WAITING_MAX: usize = 64;
/// Between two tries to record a block.
const RETRY: Duration = Duration::from_secs(1);
/// Failures in a row of which one is logged.
const FAILURES_PER_LINE: u64 = 60;

/// The way to the task. It ends when this is dropped, with everything recorded; or when the
/// node is to stop and the history can't be written.
pub(crate) type Recorder = mpsc::Sender<Arc<Finalized>>;

/// Starts the task.
pub(crate) fn start(history: History, feed: Feed, stop: Stop) -> (Recorder, JoinHandle<()>) {
    let (recorder, mut blocks) = mpsc::channel::<Arc<Finalized>>(WAITING_MAX);
    let task = tokio::spawn(async move {
        while let Some(block) = blocks.recv().await {
            if !record(&history, &block, &stop).await {
                return;
            }
            feed.publish(block);
        }
        if let Err(error) = history.flush().await {
            tracing::warn!(%error, "the last blocks are recorded again after the next start");
        }
    });
    (recorder, task)
}

/// Records a block, however many tries it takes; `false` when the node is to stop first.
async fn record(history: &History, block: &Finalized, stop: &Stop) -> bool {
    let height = block.block.header.height;
    for failures in 0_u64.. {
        let Err(error) = history.record(block).await else {
            if failures > 0 {
                tracing::info!(height, failures, "history is written again");
            }
            return true;
        };
        if failures % FAILURES_PER_LINE == 0 {
            tracing::error!(
                %error,
                height,
                failures,
                "history can't be written and the node waits with it: make room on the disk or \
                 raise storage.bytes_max, then start the node again if it does not go on by itself"
            );
        }
        tokio::select! {
            () = stop.requested() => return false,
            () = tokio::time::sleep(RETRY) => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Retention,
        local::{LocalNetwork, LocalOptions},
    };
    use tokio::time::timeout;
    use trustmesh_data::{Order, Store, StoreConfig, Table};
    use trustmesh_state::State;

    const FILLER: Table = Table::new("filler");
    const STORE_BYTES_MAX: u64 = 64 * 1024;
    const SOON: Duration = Duration::from_secs(10);

    /// A store without room, and two blocks to be recorded.
    async fn full_store() -> (tempfile::TempDir, Store, [Arc<Finalized>; 2]) {
        let folder = tempfile::tempdir().unwrap();
        let mesh = LocalNetwork::create(&folder.path().join("mesh"), &LocalOptions::default());
        let genesis = mesh.unwrap().genesis().clone();
        let state = State::genesis(&genesis).unwrap();
        let block = |height| {
            let mut block = genesis.block(state.root());
            block.header.height = height;
            let (receipts, events) = (Vec::new(), Vec::new());
            Arc::new(Finalized { block: Arc::new(block), receipts, events, state: state.clone() })
        };
        let blocks = [block(1), block(2)];
        let config = StoreConfig { bytes_max: STORE_BYTES_MAX, ..StoreConfig::default() };
        let store = Store::open(&folder.path().join("store.redb"), config).unwrap();
        // Ever smaller entries, until none fits.
        let mut serial = 0_u64;
        for bytes in [16 * 1024, 1_024, 64, 1] {
            let entry = |serial: u64| (serial.to_be_bytes().to_vec(), vec![0_u8; bytes].into());
            while store.documents().put_many(FILLER, vec![entry(serial)]).await.is_ok() {
                serial += 1;
            }
        }
        (folder, store, blocks)
    }

    async fn empty(store: &Store) {
        let all = store.documents().scan(FILLER, &[], usize::MAX, Order::Ascending);
        let keys = all.unwrap().into_iter().map(|(key, _)| key).collect();
        store.documents().remove(FILLER, keys).await.unwrap();
    }

    #[tokio::test]
    async fn a_height_that_cannot_be_written_is_not_left_out() {
        let (_folder, store, [first, second]) = full_store().await;
        let history = History::open(store.clone(), &Retention::default()).unwrap();
        let (_trigger, stop) = Stop::new();
        let feed = Feed::new();
        let mut told = feed.subscribe();
        let (recorder, task) = start(history.clone(), feed, stop);
        recorder.send(first).await.unwrap();
        recorder.send(second).await.unwrap();
        tokio::time::sleep(RETRY / 4).await;
        assert_eq!(history.height(), 0, "the store has no room");
        assert!(told.try_recv().is_err(), "nobody is told of what is not recorded");

        empty(&store).await;
        for height in 1..=2 {
            let block = timeout(SOON, told.recv()).await.unwrap().unwrap();
            assert_eq!(block.block.header.height, height);
        }
        assert_eq!(history.height(), 2);
        drop(recorder);
        timeout(SOON, task).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_node_that_is_to_stop_does_not_wait_for_room() {
        let (_folder, store, [first, second]) = full_store().await;
        let history = History::open(store, &Retention::default()).unwrap();
        let (trigger, stop) = Stop::new();
        let (recorder, task) = start(history.clone(), Feed::new(), stop);
        recorder.send(first).await.unwrap();
        recorder.send(second).await.unwrap();
        tokio::time::sleep(RETRY / 4).await;
        trigger.pull();
        timeout(RETRY, task).await.unwrap().unwrap();
        assert_eq!(history.height(), 0);
    }
}
