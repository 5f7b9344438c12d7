//! A small mesh whose blocks go through the schedules contract as the machine sends them:
//! a refused transaction is rolled back, then `rejected` hears of it, and `end_block` ends
//! the block.

use crate::{
    contracts::schedule,
    machine::{Draft, Proven, apply::apply},
    rules::Rules,
    store::Store,
    tables::{AppConditions, Apps, Loads, Members, Requests, Workflows},
};
use std::collections::BTreeMap;
use trustmesh_types::{
    AppId, Contents, Digest, NetworkId, Payload, PublicKey, RequestId, SecretKey, Signature,
    TaskId, TxId, WorkflowId, codec,
    events::Event,
    evidence::{
        Completion, DoneTask, Finalization, Progress, SignedCompletion, TaskFailure, TaskInput,
    },
    genesis::Parameters,
    plan::{Assignment, Decline, Plan},
    records::{
        AppCondition, AppManifest, AppRecord, AppState, Condition, Member, NodeInfo, NodeRoles,
        OperatorInfo, RequestRecord, Runtime, Standing, Status, WorkflowRecord,
    },
    reject::{RejectCode, Rejection},
    request::{Endpoint, RequestBody, StorageReceipt, Submission},
    resources::{MIB, ResourceReport, Resources, Snapshot},
    workflow::{Task, Workflow},
};

pub const CAPACITY: Resources =
    Resources { cpu_millis: 4_000, memory_bytes: 4_096 * MIB, disk_bytes: 0 };
pub const NEEDS: Resources =
    Resources { cpu_millis: 1_000, memory_bytes: 256 * MIB, disk_bytes: 0 };

pub fn task(name: &str) -> TaskId {
    TaskId::new(name).unwrap()
}

pub fn app() -> AppId {
    AppId::new("app").unwrap()
}

/// What every task gives in these tests.
pub fn output(task: &TaskId) -> Digest {
    Digest::of(task.as_str().as_bytes())
}

pub struct Mesh {
    pub store: Store,
    pub height: u64,
    pub now_ms: u64,
    pub network: NetworkId,
    pub parameters: Parameters,
    pub validators: Vec<PublicKey>,
    pub nodes: Vec<SecretKey>,
    pub device: SecretKey,
    pub operator: SecretKey,
    /// Of the last block.
    pub events: Vec<Event>,
    nonce: u64,
}

