//! A small network for tests of the whole machine: 4 validators, 2 workers, an operator who
//! publishes and one who does not, a device, an application and workflows. Blocks go through
//! [`State::execute`]; signatures of transactions are the caller's to check, so these have
//! empty ones.

use crate::{Executed, Proposal, State};
use std::collections::BTreeMap;
use trustmesh_types::{
    AppId, Contents, Digest, Domain, Payload, PublicKey, RequestId, SecretKey, Signature,
    SignedTransaction, TaskId, Transaction, TxId, WorkflowId, codec,
    evidence::{Completion, Finalization, TaskFailure, TaskInput},
    genesis::{GENESIS_VERSION, Genesis, Parameters},
    plan::{Assignment, Decline, Plan},
    receipt::Outcome,
    records::{
        AppManifest, Condition, NodeInfo, NodeRoles, OperatorInfo, RequestRecord, Runtime, Status,
    },
    reject::Rejection,
    request::{Endpoint, RequestBody, StorageReceipt, Submission},
    resources::{MIB, ResourceReport, Resources, Snapshot},
    transaction::{AppReport, Deployment, TRANSACTION_VERSION},
    workflow::{Task, Workflow},
};

pub(crate) const START_MS: u64 = 1_000_000;
pub(crate) const CAPACITY: Resources =
    Resources { cpu_millis: 2_500, memory_bytes: 1_024 * MIB, disk_bytes: 0 };
pub(crate) const NEEDS: Resources =
    Resources { cpu_millis: 1_000, memory_bytes: 256 * MIB, disk_bytes: 0 };

pub(crate) type Tx = (PublicKey, Payload);

pub(crate) fn secret(n: u8) -> SecretKey {
    SecretKey::from_seed([n; 32])
}

pub(crate) fn operator() -> SecretKey {
    secret(100)
}

pub(crate) fn clerk() -> SecretKey {
    secret(101)
}

pub(crate) fn device() -> SecretKey {
    secret(110)
}

pub(crate) fn node_info(key: PublicKey, validator: bool) -> NodeInfo {
    NodeInfo {
        key,
        name: "node".into(),
        roles: NodeRoles { validator, scheduler: true, worker: true },
        labels: BTreeMap::new(),
        capacity: CAPACITY,
        runtimes: vec![Runtime::Wasm],
        arch: "x86_64".into(),
        p2p_address: "node.example:9000".into(),
        http_address: "[::1]:8000".into(),
    }
}

fn genesis_node(n: u8) -> NodeInfo {
    NodeInfo {
        name: format!("node-{n}"),
        p2p_address: format!("node-{n}.example:9000"),
        http_address: format!("node-{n}.example:8000"),
        ..node_info(secret(n).public(), n <= 4)
    }
}

pub(crate) fn genesis() -> Genesis {
    let operator_info = |key: SecretKey, publisher| OperatorInfo {
        key: key.public(),
        name: "operator".into(),
        publisher,
    };
    Genesis {
        version: GENESIS_VERSION,
        name: "test".into(),
        created_ms: START_MS,
        parameters: Parameters::default(),
        operators: vec![operator_info(operator(), true), operator_info(clerk(), false)],
        nodes: (1..=6).map(genesis_node).collect(),
    }
}

pub(crate) fn workflow(name: &str, edges: &[(&str, &[&str])], replicas: u8) -> Workflow {
    let task = |name: &str| TaskId::new(name).unwrap();
    let tasks = edges.iter().map(|(name, after)| Task {
        id: task(name),
        app: AppId::new("app").unwrap(),
        after: after.iter().map(|a| task(a)).collect(),
        params: "{}".into(),
        timeout_ms: 1_000,
        replicas,
    });
    Workflow { id: WorkflowId::new(name).unwrap(), tasks: tasks.collect(), scheduler: None }
}

/// The state of a network, and what makes its next blocks.
#[derive(Clone)]
pub(crate) struct Net {
    pub(crate) state: State,
    nonce: u64,
}

impl Net {
    /// With everything that requests need.
    pub(crate) fn new() -> Self {
        Self::of(&genesis())
    }

