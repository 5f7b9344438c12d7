//! One member that floods: a registered device that sends notes and requests through all nodes
//! at once, as fast as its connections carry them, and does not wait when it is told to.

use super::{load::Load, notes};
use crate::failure::{Done, Failure};
use serde::Serialize;
use serde_json::json;
use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{task::JoinSet, time::Instant};
use trustmesh_api::Fate;
use trustmesh_client::{Client, ClientError, Device, Options, SubmitSpec};
use trustmesh_types::{SecretKey, SignedTransaction, WorkflowId};

/// Notes in one post: small posts are the cheapest to send for what they cost a node.
const NOTES_PER_POST: u64 = 32;
/// A rest after an answer that is none, as from a connection that was closed.
const REST: Duration = Duration::from_millis(10);
/// Its requests live this long.
const DEADLINE: Duration = Duration::from_secs(60);

/// What came of a flood, per second.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Flooded {
    /// Posts and requests that were sent.
    pub sent_per_s: f64,
    /// Those that were refused with 429.
    pub refused_per_s: f64,
    /// Notes that were taken.
    pub notes_per_s: f64,
    /// Requests that were accepted.
    pub requests_per_s: f64,
}

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    refused: AtomicU64,
    notes: AtomicU64,
    requests: AtomicU64,
}

/// A flood that goes on until it is dropped.
pub struct Flood {
    counts: Arc<Counts>,
    start: Instant,
    _tasks: JoinSet<()>,
}

impl Flood {
    /// Begins; `connections` to each node, from an address of its own.
    pub async fn start(load: &Load, key: &SecretKey, connections: u16, from: IpAddr) -> Done<Self> {
        let height = load.mesh.client()?.status().await?.height;
        let (counts, mut tasks) = (Arc::new(Counts::default()), JoinSet::new());
        for node in 0..load.mesh.nodes() {
            for index in 0..connections {
                // Never patient, and never at another node.
                let options = Options {
                    rounds: 1,
                    limited_rounds: 1,
                    local_address: Some(from),
                    ..Options::default()
                };
                let client = load.mesh.client_of(node, options)?;
                let member = Member { client, key: key.clone(), counts: Arc::clone(&counts) };
                if index % 2 == 0 {
                    tasks.spawn(member.send_notes(height + notes::LIFETIME_BLOCKS));
                } else {
                    tasks.spawn(member.send_requests(load.workflow.id.clone()));
                }
            }
        }
        Ok(Self { counts, start: Instant::now(), _tasks: tasks })
    }

    /// What came of it so far.
    pub fn flooded(&self) -> Flooded {
        let seconds = self.start.elapsed().as_secs_f64().max(0.001);
        let per_s = |count: &AtomicU64| {
            let count = u32::try_from(count.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
            (f64::from(count) / seconds * 10.0).round() / 10.0
        };
        Flooded {
            sent_per_s: per_s(&self.counts.sent),
            refused_per_s: per_s(&self.counts.refused),
            notes_per_s: per_s(&self.counts.notes),
            requests_per_s: per_s(&self.counts.requests),
        }
    }
}

impl Flooded {
    /// The mean of several.
    pub fn mean(all: &[Self]) -> Self {
        let count = all.len().max(1) as f64;
        let mean = |of: fn(&Self) -> f64| all.iter().map(of).sum::<f64>() / count;
        Self {
            sent_per_s: mean(|it| it.sent_per_s),
            refused_per_s: mean(|it| it.refused_per_s),
            notes_per_s: mean(|it| it.notes_per_s),
            requests_per_s: mean(|it| it.requests_per_s),
        }
    }
}

/// The member at one connection.
struct Member {
    client: Client,
    key: SecretKey,
    counts: Arc<Counts>,
}

impl Member {
    fn notes(&self, valid_until: u64) -> Vec<SignedTransaction> {
        let network = self.client.network();
        // Nobody else's, so that every note is another transaction.
        let first = self.counts.sent.fetch_add(1, Ordering::Relaxed) * NOTES_PER_POST;
        (first..first + NOTES_PER_POST)
            .map(|nonce| notes::note(&self.key, network, valid_until, nonce))
            .collect()
    }

    /// Counts a refusal; rests after what is no answer.
    async fn failed(&self, error: ClientError) {
        match error {
            ClientError::Limited { .. } => drop(count(&self.counts.refused, 1)),
            _ => tokio::time::sleep(REST).await,
        }
    }

    async fn send_notes(self, valid_until: u64) {
        loop {
            let batch = self.notes(valid_until);
            // The same again while it is refused: signing anew would only cost the flooder.
            while let Err(error) = self.post(&batch).await {
                self.failed(error).await;
                count(&self.counts.sent, 1);
            }
        }
    }

    async fn post(&self, batch: &[SignedTransaction]) -> Result<(), ClientError> {
        let answers = self.client.submit_transactions(batch, Duration::ZERO).await?;
        let taken = answers.iter().filter(|it| !matches!(it.fate, Fate::Refused { .. })).count();
        count(&self.counts.notes, taken as u64);
        Ok(())
    }

    async fn send_requests(self, workflow: WorkflowId) {
        let device = Device::new(self.client.clone(), self.key.clone());
        loop {
            let serial = count(&self.counts.sent, 1);
            let data = json!({ "serial": serial, "flood": true });
            let spec =
                SubmitSpec { workflow: workflow.clone(), data, deadline: DEADLINE, persist: false };
            let Ok(prepared) = device.prepare(spec) else { return };
            loop {
                match device.send(&prepared).await {
                    Ok(_) => {
                        count(&self.counts.requests, 1);
                        break;
                    }
                    Err(error @ ClientError::Limited { .. }) => {
                        self.failed(error).await;
                        count(&self.counts.sent, 1);
                    }
                    Err(error) => {
                        self.failed(error).await;
                        break;
                    }
                }
            }
        }
    }
}

/// Adds to a count; gives what it was.
fn count(counter: &AtomicU64, more: u64) -> u64 {
    counter.fetch_add(more, Ordering::Relaxed)
}

/// The flooder's key: the last that was registered.
pub fn key(load: &mut Load) -> Done<SecretKey> {
    load.keys.pop().ok_or_else(|| Failure::failed("no device is left to flood"))
}