impl Mesh {
    /// `nodes` equal nodes, all with every role and a live snapshot, the first four of them
    /// validators; workflow `w`: a before b and c, those before d.
    pub fn new(nodes: u8) -> Self {
        let mut keys: Vec<SecretKey> = (1..=nodes).map(|i| SecretKey::from_seed([i; 32])).collect();
        keys.sort_by_key(SecretKey::public);
        let mut mesh = Self {
            store: Store::new(),
            height: 0,
            now_ms: 1_000_000,
            network: NetworkId(Digest::of(b"test")),
            parameters: Parameters::default(),
            validators: keys.iter().take(4).map(SecretKey::public).collect(),
            nodes: keys,
            device: SecretKey::from_seed([100; 32]),
            operator: SecretKey::from_seed([101; 32]),
            events: Vec::new(),
            nonce: 0,
        };
        for at in 0..mesh.nodes.len() {
            mesh.put_node(at, NodeRoles::ALL, false);
        }
        let (device, operator) = (mesh.device.public(), mesh.operator.public());
        let member =
            Member::Device { name: "d".into(), revoked: false, open_requests: 0, changed: 0 };
        mesh.store.put::<Members>(&device, &member);
        let info = OperatorInfo { key: operator, name: "o".into(), publisher: true };
        mesh.store
            .put::<Members>(&operator, &Member::Operator { info, revoked: false, changed: 0 });
        mesh.put_app(AppState::Running, NEEDS);
        (0..mesh.nodes.len()).for_each(|at| mesh.put_condition(at, Condition::Running));
        mesh.put_workflow("w", &[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])], 1);
        mesh.put_workflow("one", &[("a", &[])], 1);
        mesh.put_workflow("three", &[("a", &[])], 3);
        let reports = (0..mesh.nodes.len()).map(|at| mesh.report(at, 0)).collect();
        mesh.block(10, reports);
        mesh
    }

    pub fn key(&self, at: usize) -> PublicKey {
        self.nodes[at].public()
    }

    pub fn secret(&self, key: &PublicKey) -> &SecretKey {
        self.nodes.iter().find(|n| n.public() == *key).unwrap()
    }

    pub fn put_node(&mut self, at: usize, roles: NodeRoles, quarantined: bool) {
        let key = self.key(at);
        let info = NodeInfo {
            key,
            name: format!("n{at}"),
            roles,
            labels: BTreeMap::new(),
            capacity: CAPACITY,
            runtimes: vec![Runtime::Wasm],
            arch: "x86_64".into(),
            p2p_address: "127.0.0.1:1".into(),
            http_address: "127.0.0.1:2".into(),
        };
        let member =
            Member::Node { info, quarantined, standing: Standing::Ready, changed: self.height };
        self.store.put::<Members>(&key, &member);
    }

    pub fn put_app(&mut self, wanted: AppState, requirements: Resources) {
        let contents = Contents::of_module(b"module").unwrap();
        let record = AppRecord {
            manifest: AppManifest::module(app(), &contents, requirements),
            publisher: self.operator.public(),
            publisher_signature: Signature([0; 64]),
            holders: Vec::new(),
            wanted,
            generation: 1,
            changed: self.height,
        };
        self.store.put::<Apps>(&app(), &record);
    }

    /// A node says how its copy of the application is.
    pub fn put_condition(&mut self, at: usize, condition: Condition) {
        let note = (condition == Condition::Failed).then(|| "broke".to_owned());
        let changed = self.height;
        let condition = AppCondition { generation: 1, condition, note, changed };
        self.store.put::<AppConditions>(&(app(), self.key(at)), &condition);
    }

    pub fn put_workflow(&mut self, name: &str, edges: &[(&str, &[&str])], replicas: u8) {
        let tasks = edges
            .iter()
            .map(|(name, after)| Task {
                id: task(name),
                app: app(),
                after: after.iter().map(|a| task(a)).collect(),
                params: "{}".into(),
                timeout_ms: 1_000,
                replicas,
            })
            .collect();
        let id = WorkflowId::new(name).unwrap();
        let workflow = Workflow { id: id.clone(), tasks, scheduler: None };
        let creator = self.operator.public();
        let record = WorkflowRecord { workflow, creator, retired: false, changed: self.height };
        self.store.put::<Workflows>(&id, &record);
    }

    /// A block `after_ms` later; what became of its transactions.
    pub fn block(
        &mut self,
        after_ms: u64,
        txs: Vec<(PublicKey, Payload)>,
    ) -> Vec<Result<(), Rejection>> {
        self.height += 1;
        self.now_ms += after_ms;
        let (proven, mut events) = (Proven::default(), Vec::new());
        let mut draft = Draft {
            store: &mut self.store,
            height: self.height,
            timestamp_ms: self.now_ms,
            network: self.network,
            parameters: &self.parameters,
            rules: Rules::of(self.parameters.protocol_version),
            validators: &self.validators,
            proven: &proven,
            events: &mut events,
            touched: false,
            policies: None,
        };
        let mut results = Vec::new();
        for (signer, payload) in txs {
            let before = (draft.store.clone(), draft.events.len(), draft.touched);
            let result = apply(&mut draft, &signer, &payload);
            if let Err(rejection) = &result {
                *draft.store = before.0;
                draft.events.truncate(before.1);
                draft.touched = before.2;
                let id = TxId(Digest::of(&codec::encode(&(signer, &payload))));
                schedule::rejected(&mut draft, (&signer, &id), rejection, &payload);
            }
            results.push(result);
        }
        schedule::end_block(&mut draft);
        self.events = events;
        results
    }

    /// A block of one transaction.
    pub fn one(&mut self, tx: (PublicKey, Payload)) -> Result<(), Rejection> {
        self.block(10, vec![tx]).remove(0)
    }

    pub fn refuse(&mut self, tx: (PublicKey, Payload)) -> (RejectCode, bool) {
        let rejection = self.one(tx).unwrap_err();
        (rejection.code, rejection.fault)
    }

    pub fn report(&self, at: usize, foreign_millis: u64) -> (PublicKey, Payload) {
        let foreign = Resources { cpu_millis: foreign_millis, ..Resources::ZERO };
        let report = ResourceReport {
            newest: Snapshot { taken_ms: self.now_ms + self.height, foreign },
            batch_root: Digest::default(),
            batch_len: 1,
        };
        (self.key(at), Payload::ReportResources(report))
    }

    pub fn body(&mut self, workflow: &str) -> RequestBody {
        self.nonce += 1;
        RequestBody {
            network: self.network,
            device: self.device.public(),
            nonce: self.nonce,
            workflow: WorkflowId::new(workflow).unwrap(),
            input: Digest::of(b"input"),
            input_bytes: 5,
            result_key: Digest::default(),
            endpoint: Endpoint::Pull,
            persist: false,
            deadline_ms: self.now_ms + 60_000,
        }
    }

    pub fn receipts(&self, subject: Digest, digest: Digest, bytes: u64) -> Vec<StorageReceipt> {
        let sign = |key| StorageReceipt::sign(key, &self.network, subject, digest, bytes);
        self.nodes.iter().take(2).map(sign).collect()
    }

    pub fn submission(&self, body: RequestBody) -> (PublicKey, Payload) {
        let receipts = self.receipts(body.id().0, body.input, body.input_bytes);
        let signature = body.sign(&self.device);
        (self.key(0), Payload::SubmitRequest(Submission { body, signature, receipts }))
    }

    pub fn submit(&mut self, workflow: &str) -> RequestId {
        let body = self.body(workflow);
        let id = body.id();
        self.one(self.submission(body)).unwrap();
        id
    }

    pub fn record(&self, id: &RequestId) -> RequestRecord {
        self.store.get::<Requests>(id).unwrap()
    }

    pub fn status(&self, id: &RequestId) -> Status {
        self.record(id).status
    }

    pub fn designee(&self, id: &RequestId) -> Option<PublicKey> {
        self.record(id).designated.map(|d| d.node)
    }

    /// What an honest node plans on the newest state.
    pub fn plan(&self, id: &RequestId) -> Option<Plan> {
        plan(&self.store, self.height, id)
    }

    /// The designee's transaction with a plan.
    pub fn confirm(&self, plan: Plan) -> (PublicKey, Payload) {
        (self.designee(&plan.request).unwrap(), Payload::ConfirmSchedule(plan))
    }

    /// Lets the designee plan a request, honestly.
    pub fn activate(&mut self, id: &RequestId) {
        let plan = self.plan(id).unwrap();
        self.one(self.confirm(plan)).unwrap();
        assert_eq!(self.status(id), Status::Active);
    }

    pub fn decline(&self, id: &RequestId) -> (PublicKey, Payload) {
        let decline = Decline {
            request: *id,
            designation: self.record(id).designation,
            made_at: self.height,
            task: task("a"),
            unfit: Vec::new(),
        };
        (self.designee(id).unwrap(), Payload::DeclineSchedule(decline))
    }

    /// Nodes of a task under the last confirmed plan.
    pub fn assigned(&self, id: &RequestId, name: &str) -> Vec<PublicKey> {
        let plan = self.record(id).plan.unwrap();
        plan.assignments.into_iter().find(|a| a.task == task(name)).unwrap().nodes
    }

    /// Completions of a task by all its nodes.
    pub fn completions(&self, id: &RequestId, name: &str) -> Vec<SignedCompletion> {
        let record = self.record(id);
        let workflow = self.store.get::<Workflows>(&record.body.workflow).unwrap().workflow;
        let after = &workflow.task(&task(name)).unwrap().after;
        let mut inputs: Vec<TaskInput> =
            after.iter().map(|a| TaskInput { from: Some(a.clone()), digest: output(a) }).collect();
        inputs.sort();
        if inputs.is_empty() {
            inputs.push(TaskInput { from: None, digest: record.body.input });
        }
        let sign = |node: PublicKey| {
            let completion = Completion {
                request: *id,
                designation: record.plan.as_ref().unwrap().designation,
                task: task(name),
                node,
                inputs: inputs.clone(),
                output: output(&task(name)),
                output_bytes: 7,
                duration_us: 1,
            };
            completion.sign(self.secret(&node), &self.network)
        };
        self.assigned(id, name).into_iter().map(sign).collect()
    }

    pub fn progress(&self, id: &RequestId, names: &[&str]) -> Progress {
        let done = |name: &&str| {
            let receipts = self.receipts(id.0, output(&task(name)), 7);
            let completion = self.completions(id, name).remove(0);
            DoneTask { completion, receipts }
        };
        let designation = self.record(id).plan.unwrap().designation;
        Progress { request: *id, designation, done: names.iter().map(done).collect() }
    }

    pub fn record_progress(&self, id: &RequestId, names: &[&str]) -> (PublicKey, Payload) {
        (self.key(0), Payload::RecordProgress(self.progress(id, names)))
    }

    /// A finalization with all open tasks of the request.
    pub fn finalization(&self, id: &RequestId) -> Finalization {
        let record = self.record(id);
        let workflow = self.store.get::<Workflows>(&record.body.workflow).unwrap().workflow;
        let open: Vec<&Task> =
            workflow.tasks.iter().filter(|t| !record.done.contains_key(&t.id)).collect();
        let completions = open.iter().flat_map(|t| self.completions(id, t.id.as_str())).collect();
        let receipts =
            workflow.sinks().iter().flat_map(|s| self.receipts(id.0, output(&s.id), 7)).collect();
        let designation = record.plan.unwrap().designation;
        Finalization { request: *id, designation, completions, receipts }
    }

    pub fn finalize(&self, id: &RequestId) -> (PublicKey, Payload) {
        (self.key(1), Payload::Finalize(self.finalization(id)))
    }

    pub fn failure(&self, id: &RequestId, name: &str, node: PublicKey) -> (PublicKey, Payload) {
        let failure = TaskFailure {
            request: *id,
            designation: self.record(id).plan.unwrap().designation,
            task: task(name),
            node,
            reason: "the application says no".into(),
        };
        (node, Payload::ReportFailure(failure))
    }

    pub fn cancel(&self, id: &RequestId) -> (PublicKey, Payload) {
        (self.operator.public(), Payload::CancelRequest { request: *id })
    }

    pub fn reserved(&self) -> Resources {
        self.store.iter::<Loads>().fold(Resources::ZERO, |sum, (_, l)| sum.plus(l.reserved))
    }

    pub fn faults(&self) -> usize {
        self.events.iter().filter(|e| matches!(e, Event::Fault { .. })).count()
    }
}

