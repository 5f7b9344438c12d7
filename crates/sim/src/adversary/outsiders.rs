//! Evil outsiders (PROTOCOL §1, §9): who is no member, no longer one, or lacks the role, and
//! tries what only members and operators may. None of it may get anywhere; what does is a
//! violation.

use crate::{
    derive,
    oracle::Violation,
    world::{Cast, Door, Doors, Local, Recorder, now_ms},
};
use commonware_runtime::{Clock as _, deterministic::Context};
use commonware_utils::channel::oneshot;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use trustmesh_agent::Answer;
use trustmesh_state::DeviceView;
use trustmesh_types::{
    AppId, Contents, Digest, Domain, NetworkId, Payload, PublicKey, RequestId, SecretKey,
    SignedTransaction, TaskId, Transaction, WorkflowId, canonical, codec,
    evidence::Completion,
    message::Message,
    records::{AppManifest, AppState},
    request::{Endpoint, RequestBody, StorageReceipt},
    resources::Resources,
    transaction::{Deployment, TRANSACTION_VERSION},
};

/// Who tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outsider {
    /// A device that was never registered asks and transacts.
    UnregisteredDevice,
    /// So does a device whose membership was ended.
    RevokedDevice,
    /// A device, a node and an operator who may not publish do what operators and publishers do.
    WrongRole,
    /// A publisher deploys an application that somebody else signed for.
    WrongPublisher,
    /// Who is no node sends messages as nodes do.
    Stranger,
}

impl Outsider {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::UnregisteredDevice,
        Self::RevokedDevice,
        Self::WrongRole,
        Self::WrongPublisher,
        Self::Stranger,
    ];

    /// Its name, as in a scenario's text.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnregisteredDevice => "unregistered-device",
            Self::RevokedDevice => "revoked-device",
            Self::WrongRole => "wrong-role",
            Self::WrongPublisher => "wrong-publisher",
            Self::Stranger => "stranger",
        }
    }
}

/// Blocks for which an outsider's transaction stays valid.
const LIFETIME_BLOCKS: u64 = 64;
/// Far from the nonces of the world's own operator.
const NONCES_FROM: u64 = 1 << 62;
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// For what was submitted to become final.
const FINAL: Duration = Duration::from_secs(3);

/// One who tries, and what it needs for it.
struct Intruder {
    context: Context,
    cast: Cast,
    doors: Doors,
    recorder: Recorder,
    who: Outsider,
    nonce: u64,
}

/// Lets an outsider try everything once.
pub(crate) async fn intrude(
    context: Context,
    cast: Cast,
    doors: Doors,
    recorder: Recorder,
    who: Outsider,
) {
    let mut intruder = Intruder { context, cast, doors, recorder, who, nonce: NONCES_FROM };
    intruder.run().await;
}

impl Intruder {
    async fn run(&mut self) {
        let Some(door) = self.doors.honest(&self.cast) else { return };
        let key = derive::key(self.cast.seed, self.who.name(), 0);
        match self.who {
            Outsider::UnregisteredDevice => self.ask_and_transact(&door, &key).await,
            Outsider::RevokedDevice => {
                let (device, name) = (key.public(), self.who.name().to_owned());
                let operator = self.cast.operator.clone();
                let register =
                    self.sign(&door, &operator, Payload::RegisterDevice { device, name });
                let revoke = self.sign(&door, &operator, Payload::RevokeDevice { device });
                let registered = |device: &DeviceView| !device.revoked;
                self.until(&door, register, &device, registered).await;
                self.until(&door, revoke, &device, |device| device.revoked).await;
                self.ask_and_transact(&door, &key).await;
            }
            Outsider::WrongRole => self.overstep(&door).await,
            Outsider::WrongPublisher => self.deploy_forged(&door).await,
            Outsider::Stranger => self.speak(&key),
        }
    }

    fn did(&self, what: &str) {
        self.recorder.evil_act(format!("{}: {what}", self.who.name()));
    }

    fn got_through(&self, what: String) {
        self.recorder.complain(Violation::new("S4", format!("{}: {what}", self.who.name())));
    }

    fn sign(&mut self, door: &Door, key: &SecretKey, payload: Payload) -> SignedTransaction {
        self.nonce += 1;
        let valid_until_height = door.ledger.state().height().saturating_add(LIFETIME_BLOCKS);
        Transaction {
            version: TRANSACTION_VERSION,
            network: self.cast.network,
            signer: key.public(),
            valid_until_height,
            nonce: self.nonce,
            payload,
        }
        .sign(key)
    }

    /// Submits what is right, and waits until the ledger shows it of a device.
    async fn until(
        &self,
        door: &Door,
        transaction: SignedTransaction,
        device: &PublicKey,
        shows: impl Fn(&DeviceView) -> bool,
    ) {
        // When it is not taken, the device is none, as before.
        let _ = door.ledger.submit(transaction).await;
        let until = self.context.current() + FINAL;
        while self.context.current() < until
            && !door.ledger.state().device(device).as_ref().is_some_and(&shows)
        {
            self.context.sleep(LOOK_EVERY).await;
        }
    }

    /// Submits and waits until it should be final; whether the ledger took it up at all.
    async fn settle(&self, door: &Door, transaction: SignedTransaction) -> bool {
        let taken = door.ledger.submit(transaction).await.is_ok();
        if taken {
            self.context.sleep(FINAL).await;
        }
        taken
    }