    /// The same, of another genesis.
    pub(crate) fn of(genesis: &Genesis) -> Self {
        let mut net = Self { state: State::genesis(genesis).unwrap(), nonce: 0 };
        let operator = operator().public();
        let register = Payload::RegisterDevice { device: device().public(), name: "d".into() };
        net.applied(vec![
            (operator, register),
            (operator, Payload::DeployApp(net.deployment("app"))),
            (operator, Payload::CreateWorkflow(workflow("one", &[("a", &[])], 1))),
        ]);
        let diamond: &[(&str, &[&str])] =
            &[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])];
        net.applied(vec![
            (operator, Payload::CreateWorkflow(workflow("diamond", diamond, 1))),
            (operator, Payload::CreateWorkflow(workflow("three", &[("a", &[])], 3))),
        ]);
        let reports = (1..=6).map(|n| net.report(n)).collect();
        net.applied(reports);
        let running = (1..=6).map(|n| net.runs(n, "app")).collect();
        net.applied(running);
        net
    }

    pub(crate) fn sign(&mut self, (signer, payload): Tx) -> SignedTransaction {
        self.nonce += 1;
        let transaction = Transaction {
            version: TRANSACTION_VERSION,
            network: self.state.network(),
            signer,
            valid_until_height: self.state.height() + 10,
            nonce: self.nonce,
            payload,
        };
        SignedTransaction { transaction, signature: Signature([0; 64]) }
    }

    /// Executes a block `after_ms` after the last one.
    pub(crate) fn block(&mut self, after_ms: u64, txs: Vec<Tx>) -> Executed {
        let txs: Vec<_> = txs.into_iter().map(|tx| self.sign(tx)).collect();
        let executed = execute(&self.state, self.state.timestamp_ms() + after_ms, &txs);
        self.state = executed.state.clone();
        executed
    }

    pub(crate) fn applied(&mut self, txs: Vec<Tx>) {
        for receipt in self.block(10, txs).receipts {
            assert_eq!(receipt.outcome, Outcome::Applied);
        }
    }

    /// One transaction, in a block of its own.
    pub(crate) fn one(&mut self, tx: Tx) -> Result<(), Rejection> {
        match self.block(10, vec![tx]).receipts.remove(0).outcome {
            Outcome::Applied => Ok(()),
            Outcome::Rejected(rejection) => Err(rejection),
        }
    }

    pub(crate) fn storage(
        &self,
        subject: Digest,
        digest: Digest,
        bytes: u64,
    ) -> Vec<StorageReceipt> {
        let network = self.state.network();
        (1..=2)
            .map(|n| StorageReceipt::sign(&secret(n), &network, subject, digest, bytes))
            .collect()
    }

    pub(crate) fn deployment(&self, name: &str) -> Deployment {
        let contents = Contents::of_module(b"module").unwrap();
        self.published(AppManifest::module(AppId::new(name).unwrap(), &contents, NEEDS))
    }

    pub(crate) fn published(&self, manifest: AppManifest) -> Deployment {
        let encoded = codec::encode(&manifest);
        Deployment {
            publisher_signature: operator().sign(Domain::Artifact, &self.state.network(), &encoded),
            receipts: self.storage(manifest.contents, manifest.contents, manifest.artifact_bytes),
            manifest,
        }
    }

    pub(crate) fn report(&self, n: u8) -> Tx {
        let newest = Snapshot { taken_ms: self.state.timestamp_ms(), foreign: Resources::ZERO };
        let report = ResourceReport { newest, batch_root: Digest::default(), batch_len: 1 };
        (secret(n).public(), Payload::ReportResources(report))
    }

    /// A node says that it runs an application.
    pub(crate) fn runs(&self, n: u8, app: &str) -> Tx {
        let app = AppId::new(app).unwrap();
        let generation = self.state.app(&app).unwrap().generation;
        let report = AppReport { app, generation, condition: Condition::Running, note: None };
        (secret(n).public(), Payload::ReportApp(report))
    }

    pub(crate) fn submission(&mut self, name: &str, lifetime_ms: u64) -> (RequestId, Tx) {
        self.nonce += 1;
        let body = RequestBody {
            network: self.state.network(),
            device: device().public(),
            nonce: self.nonce,
            workflow: WorkflowId::new(name).unwrap(),
            input: Digest::of(b"input"),
            input_bytes: 5,
            result_key: Digest([9; 32]),
            endpoint: Endpoint::Pull,
            persist: false,
            deadline_ms: self.state.timestamp_ms() + lifetime_ms,
        };
        let id = body.id();
        let receipts = self.storage(id.0, body.input, body.input_bytes);
        let submission = Submission { signature: body.sign(&device()), body, receipts };
        (id, (secret(5).public(), Payload::SubmitRequest(submission)))
    }

    pub(crate) fn record(&self, id: &RequestId) -> Option<RequestRecord> {
        self.state.request(id)
    }

    /// The designee's plan: nodes in turn, from the `shift`th on, whether it fits or not.
    pub(crate) fn plan(&self, id: &RequestId, shift: usize) -> Option<Tx> {
        let record = self.record(id)?;
        let planner = record.designated.as_ref()?.node;
        let workflow = self.state.workflow(&record.body.workflow)?.workflow;
        let levels = workflow.levels().unwrap();
        let nodes: Vec<_> = self.state.nodes();
        let assignments = workflow
            .tasks
            .iter()
            .filter(|task| !record.done.contains_key(&task.id))
            .enumerate()
            .map(|(at, task)| Assignment {
                task: task.id.clone(),
                level: levels[&task.id],
                nodes: (0..usize::from(task.replicas))
                    .map(|r| nodes[(shift + at + r) % nodes.len()].info.key)
                    .collect(),
            })
            .collect();
        let plan = Plan {
            request: *id,
            designation: record.designation,
            made_at: self.state.height(),
            assignments,
        };
        Some((planner, Payload::ConfirmSchedule(plan)))
    }

    pub(crate) fn decline(&self, id: &RequestId) -> Option<Tx> {
        let record = self.record(id)?;
        let node = record.designated.as_ref()?.node;
        let decline = Decline {
            request: *id,
            designation: record.designation,
            made_at: self.state.height(),
            task: TaskId::new("a").unwrap(),
            unfit: Vec::new(),
        };
        Some((node, Payload::DeclineSchedule(decline)))
    }

    pub(crate) fn failure(&self, id: &RequestId) -> Option<Tx> {
        let plan = self.record(id)?.plan?;
        let assignment = plan.assignments.first()?;
        let node = *assignment.nodes.first()?;
        let failure = TaskFailure {
            request: *id,
            designation: plan.designation,
            task: assignment.task.clone(),
            node,
            reason: "broke".into(),
        };
        Some((node, Payload::ReportFailure(failure)))
    }

    /// Every open task complete, signed by its nodes.
    pub(crate) fn finalization(&self, id: &RequestId) -> Option<Tx> {
        let record = self.record(id)?;
        let plan = record.plan.as_ref().filter(|_| record.status == Status::Active)?;
        let workflow = self.state.workflow(&record.body.workflow)?.workflow;
        let output = |task: &TaskId| Digest::of(task.as_str().as_bytes());
        let completions = plan.assignments.iter().flat_map(|assignment| {
            let task = workflow.task(&assignment.task).unwrap();
            let mut inputs: Vec<_> = task
                .after
                .iter()
                .map(|from| TaskInput { from: Some(from.clone()), digest: output(from) })
                .collect();
            if inputs.is_empty() {
                inputs.push(TaskInput { from: None, digest: record.body.input });
            }
            inputs.sort();
            assignment.nodes.iter().map(move |node| Completion {
                request: *id,
                designation: plan.designation,
                task: assignment.task.clone(),
                node: *node,
                inputs: inputs.clone(),
                output: output(&assignment.task),
                output_bytes: 1,
                duration_us: 5,
            })
        });
        let network = self.state.network();
        let by = |key: &PublicKey| (1..=6).map(secret).find(|s| s.public() == *key).unwrap();
        let completions = completions.map(|c| {
            let key = by(&c.node);
            c.sign(&key, &network)
        });
        let finalization = Finalization {
            request: *id,
            designation: plan.designation,
            completions: completions.collect(),
            receipts: workflow
                .sinks()
                .iter()
                .flat_map(|sink| self.storage(id.0, output(&sink.id), 1))
                .collect(),
        };
        Some((secret(6).public(), Payload::Finalize(finalization)))
    }
}

pub(crate) fn ids(txs: &[SignedTransaction]) -> Vec<TxId> {
    txs.iter().map(SignedTransaction::id).collect()
}

/// Executes a valid block.
pub(crate) fn execute(state: &State, timestamp_ms: u64, txs: &[SignedTransaction]) -> Executed {
    let proposer = state.validators()[0];
    let proposal = Proposal { proposer, timestamp_ms, transactions: txs, ids: &ids(txs) };
    state.execute(&proposal).unwrap()
}