/// First-fit on a state: what an honest, simple scheduler does.
pub fn plan(store: &Store, height: u64, id: &RequestId) -> Option<Plan> {
    let record = store.get::<Requests>(id)?;
    let workflow = store.get::<Workflows>(&record.body.workflow)?.workflow;
    let levels = workflow.levels().unwrap();
    let mut free: Vec<(PublicKey, Resources)> = store
        .iter::<Loads>()
        .filter(|(key, load)| load.snapshot.is_some() && !record.barred.contains(key))
        .filter_map(|(key, load)| match store.get::<Members>(&key)? {
            Member::Node { info, quarantined: false, .. } if info.roles.worker => {
                Some((key, load.available(&info.capacity)))
            }
            _ => None,
        })
        .collect();
    let mut assignments = Vec::new();
    for task in workflow.tasks.iter().filter(|t| !record.done.contains_key(&t.id)) {
        let app = store.get::<Apps>(&task.app).filter(|a| a.wanted == AppState::Running)?;
        let needs = app.manifest.requirements;
        let mut nodes = Vec::new();
        for (key, left) in &mut free {
            if nodes.len() < usize::from(task.replicas) && needs.fits(left) {
                *left = left.minus(needs);
                nodes.push(*key);
            }
        }
        if nodes.len() < usize::from(task.replicas) {
            return None;
        }
        assignments.push(Assignment { task: task.id.clone(), level: levels[&task.id], nodes });
    }
    Some(Plan { request: *id, designation: record.designation, made_at: height, assignments })
}
