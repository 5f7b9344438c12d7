//! Doing what the agent asks for. What takes time runs as a task and comes back as an input.

use super::{completions, placements};
use crate::{apps::Apps, clock::now_ms, mailbox::Mailbox};
use std::{collections::BTreeMap, time::Instant};
use tokio::sync::mpsc;
use trustmesh_agent::{BlobKind, Bytes, Delivery, Explained, Input, Obtain, Start};
use trustmesh_api::ResultBundle;
use trustmesh_consensus::Handle;
use trustmesh_data::Store;
use trustmesh_types::{
    AppId, Digest, NetworkId, Payload, PublicKey, SecretKey, Transaction,
    evidence::SignedCompletion,
    message::{Message, Recipient},
    transaction::TRANSACTION_VERSION,
};

/// Heights that a node's transaction stays valid for. What is still wanted after that is
/// made anew by the agent.
const VALID_HEIGHTS: u64 = 128;

/// The parts that deeds use; clones share them.
#[derive(Clone)]
pub(crate) struct Deeds {
    /// Signs this node's transactions.
    pub(crate) key: SecretKey,
    /// The network.
    pub(crate) network: NetworkId,
    /// The ledger.
    pub(crate) consensus: Handle,
    /// Blobs and documents.
    pub(crate) store: Store,
    /// Applications.
    pub(crate) apps: Apps,
    /// Holds sealed results.
    pub(crate) mailbox: Mailbox,
    /// Where outcomes go.
    pub(crate) outcomes: mpsc::UnboundedSender<Input>,
}

impl Deeds {
    fn outcome(&self, input: Input) {
        // Fails only when the driver is gone, and then nobody needs it.
        let _ = self.outcomes.send(input);
    }

    /// Signs a transaction and brings it to the ledger.
    pub(super) fn transact(&self, payload: Payload) {
        let deeds = self.clone();
        tokio::spawn(async move {
            let kind = payload.kind();
            let nonce = match getrandom::u64() {
                Ok(nonce) => nonce,
                Err(error) => return tracing::error!(%error, "no randomness for a transaction"),
            };
            let transaction = Transaction {
                version: TRANSACTION_VERSION,
                network: deeds.network,
                signer: deeds.key.public(),
                valid_until_height: deeds.consensus.status().height.saturating_add(VALID_HEIGHTS),
                nonce,
                payload,
            };
            if let Err(error) = deeds.consensus.submit(transaction.sign(&deeds.key)).await {
                tracing::warn!(kind, %error, "a transaction was not taken; the agent tries again");
            }
        });
    }

    /// Sends a message; it may get lost.
    pub(super) fn send(&self, to: PublicKey, message: Message) {
        if let Err(error) = self.consensus.send(Recipient::Node(to), message) {
            tracing::debug!(to = %to.short(), %error, "a message was not sent");
        }
    }

    /// Connects to nodes that this one will write to.
    pub(super) fn meet(&self, nodes: &[PublicKey]) {
        self.consensus.meet(nodes);
    }

    /// Keeps a blob.
    pub(super) fn store(&self, digest: Digest, data: Bytes, kind: BlobKind, until_ms: u64) {
        let kind = match kind {
            BlobKind::Input => trustmesh_data::BlobKind::Input,
            BlobKind::Output => trustmesh_data::BlobKind::Output,
        };
        let deeds = self.clone();
        tokio::spawn(async move {
            let kept = deeds.store.blobs().put(digest, kind, data.to_vec().into(), until_ms).await;
            deeds.outcome(Input::Stored { digest, result: kept.map_err(|e| e.to_string()) });
        });
    }

    /// Keeps an output and its completion; both are durable before the outcome.
    pub(super) fn keep_output(&self, signed: SignedCompletion, data: Bytes, until_ms: u64) {
        let deeds = self.clone();
        tokio::spawn(async move {
            let digest = signed.completion.output;
            let kept =
                completions::keep(&deeds.store, &signed, data.to_vec().into(), until_ms).await;
            let result = kept.map_err(|e| e.to_string());
            deeds.outcome(Input::Stored { digest, result });
        });
    }

