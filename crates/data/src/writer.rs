//! Group commit: one thread applies what is queued, in order, and commits it together.
//!
//! While one group is being made durable (one `fsync`), the next one gathers; a lone write
//! waits for nobody. A write's future is ready when the group that holds it is on disk. The
//! queue is bounded in bytes: who finds it full waits before queuing, and a write larger than
//! the whole queue waits until it is empty. A group in which nothing changes isn't committed;
//! one of lazy writes alone is committed in memory, to reach the disk with the next other.

use crate::apply::Open;
use crate::blobs::BlobKind;
use crate::error::DataError;
use crate::usage::Changed;
use bytes::Bytes;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use trustmesh_types::Digest;

/// Most writes of one commit.
const GROUP_WRITES_MAX: usize = 1_024;
/// Bytes after which a commit takes no more writes.
const GROUP_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What an entry of a write takes in the queue besides its bytes, which bounds the number
/// of queued writes too.
const ENTRY_BYTES: usize = 256;

/// A blob to be kept.
#[derive(Debug)]
pub(crate) struct NewBlob {
    pub(crate) digest: Digest,
    pub(crate) kind: BlobKind,
    pub(crate) bytes: Bytes,
    pub(crate) expires_unix_ms: u64,
}

/// One write; it happens as a whole or not at all.
#[derive(Debug)]
pub(crate) enum Op {
    Put { blobs: Vec<NewBlob>, documents: Vec<(Vec<u8>, Bytes)>, lazy: bool },
    RemoveBlobs { digests: Vec<Digest> },
    ExpireBlobs { now_unix_ms: u64 },
    RemoveDocuments { keys: Vec<Vec<u8>> },
    PruneDocuments { from: Vec<u8>, to: Vec<u8>, limit: usize },
}

impl Op {
    /// Whether it is on disk only with a later write that is not lazy.
    pub(crate) const fn is_lazy(&self) -> bool {
        matches!(self, Self::Put { lazy: true, .. })
    }

    /// What it takes in the queue.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Put { blobs, documents, .. } => {
                let blobs = blobs.iter().map(|blob| ENTRY_BYTES + blob.bytes.len());
                let documents =
                    documents.iter().map(|(key, value)| ENTRY_BYTES + key.len() + value.len());
                blobs.chain(documents).sum::<usize>().max(ENTRY_BYTES)
            }
            Self::RemoveBlobs { digests } => ENTRY_BYTES * (1 + digests.len()),
            Self::RemoveDocuments { keys } => {
                keys.iter().map(|key| ENTRY_BYTES + key.len()).sum::<usize>().max(ENTRY_BYTES)
            }
            Self::ExpireBlobs { .. } | Self::PruneDocuments { .. } => ENTRY_BYTES,
        }
    }
}

struct Job {
    op: Op,
    reply: oneshot::Sender<Result<Changed, DataError>>,
    room: OwnedSemaphorePermit,
}

/// The way to the writer thread. Dropping it waits until everything queued is committed.
pub(crate) struct Writer {
    queue: Option<mpsc::UnboundedSender<Job>>,
    room: Arc<Semaphore>,
    room_bytes: u32,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn start(open: Open, queue_bytes_max: usize) -> std::io::Result<Self> {
        let room_bytes = u32::try_from(queue_bytes_max).unwrap_or(u32::MAX).max(1);
        let room = Arc::new(Semaphore::new(room_bytes as usize));
        // Unbounded in entries, because the semaphore bounds it in bytes.
        let (queue, jobs) = mpsc::unbounded_channel();
        let thread =
            thread::Builder::new().name("store-writer".to_owned()).spawn(|| run(jobs, open))?;
        Ok(Self { queue: Some(queue), room, room_bytes, thread: Some(thread) })
    }

    /// Queues a write; ready when it is durable or refused.
    pub(crate) async fn write(&self, op: Op) -> Result<Changed, DataError> {
        let bytes = u32::try_from(op.bytes()).unwrap_or(u32::MAX).min(self.room_bytes);
        let room = Arc::clone(&self.room)
            .acquire_many_owned(bytes)
            .await
            .map_err(|_| DataError::Closed)?;
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(DataError::Closed)?;
        queue.send(Job { op, reply, room }).map_err(|_| DataError::Closed)?;
        answer.await.map_err(|_| DataError::Closed)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // The thread's own panics are caught; there is nobody to tell of another.
            let _ = thread.join();
        }
    }
}

fn run(mut jobs: mpsc::UnboundedReceiver<Job>, mut open: Open) {
    while let Some(first) = jobs.blocking_recv() {
        let mut bytes = first.op.bytes();
        let mut group = vec![first];
        while group.len() < GROUP_WRITES_MAX && bytes < GROUP_BYTES_MAX {
            let Ok(next) = jobs.try_recv() else { break };
            bytes += next.op.bytes();
            group.push(next);
        }
        let (ops, waiting): (Vec<Op>, Vec<_>) =
            group.into_iter().map(|Job { op, reply, room }| (op, (reply, room))).unzip();
        let results = open.apply(ops);
        for ((reply, room), result) in waiting.into_iter().zip(results) {
            drop(room);
            // A caller that went away doesn't undo its write.
            let _ = reply.send(result);
        }
    }
}
