//! Sound values for the seeds and for targets that change a sound value.

use std::collections::BTreeMap;
use trustmesh_state::State;
use trustmesh_types::{
    AppId, Block, Digest, Header, NetworkId, Payload, PublicKey, SecretKey, Signature,
    SignedTransaction, TaskId, Transaction, WorkflowId,
    block::{BLOCK_VERSION, transactions_root},
    evidence::{Completion, SignedCompletion, TaskInput},
    genesis::{GENESIS_VERSION, Genesis, Parameters},
    message::{Envelope, MESSAGE_VERSION, Message},
    records::{NodeInfo, NodeRoles, OperatorInfo, Runtime},
    request::{Endpoint, RequestBody, StorageReceipt, Submission},
    resources::Resources,
    transaction::TRANSACTION_VERSION,
    votes::{ConflictingVotes, Vote},
    workflow::{Task, Workflow},
};

/// A plan for policies to be asked of.
pub const PLAN: &str = "\
request: { workflow: w, device: d, input_bytes: 5, persist: true }
workflow:
  tasks:
    - { id: a, app: x, level: 0, replicas: 2, timeout_ms: 9, requirements: { cpu_millis: 100, memory_bytes: 1, disk_bytes: 1 } }
    - { id: b, app: y, level: 1 }
nodes:
  - { name: n1, key: k1, labels: { zone: eu, vendor: v1 }, arch: arm, capacity: { cpu_millis: 900, memory_bytes: 9, disk_bytes: 9 } }
  - { name: n2, labels: { zone: us }, misses: 3, reserved: { cpu_millis: 1, memory_bytes: 7, disk_bytes: 1 } }
assignments:
  - { task: a, nodes: [n1, n2] }
  - { task: b, nodes: [n1] }
";

/// Expressions that policies may have.
pub const EXPRESSIONS: &[(trustmesh_types::policy::PolicyScope, &str)] = {
    use trustmesh_types::policy::PolicyScope::{Assignment, Plan};
    &[
        (Assignment, "node.labels[\"zone\"] in [\"eu\", \"us\"] || !(task.app in [\"x\"])"),
        (Assignment, "task.level + 1 < 9 && node.misses * 2 <= 6 && request.persist"),
        (Plan, "nodes.all(n, (n.cpu_millis - n.available_cpu_millis) * 100 <= n.cpu_millis * 80)"),
        (
            Plan,
            "distinct(nodes.map(n, n.labels[\"vendor\"])).all(v, nodes.filter(n, \
             n.labels[\"vendor\"] == v).map(n, n.tasks).sum() * 2 <= size(assignments))",
        ),
        (Plan, "workflow.tasks.all(t, size(assignments.filter(a, a.task.id == t.id)) >= 1)"),
    ]
};

/// A key of a number.
#[must_use]
pub fn key(n: u8) -> SecretKey {
    SecretKey::from_seed([n; 32])
}

/// A network's id.
#[must_use]
pub fn network() -> NetworkId {
    NetworkId(Digest([1; 32]))
}

fn node(n: u8) -> NodeInfo {
    NodeInfo {
        key: key(n).public(),
        name: format!("n{n}"),
        roles: NodeRoles::ALL,
        labels: BTreeMap::from([("zone".to_owned(), "eu".to_owned())]),
        capacity: Resources { cpu_millis: 1_000, memory_bytes: 1 << 30, disk_bytes: 1 << 30 },
        runtimes: vec![Runtime::Wasm],
        arch: "x86_64".to_owned(),
        p2p_address: format!("127.0.0.1:{}", 100 + u16::from(n)),
        http_address: format!("127.0.0.1:{}", 200 + u16::from(n)),
    }
}

/// A genesis of four nodes.
#[must_use]
pub fn genesis() -> Genesis {
    let operator = OperatorInfo { key: key(9).public(), name: "op".to_owned(), publisher: true };
    Genesis {
        version: GENESIS_VERSION,
        name: "fuzz".to_owned(),
        created_ms: 1,
        parameters: Parameters::default(),
        operators: vec![operator],
        nodes: (1..=4).map(node).collect(),
    }
}

/// The state that it makes.
///
/// # Panics
/// When the sample is no longer a valid genesis.
#[must_use]
pub fn state() -> State {
    State::genesis(&genesis()).expect("the sample is a genesis")
}

/// A name of a task.
fn task(name: &str) -> TaskId {
    TaskId::new(name).expect("a name")
}

