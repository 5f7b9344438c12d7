//! The small network that is checked: four validators, one gateway that neither votes nor
//! works, a device, an application of which no two runs fit one node, and two workflows:
//! `one` (a task) and `two` (a task after another).
//!
//! Times are Unix milliseconds. Nodes are named by their place in the order of their keys,
//! which is the order in which they are designated as long as all have the same free.

use std::sync::Arc;
use trustmesh_state::{Proposal, State};
use trustmesh_types::{
    AppId, Contents, Digest, Domain, NetworkId, Payload, PublicKey, SecretKey, Signature,
    SignedTransaction, TaskId, Transaction, WorkflowId, codec,
    genesis::{GENESIS_VERSION, Genesis, Parameters},
    receipt::Outcome,
    records::{AppManifest, Condition, NodeInfo, NodeRoles, OperatorInfo, Runtime},
    request::{Endpoint, RequestBody, StorageReceipt},
    resources::{MIB, ResourceReport, Resources, Snapshot},
    transaction::{AppReport, Deployment, TRANSACTION_VERSION},
    workflow::{Task, Workflow},
};

/// Validators, all of them workers and schedulers.
pub const NODES: usize = 4;
/// When the network begins.
pub(crate) const START_MS: u64 = 1_000_000;
/// The last height of every transaction; no run gets there.
const VALID_UNTIL: u64 = 500;
const CAPACITY: Resources =
    Resources { cpu_millis: 4_000, memory_bytes: 4_096 * MIB, disk_bytes: 0 };
/// What a run of any task takes.
pub(crate) const NEEDS: Resources =
    Resources { cpu_millis: 3_000, memory_bytes: 64 * MIB, disk_bytes: 0 };
const ARTIFACT: &[u8] = b"module";
/// The input of every request.
pub(crate) const INPUT: &[u8] = b"[1]";

/// One request of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// `one` or `two`.
    pub workflow: &'static str,
    /// From the start to its own deadline, milliseconds.
    pub lifetime_ms: u64,
    /// The node that the device brings it to.
    pub entry: usize,
}

/// What runs begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The requests.
    pub asked: Vec<Asked>,
    /// The Byzantine node, if there is one.
    pub evil: Option<usize>,
    /// Seed of the honest nodes' schedulers: which of the nodes that fit they take.
    pub seed: u8,
}

/// What never changes in the runs of a start.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) keys: Vec<SecretKey>,
    pub(crate) ids: Vec<PublicKey>,
    pub(crate) gateway: PublicKey,
    pub(crate) network: NetworkId,
    pub(crate) requests: Vec<(RequestBody, Signature)>,
    pub(crate) start: Start,
}

impl World {
    /// A node's place.
    pub(crate) fn place(&self, key: &PublicKey) -> Option<usize> {
        self.ids.iter().position(|id| id == key)
    }

    /// Whether a node follows the protocol.
    pub(crate) fn honest(&self, key: &PublicKey) -> bool {
        self.place(key).is_none_or(|at| self.start.evil != Some(at))
    }

    /// A transaction, signed.
    pub(crate) fn sign(&self, key: &SecretKey, payload: Payload, nonce: u64) -> SignedTransaction {
        let transaction = Transaction {
            version: TRANSACTION_VERSION,
            network: self.network,
            signer: key.public(),
            valid_until_height: VALID_UNTIL,
            nonce,
            payload,
        };
        transaction.sign(key)
    }
}

fn secret(n: u8) -> SecretKey {
    SecretKey::from_seed([n; 32])
}

fn info(key: PublicKey, name: String, roles: NodeRoles, at: usize) -> NodeInfo {
    NodeInfo {
        key,
        name,
        roles,
        labels: std::collections::BTreeMap::new(),
        capacity: CAPACITY,
        runtimes: vec![Runtime::Wasm],
        arch: "x86_64".into(),
        p2p_address: format!("127.0.0.1:{}", 1_000 + at),
        http_address: format!("127.0.0.1:{}", 2_000 + at),
    }
}

/// A name that fits its rule.
#[expect(clippy::expect_used, reason = "the names are written in this file")]
pub(crate) fn task_id(name: &str) -> TaskId {
    TaskId::new(name).expect("a task's name")
}

#[expect(clippy::expect_used, reason = "the names are written in this file")]
fn workflow_id(name: &str) -> WorkflowId {
    WorkflowId::new(name).expect("a workflow's name")
}

#[expect(clippy::expect_used, reason = "the names are written in this file")]
fn app_id() -> AppId {
    AppId::new("app").expect("an application's name")
}

fn workflow(name: &str, edges: &[(&str, &[&str])]) -> Workflow {
    let tasks = edges.iter().map(|(name, after)| Task {
        id: task_id(name),
        app: app_id(),
        after: after.iter().map(|a| task_id(a)).collect(),
        params: "{}".into(),
        timeout_ms: 1_000,
        replicas: 1,
    });
    Workflow { id: workflow_id(name), tasks: tasks.collect(), scheduler: None }
}

