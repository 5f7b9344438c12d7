//! A mesh in one thread: agents over the real ledger, with instant delivery, virtual time
//! and disks that outlive their agent. Transactions that stand ready make a block.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use trustmesh_agent::{
    Agent, Answer, Bytes, Config, Delivery, Effect, Explained, Input, RunOutput, RunSpec,
};
use trustmesh_state::{Finalized, Proposal, State};
use trustmesh_types::{
    AppId, Block, Digest, Domain, Header, Payload, PublicKey, RequestId, SecretKey,
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

/// A node's disk and what its agent did.
pub struct Node {
    pub key: SecretKey,
    pub agent: Option<Agent>,
    pub blobs: BTreeMap<Digest, Bytes>,
    pub completions: Vec<SignedCompletion>,
    pub inbox: VecDeque<Input>,
    pub wake_ms: Option<u64>,
    pub deliveries: Vec<Delivery>,
    pub runs: Vec<RunSpec>,
    pub placements: Vec<Explained>,
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
    pub wire: Wire,
    pub censor: Censor,
    /// Nodes on which every run fails.
    pub broken: BTreeSet<usize>,
    pending: Vec<SignedTransaction>,
    nonce: u64,
}

pub fn task_id(name: &str) -> TaskId {
    TaskId::new(name).unwrap()
}

pub fn app_id() -> AppId {
    AppId::new("app").unwrap()
}

fn node_info(key: &SecretKey, at: usize) -> NodeInfo {
    NodeInfo {
        key: key.public(),
        name: format!("n{at}"),
        roles: NodeRoles::ALL,
        labels: BTreeMap::new(),
        capacity: Resources {
            cpu_millis: 4_000,
            memory_bytes: 4_096 * MIB,
            disk_bytes: 4_096 * MIB,
        },
        runtimes: vec![Runtime::Wasm],
        arch: "x86_64".into(),
        p2p_address: "127.0.0.1:1".into(),
        http_address: "127.0.0.1:2".into(),
    }
}

impl Mesh {
    /// Nodes with an application that runs, a device, and the workflow `w` of `edges`.
    pub fn new(edges: &[(&str, &[&str])]) -> Self {
        let keys: Vec<SecretKey> = (1..=4).map(|i| SecretKey::from_seed([i; 32])).collect();
        let operator = SecretKey::from_seed([101; 32]);
        let genesis = Genesis {
            version: GENESIS_VERSION,
            name: "test".into(),
            created_ms: START_MS,
            parameters: Parameters { snapshot_interval_ms: 60_000, ..Parameters::default() },
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
            wire: Box::new(|_, _, message| Some(message)),
            censor: Box::new(|_, _| false),
            broken: BTreeSet::new(),
            pending: Vec::new(),
            nonce: 0,
        };
        for at in 0..4 {
            mesh.start(at);
        }
        mesh.prepare(edges);
        mesh
    }

    fn prepare(&mut self, edges: &[(&str, &[&str])]) {
        let artifact: Bytes = vec![7u8; 700_000].into();
        let data = Bytes::clone(&artifact);
        self.nodes[0].inbox.push_back(Input::Publish { ticket: 900, data });
        self.run(5_000, |m| m.replies.contains_key(&900));
        let Some(Answer::Published(receipts)) = self.replies.get(&900).cloned() else {
            panic!("not published: {:?}", self.replies)
        };
        self.deploy(&artifact, receipts);
        let tasks = edges.iter().map(|(name, after)| Task {
            id: task_id(name),
            app: app_id(),
            after: after.iter().map(|a| task_id(a)).collect(),
            params: "{\"p\":1}".into(),
            timeout_ms: 1_000,
            replicas: 1,
        });
        let id = WorkflowId::new("w").unwrap();
        let workflow = Workflow { id, tasks: tasks.collect(), scheduler: None };
        self.operate(Payload::CreateWorkflow(workflow));
        let device = self.device.public();
        self.operate(Payload::RegisterDevice { device, name: "d".into() });
        self.run(5_000, |m| m.state.device(&device).is_some());
        assert!(self.rejections.is_empty(), "{:?}", self.rejections);
    }

    fn deploy(&mut self, artifact: &[u8], receipts: Vec<StorageReceipt>) {
        let manifest = AppManifest {
            id: app_id(),
            version: "1".into(),
            runtime: Runtime::Wasm,
            artifact: Digest::of(artifact),
            artifact_bytes: artifact.len() as u64,
            requirements: Resources { cpu_millis: 500, memory_bytes: 64 * MIB, disk_bytes: 0 },
            deterministic: true,
        };
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

    pub fn operate(&mut self, payload: Payload) {
        let key = self.operator.clone();
        self.sign(&key, payload);
    }

    /// A device brings a request to a node.
    pub fn submit(&mut self, at: usize, ticket: u64, data: &[u8]) -> RequestId {
        let body = RequestBody {
            network: self.state.network(),
            device: self.device.public(),
            nonce: 1,
            workflow: WorkflowId::new("w").unwrap(),
            input: Digest::of(data),
            input_bytes: data.len() as u64,
            result_key: Digest([5; 32]),
            endpoint: Endpoint::Pull,
            persist: false,
            deadline_ms: START_MS + 600_000,
        };
        let signature = body.sign(&self.device);
        let id = body.id();
        self.nodes[at].inbox.push_back(Input::Submit {
            ticket,
            body,
            signature,
            data: data.into(),
        });
        id
    }

    fn carry_out(&mut self, at: usize, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Transact(payload) => {
                    if !(self.censor)(at, &payload) {
                        let key = self.nodes[at].key.clone();
                        self.sign(&key, payload);
                    }
                }
                Effect::Send { to, message } => self.send(at, &to, message),
                Effect::Store { digest, data, .. } => self.keep(at, digest, data),
                Effect::KeepOutput { completion, data, .. } => {
                    let digest = completion.completion.output;
                    self.nodes[at].completions.push(completion);
                    self.keep(at, digest, data);
                }
                Effect::KeepPlacement(explained) => self.nodes[at].placements.push(explained),
                Effect::Load { digest } => {
                    let node = &mut self.nodes[at];
                    let data = node.blobs.get(&digest).cloned();
                    node.inbox.push_back(Input::Loaded { digest, data });
                }
                Effect::Run(spec) => self.run_task(at, spec),
                Effect::Deliver(delivery) => self.nodes[at].deliveries.push(delivery),
                Effect::Reply { ticket, answer } => {
                    assert!(self.replies.insert(ticket, answer).is_none(), "answered twice");
                }
                Effect::Wake { at_ms } => self.nodes[at].wake_ms = Some(at_ms),
                Effect::Note { text, .. } => self.notes.push(format!("n{at}: {text}")),
                Effect::Prepare { .. } | Effect::Discard { .. } => {}
            }
        }
    }

    fn keep(&mut self, at: usize, digest: Digest, data: Bytes) {
        assert_eq!(Digest::of(&data), digest);
        let node = &mut self.nodes[at];
        node.blobs.insert(digest, data);
        node.inbox.push_back(Input::Stored { digest, result: Ok(()) });
    }

    fn send(&mut self, at: usize, to: &PublicKey, message: Message) {
        let from = self.nodes[at].key.public();
        let to = self.place(to);
        if let Some(message) = (self.wire)(at, to, message)
            && self.nodes[to].agent.is_some()
        {
            self.nodes[to].inbox.push_back(Input::Message { from, message });
        }
    }

    fn run_task(&mut self, at: usize, spec: RunSpec) {
        let run = spec.run.clone();
        let result = if self.broken.contains(&at) {
            Err("broken".to_owned())
        } else {
            let data = format!("[\"{}\"]", run.task).into_bytes();
            Ok(RunOutput { data: data.into(), duration_us: 1_000 })
        };
        self.nodes[at].runs.push(spec);
        self.nodes[at].inbox.push_back(Input::Ran { run, result });
    }

    /// Executes what stands ready.
    fn block(&mut self) {
        let transactions: Vec<SignedTransaction> = std::mem::take(&mut self.pending);
        let ids: Vec<_> = transactions.iter().map(SignedTransaction::id).collect();
        self.now_ms += 1;
        let proposer = self.nodes[0].key.public();
        let timestamp_ms = self.now_ms;
        let proposal = Proposal { proposer, timestamp_ms, transactions: &transactions, ids: &ids };
        let executed = self.state.execute(&proposal).unwrap();
        self.state = executed.state.clone();
        self.events.extend(executed.events.iter().cloned());
        for receipt in &executed.receipts {
            if let trustmesh_types::receipt::Outcome::Rejected(rejection) = &receipt.outcome {
                assert!(!rejection.fault, "an honest node was charged: {rejection}");
                self.rejections.push((receipt.signer, rejection.to_string()));
            }
        }
        let zero = Digest::default();
        let header = Header {
            version: 1,
            height: self.state.height(),
            parent: zero,
            timestamp_ms,
            proposer,
            transactions_root: zero,
            receipts_root: zero,
            state_root: zero,
        };
        let finalized = Arc::new(Finalized {
            block: Arc::new(Block { header, transactions }),
            receipts: executed.receipts,
            events: executed.events,
            state: executed.state,
        });
        for node in self.nodes.iter_mut().filter(|n| n.agent.is_some()) {
            node.inbox.push_back(Input::Block(Arc::clone(&finalized)));
        }
    }

    fn step_one(&mut self) -> bool {
        for at in 0..self.nodes.len() {
            let now_ms = self.now_ms;
            let node = &mut self.nodes[at];
            let Some(input) = node.inbox.pop_front() else { continue };
            let Some(agent) = node.agent.as_mut() else { continue };
            let effects = agent.step(now_ms, input);
            self.carry_out(at, effects);
            return true;
        }
        false
    }

    /// Lets the mesh go on until `done`, for at most `within_ms` of its time.
    #[track_caller]
    pub fn run(&mut self, within_ms: u64, done: impl Fn(&Self) -> bool) {
        let until_ms = self.now_ms + within_ms;
        while !done(self) {
            if self.step_one() {
                continue;
            }
            if !self.pending.is_empty() {
                self.block();
                continue;
            }
            let wakes = self.nodes.iter().filter_map(|n| n.wake_ms);
            let next_ms = wakes.chain(self.state.next_deadline_ms()).min().unwrap_or(u64::MAX);
            self.now_ms = self.now_ms.max(next_ms);
            assert!(self.now_ms < until_ms, "not done within {within_ms} ms: {:#?}", self.notes);
            if self.state.next_deadline_ms().is_some_and(|due_ms| due_ms <= self.now_ms) {
                self.block();
            }
            for node in &mut self.nodes {
                if node.agent.is_some() && node.wake_ms.is_some_and(|at_ms| at_ms <= self.now_ms) {
                    node.wake_ms = None;
                    node.inbox.push_back(Input::Woken);
                }
            }
        }
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