    /// Keeps the reasons of a plan; the plan itself does not wait for it.
    pub(super) fn keep_placement(&self, explained: Explained) {
        let deeds = self.clone();
        tokio::spawn(async move {
            let request = explained.request;
            if let Err(error) = placements::keep(&deeds.store, explained).await {
                tracing::warn!(%request, %error, "the reasons of a plan can't be kept");
            }
        });
    }

    /// Reads a blob.
    pub(super) fn load(&self, digest: Digest) {
        let deeds = self.clone();
        tokio::task::spawn_blocking(move || {
            let data = deeds.store.blobs().get(&digest).unwrap_or_else(|error| {
                tracing::warn!(%digest, %error, "a blob can't be read; it is fetched elsewhere");
                None
            });
            deeds.outcome(Input::Loaded { digest, data: data.map(|bytes| bytes.as_ref().into()) });
        });
    }

    /// Runs a task.
    pub(super) fn run(&self, spec: trustmesh_agent::RunSpec) {
        let deeds = self.clone();
        tokio::spawn(async move {
            let result = deeds.apps.run(&spec).await;
            deeds.outcome(Input::Ran { run: spec.run, result });
        });
    }

    /// Fetches an artifact.
    pub(super) fn obtain(&self, wanted: Obtain) {
        let deeds = self.clone();
        tokio::spawn(async move {
            let (contents, whole) = (wanted.contents, wanted.whole);
            let result = deeds.apps.obtain(wanted).await;
            deeds.outcome(Input::Obtained { contents, whole, result });
        });
    }

    /// Makes an application ready.
    pub(super) fn start(&self, start: Start) {
        let (deeds, turn) = (self.clone(), self.apps.turn(&start.manifest.id));
        tokio::spawn(async move {
            let result = deeds.apps.start(&start, turn).await;
            let (app, generation) = (start.manifest.id, start.generation);
            if let Err(reason) = &result {
                tracing::warn!(%app, reason, "an application can't be started");
            }
            deeds.outcome(Input::Started { app, generation, result });
        });
    }

    /// Ends what runs of an application.
    pub(super) fn stop(&self, app: AppId) {
        let (deeds, turn) = (self.clone(), self.apps.turn(&app));
        tokio::spawn(async move { deeds.apps.stop(&app, turn).await });
    }

    /// Drops an artifact that nobody needs.
    pub(super) fn discard(&self, contents: Digest) {
        let (deeds, turn, since) = (self.clone(), self.apps.turn_after_all(), Instant::now());
        tokio::spawn(async move {
            let mut turn = turn;
            turn.comes().await;
            deeds.apps.discard(contents, since).await;
        });
    }

    /// Seals a result to its device and holds it.
    pub(super) fn deliver(&self, delivery: Delivery) {
        let deeds = self.clone();
        tokio::spawn(async move {
            let (request, until_ms) = (delivery.request, delivery.until_ms);
            if until_ms <= now_ms() {
                return;
            }
            let sealed = tokio::task::spawn_blocking(move || seal(delivery)).await;
            let sealed = match sealed {
                Ok(Ok(sealed)) => sealed,
                Ok(Err(reason)) => {
                    return tracing::error!(%request, reason, "a result is not sealed");
                }
                Err(error) => return tracing::error!(%request, %error, "a result is not sealed"),
            };
            if let Err(error) = deeds.mailbox.put(request, sealed, until_ms).await {
                tracing::error!(%request, %error, "a sealed result can't be kept");
            }
        });
    }
}

fn seal(delivery: Delivery) -> Result<Vec<u8>, String> {
    let mut outputs = BTreeMap::new();
    for (task, bytes) in delivery.outputs {
        let value = serde_json::from_slice(&bytes).map_err(|e| format!("output of {task}: {e}"))?;
        outputs.insert(task, value);
    }
    let bundle =
        ResultBundle { request: delivery.request, outputs, completions: delivery.completions };
    let plain = bundle.to_bytes().map_err(|e| e.to_string())?;
    trustmesh_delivery::seal(&delivery.result_key.0, &delivery.request.0.0, &plain)
        .map(|sealed| sealed.to_bytes())
        .map_err(|e| e.to_string())
}
