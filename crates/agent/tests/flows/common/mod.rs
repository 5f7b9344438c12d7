//! A mesh in one thread: agents over the real ledger, with instant delivery, virtual time
//! and disks that outlive their agent. Transactions that stand ready make a block.

pub mod script;
mod world;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use trustmesh_agent::{Agent, Answer, Bytes, Config, Delivery, Explained, Input, RunSpec};
use trustmesh_state::State;
use trustmesh_types::{
    AppId, Contents, Digest, Domain, Payload, PublicKey, RequestId, SecretKey, Signature,
    SignedTransaction, TaskId, Transaction, WorkflowId, codec,
    events::Event,
    evidence::SignedCompletion,
    genesis::{GENESIS_VERSION, Genesis, Parameters},
    message::Message,
    records::{AppManifest, NodeInfo, NodeRoles, OperatorInfo, RequestRecord, Runtime, Status},
    request::{Endpoint, RequestBody, StorageReceipt},
    resources::{MIB, Resources, Snapshot},
    transaction::{Deployment, TRANSACTION_VERSION},
    workflow::{Task, Workflow},
};

pub const START_MS: u64 = 1_000_000;

/// Tasks and what each comes after.
pub type Edges = &'static [(&'static str, &'static [&'static str])];

pub const ONE: Edges = &[("a", &[])];
pub const CHAIN: Edges = &[("a", &[]), ("b", &["a"]), ("c", &["b"])];
pub const DIAMOND: Edges =
    &[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c", "a"]), ("e", &["c"])];

/// The workflow `w` and its application.
pub struct Setup {
    pub edges: Edges,
    pub replicas: u8,
    pub scheduler: Option<String>,
    /// What a run takes of a node's 4,000.
    pub cpu_millis: u64,
}

impl Setup {
    pub const fn of(edges: Edges) -> Self {
        Self { edges, replicas: 1, scheduler: None, cpu_millis: 500 }
    }

    /// No two runs fit one node, so that each is at another one.
    pub const fn spread(edges: Edges) -> Self {
        Self { edges, replicas: 1, scheduler: None, cpu_millis: 3_000 }
    }
}

/// A node's disk and what its agent did.
pub struct Node {
    pub key: SecretKey,
    pub agent: Option<Agent>,
    pub blobs: BTreeMap<Digest, Bytes>,
    /// Contents of the artifacts that it holds.
    pub artifacts: BTreeSet<Digest>,
    pub completions: Vec<SignedCompletion>,
    pub inbox: VecDeque<Input>,
    pub wake_ms: Option<u64>,
    pub deliveries: Vec<Delivery>,
    pub runs: Vec<RunSpec>,
    pub placements: Vec<Explained>,
    pub met: BTreeSet<PublicKey>,
    /// Applications that it was to start, with their generations.
    pub starts: Vec<(AppId, u32)>,
    /// Why nothing can be started on it.
    pub broken: Option<String>,
    /// Applications that it was to stop.
    pub stops: Vec<AppId>,
}

/// A message that a node sent, whether or not it came through.
pub struct Mail {
    pub at_ms: u64,
    pub from: usize,
    pub to: usize,
    pub message: Message,
}

/// What a message becomes on its way.
pub type Wire = Box<dyn FnMut(usize, usize, Message) -> Option<Message>>;
/// Whether a node's transaction is held back.
pub type Censor = Box<dyn FnMut(usize, &Payload) -> bool>;

pub struct Mesh {
    pub nodes: Vec<Node>,
    pub state: State,
    pub now_ms: u64,
    pub operator: SecretKey,
    pub device: SecretKey,
    pub replies: BTreeMap<u64, Answer>,
    pub events: Vec<Event>,
    pub rejections: Vec<(PublicKey, String)>,
    pub notes: Vec<String>,
    /// The notes that an operator should look at.
    pub warnings: Vec<String>,
    pub mail: Vec<Mail>,
    /// Transactions by time and node, held back ones too.
    pub transacted: Vec<(u64, usize, Payload)>,
    pub wire: Wire,
    pub censor: Censor,
    /// Nodes on which every run fails.
    pub broken: BTreeSet<usize>,
    /// Nodes whose runs give another output, and what they say in it.
    pub odd: BTreeMap<usize, &'static str>,
    /// Nodes that no block reaches.
    pub deaf: BTreeSet<usize>,
    pending: Vec<SignedTransaction>,
    nonce: u64,
}

pub fn task_id(name: &str) -> TaskId {
    TaskId::new(name).unwrap()
}

pub fn app_id() -> AppId {
    AppId::new("app").unwrap()
}

pub fn node_info(key: &SecretKey, at: usize) -> NodeInfo {
    NodeInfo {
        key: key.public(),
        name: format!("n{at}"),
        roles: NodeRoles { validator: at < 4, ..NodeRoles::ALL },
        labels: BTreeMap::new(),
        capacity: Resources {
            cpu_millis: 4_000,
            memory_bytes: 4_096 * MIB,
            disk_bytes: 4_096 * MIB,
        },
        runtimes: vec![Runtime::Wasm],
        arch: "x86_64".into(),
        p2p_address: format!("127.0.0.1:{}", 1_000 + at),
        http_address: format!("127.0.0.1:{}", 2_000 + at),
    }
}

impl Mesh {
    /// Nodes with an application that runs, a device, and the workflow `w` of `edges`.
    pub fn new(edges: Edges) -> Self {
        Self::with(&Setup::of(edges))
    }

    pub fn with(setup: &Setup) -> Self {
        Self::among(setup, 4)
    }

    /// The same of so many nodes, of which the first four vote; with epochs of 16 blocks.
    pub fn among(setup: &Setup, nodes: u8) -> Self {
        let keys: Vec<SecretKey> = (1..=nodes).map(|i| SecretKey::from_seed([i; 32])).collect();
        let operator = SecretKey::from_seed([101; 32]);
        let genesis = Genesis {
            version: GENESIS_VERSION,
            name: "test".into(),
            created_ms: START_MS,
            parameters: Parameters {
                snapshot_interval_ms: 60_000,
                epoch_blocks: 16,
                ..Parameters::default()
            },
            operators: vec![OperatorInfo {
                key: operator.public(),
                name: "o".into(),
                publisher: true,
            }],
            nodes: keys.iter().enumerate().map(|(at, k)| node_info(k, at)).collect(),
        };
        let nodes = keys.into_iter().map(|key| Node {
            key,
            agent: None,
            blobs: BTreeMap::new(),
            completions: Vec::new(),
            inbox: VecDeque::new(),
            wake_ms: None,
            deliveries: Vec::new(),
            runs: Vec::new(),
            placements: Vec::new(),
            met: BTreeSet::new(),
            artifacts: BTreeSet::new(),
            starts: Vec::new(),
            broken: None,
            stops: Vec::new(),
        });
        let mut mesh = Self {
            nodes: nodes.collect(),
            state: State::genesis(&genesis).unwrap(),
            now_ms: START_MS + 1,
            operator,
            device: SecretKey::from_seed([100; 32]),
            replies: BTreeMap::new(),
            events: Vec::new(),
            rejections: Vec::new(),
            notes: Vec::new(),
            warnings: Vec::new(),
            mail: Vec::new(),
            transacted: Vec::new(),
            wire: Box::new(|_, _, message| Some(message)),
            censor: Box::new(|_, _| false),
            broken: BTreeSet::new(),
            odd: BTreeMap::new(),
            deaf: BTreeSet::new(),
            pending: Vec::new(),
            nonce: 0,
        };
        for at in 0..mesh.nodes.len() {
            mesh.start(at);
        }
        mesh.prepare(setup);
        mesh
    }

    fn prepare(&mut self, setup: &Setup) {
        let module = Contents::of_module(&[7; 700_000]).unwrap();
        let (contents, bytes) = (module.digest(), module.bytes());
        self.nodes[0].artifacts.insert(contents);
        let publish = Input::Publish { ticket: 900, contents, bytes, registry: None };
        self.nodes[0].inbox.push_back(publish);
        self.run(5_000, |m| m.replies.contains_key(&900));
        let Some(Answer::Published(receipts)) = self.replies.get(&900).cloned() else {
            panic!("not published: {:?}", self.replies)
        };
        let needs =
            Resources { cpu_millis: setup.cpu_millis, memory_bytes: 64 * MIB, disk_bytes: 0 };
        self.deploy(AppManifest::module(app_id(), &module, needs), receipts);
        let tasks = setup.edges.iter().map(|(name, after)| Task {
            id: task_id(name),
            app: app_id(),
            after: after.iter().map(|a| task_id(a)).collect(),
            params: "{\"p\":1}".into(),
            timeout_ms: 1_000,
            replicas: setup.replicas,
        });
        let id = WorkflowId::new("w").unwrap();
        let workflow = Workflow { id, tasks: tasks.collect(), scheduler: setup.scheduler.clone() };
        self.operate(Payload::CreateWorkflow(workflow));
        let device = self.device.public();
        self.operate(Payload::RegisterDevice { device, name: "d".into() });
        self.run(5_000, |m| m.state.device(&device).is_some());
        assert!(self.rejections.is_empty(), "{:?}", self.rejections);
    }

    pub fn deploy(&mut self, manifest: AppManifest, receipts: Vec<StorageReceipt>) {
        let network = self.state.network();
        let publisher_signature =
            self.operator.sign(Domain::Artifact, &network, &codec::encode(&manifest));
        self.operate(Payload::DeployApp(Deployment { manifest, publisher_signature, receipts }));
    }

    /// Starts a node, or starts it again on its disk.
    pub fn start(&mut self, at: usize) {
        let state = self.state.clone();
        let node = &mut self.nodes[at];
        let recovered = node.completions.clone();
        let key = node.key.clone();
        let (agent, effects) = Agent::new(Config { key, seed: [9; 32], state, recovered });
        node.agent = Some(agent);
        node.inbox.clear();
        self.carry_out(at, effects);
        let snapshot = Snapshot { taken_ms: self.now_ms, foreign: Resources::ZERO };
        self.nodes[at].inbox.push_back(Input::Sampled(snapshot));
    }

    pub fn stop(&mut self, at: usize) {
        self.nodes[at].agent = None;
        self.nodes[at].inbox.clear();
        self.nodes[at].wake_ms = None;
    }

    pub fn place(&self, key: &PublicKey) -> usize {
        self.nodes.iter().position(|n| n.key.public() == *key).unwrap()
    }

    /// A node's transaction, ahead of all that stand ready.
    pub fn sign_first(&mut self, at: usize, payload: Payload) {
        let key = self.secret(at);
        self.sign(&key, payload);
        self.pending.rotate_right(1);
    }

    fn sign(&mut self, key: &SecretKey, payload: Payload) {
        self.nonce += 1;
        let transaction = Transaction {
            version: TRANSACTION_VERSION,
            network: self.state.network(),
            signer: key.public(),
            valid_until_height: self.state.height() + 100,
            nonce: self.nonce,
            payload,
        };
        self.pending.push(transaction.sign(key));
    }

    /// A node's transaction, after all that stand ready.
    pub fn transact(&mut self, at: usize, payload: Payload) {
        let key = self.secret(at);
        self.sign(&key, payload);
    }

    /// Blocks up to a height, each with a note of an operator.
    #[track_caller]
    pub fn blocks_until(&mut self, height: u64) {
        while self.state.height() < height {
            let next = self.state.height() + 1;
            self.operate(Payload::Note { bytes: vec![1] });
            self.run(60_000, |m| m.state.height() >= next);
        }
    }

    pub fn operate(&mut self, payload: Payload) {
        let key = self.operator.clone();
        self.sign(&key, payload);
    }

    /// A request by the mesh's device for some data, signed.
    pub fn request(&self, nonce: u64, data: &[u8]) -> (RequestBody, Signature) {
        let body = RequestBody {
            network: self.state.network(),
            device: self.device.public(),
            nonce,
            workflow: WorkflowId::new("w").unwrap(),
            input: Digest::of(data),
            input_bytes: data.len() as u64,
            result_key: Digest([5; 32]),
            endpoint: Endpoint::Pull,
            persist: false,
            deadline_ms: START_MS + 600_000,
        };
        let signature = body.sign(&self.device);
        (body, signature)
    }

    /// A device brings a request to a node.
    pub fn submit(&mut self, at: usize, ticket: u64, data: &[u8]) -> RequestId {
        let (body, signature) = self.request(1, data);
        let id = body.id();
        let data = data.into();
        self.nodes[at].inbox.push_back(Input::Submit { ticket, body, signature, data });
        id
    }

    /// Brings a request to node 0 and lets the mesh go on until its plan is active.
    #[track_caller]
    pub fn submit_until_active(&mut self) -> RequestId {
        let id = self.submit(0, 1, b"[1,2]");
        self.run(5_000, |m| m.state.request(&id).is_some_and(|r| r.status == Status::Active));
        id
    }

    pub fn key(&self, at: usize) -> PublicKey {
        self.nodes[at].key.public()
    }

    /// The nodes that the request's plan has for a task.
    pub fn nodes_of(&self, id: &RequestId, task: &str) -> Vec<usize> {
        let plan = self.record(id).plan.unwrap();
        let of = plan.assignments.iter().find(|a| a.task == task_id(task)).unwrap();
        of.nodes.iter().map(|n| self.place(n)).collect()
    }

    pub fn record(&self, id: &RequestId) -> RequestRecord {
        self.state.request(id).unwrap()
    }

    pub fn finalized(&self, id: &RequestId) -> bool {
        self.state.request(id).is_some_and(|r| r.status == Status::Finalized)
    }

    /// Runs until the result is with at least f+1 holders; gives it.
    #[track_caller]
    pub fn result(&mut self, id: &RequestId, within_ms: u64) -> Delivery {
        self.run(within_ms, |m| m.finalized(id));
        let holders = self.record(id).result_receipts.len().clamp(1, 2);
        self.run(within_ms, |m| {
            m.nodes.iter().filter(|n| n.deliveries.iter().any(|d| d.request == *id)).count()
                >= holders.min(m.nodes.iter().filter(|n| n.agent.is_some()).count())
                || m.nodes.iter().any(|n| n.agent.is_none() && n.deliveries.is_empty())
                    && m.nodes.iter().any(|n| !n.deliveries.is_empty())
        });
        self.nodes.iter().flat_map(|n| &n.deliveries).next().unwrap().clone()
    }

    pub fn runs_of(&self, task: &str) -> usize {
        self.nodes.iter().flat_map(|n| &n.runs).filter(|r| r.run.task == task_id(task)).count()
    }
}