/// A request's body.
///
/// # Panics
/// Never: its names are names.
#[must_use]
pub fn body() -> RequestBody {
    RequestBody {
        network: network(),
        device: key(8).public(),
        nonce: 3,
        workflow: WorkflowId::new("w").expect("a name"),
        input: Digest::of(b"{}"),
        input_bytes: 2,
        result_key: Digest([4; 32]),
        endpoint: Endpoint::Push("tcp://h:1".to_owned()),
        persist: true,
        deadline_ms: 1_000,
    }
}

/// A validator's receipt for its input.
#[must_use]
pub fn receipt() -> StorageReceipt {
    StorageReceipt::sign(&key(1), &network(), body().id().0, Digest::of(b"{}"), 2)
}

/// A workflow of two tasks.
///
/// # Panics
/// Never: its names are names.
#[must_use]
pub fn workflow() -> Workflow {
    let one = |id: &str, after: Vec<TaskId>| Task {
        id: task(id),
        app: AppId::new("x").expect("a name"),
        after,
        params: "{\"k\":1}".to_owned(),
        timeout_ms: 10,
        replicas: 2,
    };
    Workflow {
        id: WorkflowId::new("w").expect("a name"),
        tasks: vec![one("a", Vec::new()), one("b", vec![task("a")])],
        scheduler: Some("lcdwrr".to_owned()),
    }
}

/// A completion of its first task.
#[must_use]
pub fn completion() -> SignedCompletion {
    let completion = Completion {
        request: body().id(),
        designation: 2,
        task: task("a"),
        node: key(1).public(),
        inputs: vec![TaskInput { from: None, digest: Digest([5; 32]) }],
        output: Digest([6; 32]),
        output_bytes: 12,
        duration_us: 99,
    };
    completion.sign(&key(1), &network())
}

/// Two votes of one validator that exclude each other.
#[must_use]
pub fn votes() -> ConflictingVotes {
    let vote = |n| {
        let empty = Signature([0; 64]);
        let vote = Vote::Notarize { parent_view: 6, payload: Digest([n; 32]), signature: empty };
        vote.sign(&key(1), &network(), (0, 300))
    };
    ConflictingVotes::new(key(1).public(), (0, 300), vote(1), vote(2))
}

/// Signed transactions, one of each of some kinds.
#[must_use]
pub fn transactions() -> Vec<SignedTransaction> {
    let submission =
        Submission { body: body(), signature: Signature([7; 64]), receipts: vec![receipt()] };
    let payloads = [
        Payload::AdmitNode(node(5)),
        Payload::CreateWorkflow(workflow()),
        Payload::SubmitRequest(submission),
        Payload::ReportVotes(votes()),
    ];
    let sign = |(nonce, payload)| {
        let transaction = Transaction {
            version: TRANSACTION_VERSION,
            network: network(),
            signer: key(9).public(),
            valid_until_height: 9,
            nonce,
            payload,
        };
        transaction.sign(&key(9))
    };
    (0..).zip(payloads).map(sign).collect()
}

/// A block of them.
#[must_use]
pub fn block() -> Block {
    let transactions = transactions();
    let header = Header {
        version: BLOCK_VERSION,
        height: 1,
        parent: Digest([1; 32]),
        timestamp_ms: 5,
        proposer: PublicKey([2; 32]),
        transactions_root: transactions_root(&transactions),
        receipts_root: Digest([3; 32]),
        state_root: Digest([4; 32]),
    };
    Block { header, transactions }
}

/// Messages between nodes.
#[must_use]
pub fn envelopes() -> Vec<Envelope> {
    let messages = [
        Message::Alive,
        Message::Stored(receipt()),
        Message::Completed { completion: completion(), data: Some(b"[1]".to_vec()) },
        Message::Receipts { request: body().id(), task: task("a"), receipts: vec![receipt()] },
        Message::StoreInput { body: body(), signature: Signature([7; 64]), data: None },
    ];
    messages.map(|message| Envelope { version: MESSAGE_VERSION, message }).into()
}

/// An application in a container, with all that a file may say.
pub const APP: &str = "name: thermometer
version: 1.2.0
runtime: container
artifact: registry.example/team/thermometer:1.2
registry: registry.example/team/thermometer
cosign_key: cosign.pub
resources: { cpu: 0.25, memory: 64MiB, disk: 16MiB }
architectures: [x86_64]
deterministic: false
grants:
  clock: true
  random: true
  network: [\"api.example:443\"]
  environment: { LOG_LEVEL: info }
health: { start_timeout: 30s }
";

/// A manifest of cosign's signatures.
pub const SIGNATURES: &str = r#"{"schemaVersion":2,"layers":[{"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json","size":2,"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","annotations":{"dev.cosignproject.cosign/signature":"MEUCIQ=="}}]}"#;

/// A bundle of cosign's.
pub const BUNDLE: &str = r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"MEUCIQ=="}]}}"#;