    /// A request at every node, and a transaction, by a key that is no member.
    async fn ask_and_transact(&mut self, door: &Door, key: &SecretKey) {
        let Ok(data) = canonical::to_canonical(&serde_json::json!([1, 2, 3])) else { return };
        let Some(workflow) = door.ledger.state().workflows().next() else { return };
        for node in self.doors.up() {
            let Some(door) = self.doors.of(node) else { continue };
            self.nonce += 1;
            let body = request(
                &self.context,
                self.cast.network,
                key,
                &data,
                self.nonce,
                &workflow.workflow.id,
            );
            let signature = body.sign(key);
            let (reply, answer) = oneshot::channel();
            let data = data.clone().into();
            // A node that is down can't be asked.
            let _ = door.inbox.send(Local::Submit { body, signature, data, reply });
            self.did("asks");
            if let Ok(Answer::Accepted(id)) = answer.await {
                self.got_through(format!("its request {} was accepted", id.short()));
            }
        }
        let note = self.sign(door, key, Payload::Note { bytes: b"outside".to_vec() });
        self.did("transacts");
        if self.settle(door, note).await {
            self.got_through("its transaction was taken".to_owned());
        }
    }

    /// What only operators and publishers may do, by members who are neither.
    async fn overstep(&mut self, door: &Door) {
        let state = door.ledger.state();
        let Some(workflow) = state.workflows().next().map(|record| record.workflow.id) else {
            return;
        };
        let Some(app) = state.apps().next().map(|record| record.manifest.id) else { return };
        let Some(device) = self.cast.devices.first().cloned() else { return };
        let Some(node) = self.cast.nodes.last().cloned() else { return };
        let victim = device.public();
        let payloads = [
            Payload::RevokeDevice { device: victim },
            Payload::RetireWorkflow { workflow },
            Payload::SetAppState { app: app.clone(), wanted: AppState::Stopped },
            Payload::RegisterDevice { device: PublicKey([7; 32]), name: "friend".to_owned() },
        ];
        for key in [device, node] {
            for payload in payloads.clone() {
                let transaction = self.sign(door, &key, payload);
                self.did("transacts");
                // By members: the ledger takes it up, and refuses it.
                let _ = door.ledger.submit(transaction).await;
            }
        }
        // An operator, but none who may publish.
        let clerk = self.cast.clerk.clone();
        let stop = Payload::SetAppState { app, wanted: AppState::Stopped };
        let transaction = self.sign(door, &clerk, stop);
        self.did("transacts");
        self.settle(door, transaction).await;
        let after = door.ledger.state();
        let running = after.apps().all(|app| app.wanted == AppState::Running);
        let member = after.device(&victim).is_some_and(|device| !device.revoked);
        let open = after.workflows().all(|record| !record.retired);
        if !(running && member && open) {
            self.got_through("what it may not change has changed".to_owned());
        }
    }

    /// Deploys what no publisher signed for.
    async fn deploy_forged(&mut self, door: &Door) {
        let Ok(id) = AppId::new("forged") else { return };
        let Ok(contents) = Contents::of_module(b"nobody's module") else { return };
        let needs = Resources { cpu_millis: 1, memory_bytes: 1, disk_bytes: 0 };
        let manifest = AppManifest::module(id.clone(), &contents, needs);
        let (reply, answer) = oneshot::channel();
        // A node that is down can't be asked.
        let _ = door.inbox.send(Local::Publish { contents, reply });
        let Ok(Answer::Published(receipts)) = answer.await else { return };
        let other = derive::key(self.cast.seed, "other publisher", 0);
        let publisher_signature =
            other.sign(Domain::Artifact, &self.cast.network, &codec::encode(&manifest));
        let operator = self.cast.operator.clone();
        let deployment = Deployment { manifest, publisher_signature, receipts };
        let transaction = self.sign(door, &operator, Payload::DeployApp(deployment));
        self.did("deploys");
        self.settle(door, transaction).await;
        if door.ledger.state().app(&id).is_some() {
            self.got_through("an application that no publisher signed for is deployed".to_owned());
        }
    }

    /// Messages of every kind that could do harm, by who is no node.
    fn speak(&self, key: &SecretKey) {
        let from = key.public();
        self.recorder.stranger(from);
        let subject = Digest::of(b"a stranger's subject");
        let (Ok(task), network) = (TaskId::new("process"), self.cast.network) else { return };
        let completion = Completion {
            request: RequestId(subject),
            designation: 1,
            task: task.clone(),
            node: from,
            inputs: Vec::new(),
            output: subject,
            output_bytes: 1,
            duration_us: 1,
        }
        .sign(key, &network);
        let receipt = StorageReceipt::sign(key, &network, subject, subject, 1);
        let messages = [
            Message::Alive,
            Message::Completed { completion: completion.clone(), data: Some(vec![1]) },
            Message::StoreOutput { completion, data: Some(vec![1]) },
            Message::StoreArtifact { contents: subject, bytes: 1, registry: None },
            Message::Stored(receipt.clone()),
            Message::Receipts { request: RequestId(subject), task, receipts: vec![receipt] },
            Message::AskCompletions { request: RequestId(subject) },
            Message::AskPiece { digest: subject, offset: 0 },
        ];
        for door in self.doors.up().into_iter().filter_map(|node| self.doors.of(node)) {
            for message in messages.clone() {
                // A node that is down hears nothing.
                let _ = door.inbox.send(Local::Overhear { from, message });
                self.did("sends a message");
            }
        }
    }
}

fn request(
    context: &Context,
    network: NetworkId,
    key: &SecretKey,
    data: &[u8],
    nonce: u64,
    workflow: &WorkflowId,
) -> RequestBody {
    RequestBody {
        network,
        device: key.public(),
        nonce,
        workflow: workflow.clone(),
        input: Digest::of(data),
        input_bytes: data.len() as u64,
        result_key: Digest::of(b"an outsider's key"),
        endpoint: Endpoint::Pull,
        persist: false,
        deadline_ms: now_ms(context).saturating_add(10_000),
    }
}