/// The network of a start, with all that requests need.
pub(crate) fn found(start: &Start) -> (Arc<World>, State) {
    let mut keys: Vec<SecretKey> =
        (1..=NODES).map(|n| secret(u8::try_from(n).unwrap_or(0))).collect();
    keys.sort_by_key(SecretKey::public);
    let ids: Vec<PublicKey> = keys.iter().map(SecretKey::public).collect();
    let gateway = secret(90);
    let operator = secret(100);
    // It never reports, so it is never designated.
    let none = NodeRoles { validator: false, scheduler: true, worker: false };
    let mut nodes: Vec<NodeInfo> = ids
        .iter()
        .enumerate()
        .map(|(at, id)| info(*id, format!("n{at}"), NodeRoles::ALL, at))
        .collect();
    nodes.push(info(gateway.public(), "gateway".into(), none, NODES));
    let genesis = Genesis {
        version: GENESIS_VERSION,
        name: "model".into(),
        created_ms: START_MS,
        parameters: Parameters {
            snapshot_interval_ms: 600_000,
            request_retention_ms: 3_600_000,
            ..Parameters::default()
        },
        operators: vec![OperatorInfo {
            key: operator.public(),
            name: "operator".into(),
            publisher: true,
        }],
        nodes,
    };
    let network = genesis.network_id();
    let device = secret(110);
    let requests = (0_u64..)
        .zip(&start.asked)
        .map(|(nonce, asked)| request(network, &device, nonce, asked))
        .collect();
    let world =
        World { keys, ids, gateway: gateway.public(), network, requests, start: start.clone() };
    #[expect(clippy::expect_used, reason = "the genesis is written in this file")]
    let bare = State::genesis(&genesis).expect("a genesis");
    let furnished = execute(&bare, &world, furnish(&world, &operator, device.public()));
    let said = |nonce, payload: fn() -> Payload| {
        let world = &world;
        world.keys.iter().map(move |key| world.sign(key, payload(), nonce))
    };
    let state = execute(&furnished, &world, said(0, report).chain(said(1, runs)).collect());
    (Arc::new(world), state)
}

fn request(
    network: NetworkId,
    device: &SecretKey,
    nonce: u64,
    asked: &Asked,
) -> (RequestBody, Signature) {
    let body = RequestBody {
        network,
        device: device.public(),
        nonce,
        workflow: workflow_id(asked.workflow),
        input: Digest::of(INPUT),
        input_bytes: INPUT.len() as u64,
        result_key: Digest([5; 32]),
        endpoint: Endpoint::Pull,
        persist: false,
        deadline_ms: START_MS.saturating_add(asked.lifetime_ms),
    };
    let signature = body.sign(device);
    (body, signature)
}

fn report() -> Payload {
    let newest = Snapshot { taken_ms: START_MS, foreign: Resources::ZERO };
    Payload::ReportResources(ResourceReport { newest, batch_root: Digest::default(), batch_len: 1 })
}

/// A node runs the application.
fn runs() -> Payload {
    let condition = Condition::Running;
    Payload::ReportApp(AppReport { app: app_id(), generation: 1, condition, note: None })
}

fn furnish(world: &World, operator: &SecretKey, device: PublicKey) -> Vec<SignedTransaction> {
    #[expect(clippy::expect_used, reason = "the module is written in this file")]
    let module = Contents::of_module(ARTIFACT).expect("a module");
    let manifest = AppManifest::module(app_id(), &module, NEEDS);
    let encoded = codec::encode(&manifest);
    let (contents, bytes) = (manifest.contents, manifest.artifact_bytes);
    let receipt =
        |key: &SecretKey| StorageReceipt::sign(key, &world.network, contents, contents, bytes);
    let deployment = Deployment {
        publisher_signature: operator.sign(Domain::Artifact, &world.network, &encoded),
        receipts: world.keys.iter().map(receipt).collect(),
        manifest,
    };
    let payloads = [
        Payload::RegisterDevice { device, name: "d".into() },
        Payload::DeployApp(deployment),
        Payload::CreateWorkflow(workflow("one", &[("a", &[])])),
        Payload::CreateWorkflow(workflow("two", &[("a", &[]), ("b", &["a"])])),
    ];
    let sign = |(nonce, payload)| world.sign(operator, payload, nonce);
    (0..).zip(payloads).map(sign).collect()
}

#[expect(clippy::expect_used, clippy::panic, reason = "a network that can't begin is a bug here")]
fn execute(state: &State, world: &World, transactions: Vec<SignedTransaction>) -> State {
    let ids: Vec<_> = transactions.iter().map(SignedTransaction::id).collect();
    let proposer = world.keys.first().expect("nodes").public();
    let timestamp_ms = state.timestamp_ms().saturating_add(1);
    let proposal = Proposal { proposer, timestamp_ms, transactions: &transactions, ids: &ids };
    let executed = state.execute(&proposal).expect("a valid block");
    for receipt in executed.receipts {
        if let Outcome::Rejected(rejection) = receipt.outcome {
            panic!("the network can't begin: {rejection}");
        }
    }
    executed.state
}
