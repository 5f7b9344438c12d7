//! What the Byzantine node may do: instead of an agent, every act of a list. It signs with
//! its own key alone, gets its transactions into a block whenever it likes, and to say
//! nothing is always possible.

use crate::{mesh::Mesh, setup::task_id};
use std::{collections::BTreeMap, sync::Arc};
use trustmesh_types::{
    Digest, Payload, PublicKey, RequestId, TaskId,
    evidence::{
        Completion, DoneTask, Finalization, Progress, SignedCompletion, TaskFailure, TaskInput,
    },
    message::Message,
    plan::{Assignment, Decline, Plan},
    records::{RequestRecord, Status},
    request::{StorageReceipt, Submission},
    workflow::Workflow,
};

/// How a plan of the evil node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Planned {
    /// Within the rules, everything at itself or where room is.
    Well,
    /// Without its last task.
    Incomplete,
    /// A task twice.
    Doubled,
    /// A level too high.
    Level,
    /// At a member that is no worker.
    Gateway,
    /// Everything at the node with the least room.
    Crowded,
}

/// How a completion of the evil node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Worked {
    /// As an honest one's.
    Well,
    /// Over other inputs than its predecessors gave.
    OtherInput,
    /// Without the bytes; who asks for them gets others.
    Withheld,
}

/// One act.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Act {
    /// A plan, for a designation that may be its own, another's, or past.
    Plan {
        /// The request, by its place.
        request: usize,
        /// The designation's number.
        designation: u32,
        /// How it is.
        how: Planned,
    },
    /// It brings a request that a device gave it, too, with its own receipt alone, twice.
    Submit {
        /// The request, by its place.
        request: usize,
    },
    /// Nothing fits, it says.
    Decline {
        /// The request, by its place.
        request: usize,
    },
    /// It completes a task of its own, and tells the others.
    Complete {
        /// The request, by its place.
        request: usize,
        /// The task.
        task: TaskId,
        /// How.
        how: Worked,
    },
    /// It tells the others of a completion in another node's name.
    Forge {
        /// The request, by its place.
        request: usize,
        /// The task.
        task: TaskId,
    },
    /// It reports that a task of its own failed.
    Fail {
        /// The request, by its place.
        request: usize,
        /// The task.
        task: TaskId,
    },
    /// It brings completions of all open tasks in their nodes' names to the ledger, with
    /// honest validators' receipts for what it made up.
    Finalize {
        /// The request, by its place.
        request: usize,
    },
    /// The same for the first open task, as progress, with its own receipt.
    Progress {
        /// The request, by its place.
        request: usize,
    },
}

/// What the evil node remembers.
#[derive(Debug, Clone)]
pub(crate) struct Evil {
    /// Receipts that honest validators gave it.
    pub(crate) receipts: Vec<StorageReceipt>,
    /// Lengths of outputs whose bytes it keeps back.
    pub(crate) withheld: BTreeMap<Digest, u64>,
    /// Whether it did nothing but complete tasks well.
    pub(crate) fair: bool,
    worked: Vec<(RequestId, u32, TaskId, u64)>,
}

impl Default for Evil {
    fn default() -> Self {
        let (receipts, withheld, worked) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { receipts, withheld, fair: true, worked }
    }
}

impl Evil {
    /// Whether it completed a task by then.
    pub(crate) fn told(&self, id: &RequestId, number: u32, task: &TaskId, until_ms: u64) -> bool {
        self.worked.iter().any(|(of, under, which, at_ms)| {
            (of, *under, which) == (id, number, task) && *at_ms <= until_ms
        })
    }
}

/// What a run of a task gives.
pub(crate) fn output(task: &TaskId) -> Vec<u8> {
    format!("[\"{task}\"]").into_bytes()
}

fn made_up() -> Vec<u8> {
    b"[\"made up\"]".to_vec()
}

impl Mesh {
    /// Every act that is open to the evil node now.
    pub(crate) fn acts(&self) -> Vec<Act> {
        let Some(me) = self.world.start.evil.and_then(|at| self.world.ids.get(at)) else {
            return Vec::new();
        };
        let mut acts = Vec::new();
        for (request, (_, record)) in self.records().enumerate() {
            let Some(record) = record else {
                acts.push(Act::Submit { request });
                continue;
            };
            if record.status.ended() {
                continue;
            }
            self.planning_acts(me, request, &record, &mut acts);
            self.working_acts(me, request, &record, &mut acts);
        }
        acts
    }

    fn planning_acts(
        &self,
        me: &PublicKey,
        request: usize,
        record: &RequestRecord,
        acts: &mut Vec<Act>,
    ) {
        let current = record.designation;
        let plan = |designation, how| Act::Plan { request, designation, how };
        match record.designated.as_ref().map(|d| d.node == *me) {
            Some(true) => {
                use Planned::{Crowded, Doubled, Gateway, Incomplete, Level, Well};
                for how in [Well, Incomplete, Doubled, Level, Gateway, Crowded] {
                    acts.push(plan(current, how));
                }
                acts.push(Act::Decline { request });
            }
            _ if current > 0 => acts.push(plan(current, Planned::Well)),
            _ => {}
        }
        // Its last own designation that is over: a late plan.
        let named = |number: &u32| self.watch.designated.get(&(record.id, *number)) == Some(me);
        if let Some(past) = (1..current).rev().find(named) {
            acts.push(plan(past, Planned::Well));
        }
    }

    fn working_acts(
        &self,
        me: &PublicKey,
        request: usize,
        record: &RequestRecord,
        acts: &mut Vec<Act>,
    ) {
        let Some(plan) = record.plan.as_ref().filter(|_| record.status == Status::Active) else {
            return;
        };
        for one in plan.assignments.iter().filter(|a| !record.done.contains_key(&a.task)) {
            let task = one.task.clone();
            if !one.nodes.contains(me) {
                acts.push(Act::Forge { request, task });
                continue;
            }
            if !self.evil.told(&record.id, plan.designation, &task, u64::MAX) {
                let inner = task != task_id("a");
                for how in [Worked::Well, Worked::OtherInput, Worked::Withheld] {
                    if how != Worked::OtherInput || inner {
                        acts.push(Act::Complete { request, task: task.clone(), how });
                    }
                }
            }
            acts.push(Act::Fail { request, task });
        }
        acts.push(Act::Finalize { request });
        acts.push(Act::Progress { request });
    }

    /// The evil node acts.
    pub(crate) fn act(&mut self, act: &Act) {
        self.evil.fair &= matches!(act, Act::Complete { how: Worked::Well, .. });
        let request = match act {
            Act::Submit { request } => return self.bring_in(*request),
            Act::Plan { request, .. }
            | Act::Decline { request }
            | Act::Complete { request, .. }
            | Act::Forge { request, .. }
            | Act::Fail { request, .. }
            | Act::Finalize { request }
            | Act::Progress { request } => *request,
        };
        let record = self.records().nth(request).and_then(|(_, record)| record);
        let Some(record) = record else { return };
        let found = self.ledger.workflow(&record.body.workflow);
        let Some(workflow) = found.map(|w| w.workflow) else { return };
        match act {
            Act::Submit { .. } => {}
            Act::Plan { designation, how, .. } => {
                let assignments = self.assign(&record, &workflow, *how);
                let (request, made_at) = (record.id, self.ledger.height());
                let designation = *designation;
                let plan = Plan { request, designation, made_at, assignments };
                self.say(Payload::ConfirmSchedule(plan));
            }
            Act::Decline { .. } => self.say(Payload::DeclineSchedule(Decline {
                request: record.id,
                designation: record.designation,
                made_at: self.ledger.height(),
                task: task_id("a"),
                unfit: Vec::new(),
            })),
            Act::Complete { task, how, .. } => self.complete(&record, &workflow, task, *how),
            Act::Forge { task, .. } => {
                let Some(signed) = self.forged(&record, &workflow, task) else { return };
                self.spread(Message::Completed { completion: signed, data: Some(made_up()) });
            }
            Act::Fail { task, .. } => {
                let (Some(node), Some(plan)) = (self.me(), &record.plan) else { return };
                self.say(Payload::ReportFailure(TaskFailure {
                    request: record.id,
                    designation: plan.designation,
                    task: task.clone(),
                    node,
                    reason: "it says".into(),
                }));
            }
            Act::Finalize { .. } => self.finalize(&record, &workflow),
            Act::Progress { .. } => self.progress(&record, &workflow),
        }
    }

    fn bring_in(&mut self, request: usize) {
        let world = Arc::clone(&self.world);
        let key = world.start.evil.and_then(|at| world.keys.get(at));
        let (Some(key), Some((body, signature))) = (key, world.requests.get(request)) else {
            return;
        };
        let subject = body.id().0;
        let receipt =
            StorageReceipt::sign(key, &world.network, subject, body.input, body.input_bytes);
        let receipts = vec![receipt.clone(), receipt];
        let (body, signature) = (body.clone(), *signature);
        self.say(Payload::SubmitRequest(Submission { body, signature, receipts }));
    }

    fn me(&self) -> Option<PublicKey> {
        self.world.start.evil.and_then(|at| self.world.ids.get(at)).copied()
    }

    /// A transaction of its own, in a block of its own.
    fn say(&mut self, payload: Payload) {
        let Some(at) = self.world.start.evil else { return };
        let before: Vec<_> = self.pool.keys().copied().collect();
        self.bring(at, payload);
        let new: Vec<_> = self.pool.keys().filter(|id| !before.contains(id)).copied().collect();
        self.include(&new);
    }

    /// A message to every honest node.
    fn spread(&mut self, message: Message) {
        let Some(me) = self.me() else { return };
        for to in 0..self.nodes.len() {
            self.tell(to, me, message.clone());
        }
        self.settle();
    }

    fn assign(&self, record: &RequestRecord, workflow: &Workflow, how: Planned) -> Vec<Assignment> {
        let mut room: Vec<(u64, PublicKey)> = self
            .ledger
            .nodes()
            .iter()
            .filter(|n| n.info.roles.worker && !record.barred.contains(&n.info.key))
            .map(|n| (n.available().cpu_millis, n.info.key))
            .collect();
        // Most room first, itself before its equals.
        let me = self.me();
        room.sort_by_key(|(cpu, key)| (std::cmp::Reverse(*cpu), Some(*key) != me));
        let levels = workflow.levels().unwrap_or_default();
        let open = workflow.tasks.iter().filter(|t| !record.done.contains_key(&t.id));
        let mut assignments: Vec<Assignment> = open
            .enumerate()
            .filter_map(|(at, task)| {
                let (_, node) = match how {
                    Planned::Crowded => room.last()?,
                    _ => room.get(at.checked_rem(room.len())?)?,
                };
                let node = if how == Planned::Gateway { self.world.gateway } else { *node };
                let level = levels.get(&task.id).copied().unwrap_or(0);
                let level = level.saturating_add(u32::from(how == Planned::Level));
                Some(Assignment { task: task.id.clone(), level, nodes: vec![node] })
            })
            .collect();
        match how {
            Planned::Incomplete => drop(assignments.pop()),
            Planned::Doubled => assignments.extend(assignments.first().cloned()),
            _ => {}
        }
        assignments
    }

    fn complete(
        &mut self,
        record: &RequestRecord,
        workflow: &Workflow,
        task: &TaskId,
        how: Worked,
    ) {
        let (Some(plan), Some(me)) = (&record.plan, self.me()) else { return };
        let Some(key) = self.world.start.evil.and_then(|at| self.world.keys.get(at)) else {
            return;
        };
        let Some(found) = workflow.task(task) else { return };
        let data = output(task);
        let input = |from: &TaskId| match how {
            Worked::OtherInput => Digest::of(&made_up()),
            _ => Digest::of(&output(from)),
        };
        let mut inputs: Vec<TaskInput> = found
            .after
            .iter()
            .map(|from| TaskInput { from: Some(from.clone()), digest: input(from) })
            .collect();
        if inputs.is_empty() {
            inputs.push(TaskInput { from: None, digest: record.body.input });
        }
        let (digest, bytes) = (Digest::of(&data), data.len() as u64);
        let completion = Completion {
            request: record.id,
            designation: plan.designation,
            task: task.clone(),
            node: me,
            inputs,
            output: digest,
            output_bytes: bytes,
            duration_us: 1,
        };
        let signed = completion.sign(key, &self.world.network);
        self.evil.worked.push((record.id, plan.designation, task.clone(), self.now_ms));
        if how == Worked::Withheld {
            self.evil.withheld.insert(digest, bytes);
            return self.spread(Message::Completed { completion: signed, data: None });
        }
        self.spread(Message::Completed { completion: signed, data: Some(data) });
    }

    /// A completion of `task` in the name of the node that has it, signed by another.
    fn forged(
        &self,
        record: &RequestRecord,
        workflow: &Workflow,
        task: &TaskId,
    ) -> Option<SignedCompletion> {
        let plan = record.plan.as_ref()?;
        let node = *plan.assignments.iter().find(|a| a.task == *task)?.nodes.first()?;
        let mut inputs: Vec<TaskInput> = workflow
            .task(task)?
            .after
            .iter()
            .map(|from| {
                let done = record.done.get(from).map(|d| d.completion.completion.output);
                let digest = done.unwrap_or_else(|| Digest::of(&made_up()));
                TaskInput { from: Some(from.clone()), digest }
            })
            .collect();
        if inputs.is_empty() {
            inputs.push(TaskInput { from: None, digest: record.body.input });
        }
        let data = made_up();
        let completion = Completion {
            request: record.id,
            designation: plan.designation,
            task: task.clone(),
            node,
            inputs,
            output: Digest::of(&data),
            output_bytes: data.len() as u64,
            duration_us: 1,
        };
        let key = self.world.start.evil.and_then(|at| self.world.keys.get(at))?;
        Some(completion.sign(key, &self.world.network))
    }

    /// Honest validators sign for any bytes that come with a completion of the sender's own,
    /// so it has them sign for what it made up, under a designation that is yet to come.
    fn gather(&mut self, record: &RequestRecord) -> Vec<StorageReceipt> {
        let (Some(at), Some(me)) = (self.world.start.evil, self.me()) else { return Vec::new() };
        let Some(key) = self.world.keys.get(at) else { return Vec::new() };
        let data = made_up();
        let completion = Completion {
            request: record.id,
            designation: u32::MAX,
            task: task_id("a"),
            node: me,
            inputs: Vec::new(),
            output: Digest::of(&data),
            output_bytes: data.len() as u64,
            duration_us: 1,
        };
        let completion = completion.sign(key, &self.world.network);
        self.evil.receipts.clear();
        self.spread(Message::StoreOutput { completion, data: Some(data) });
        std::mem::take(&mut self.evil.receipts)
    }

    fn finalize(&mut self, record: &RequestRecord, workflow: &Workflow) {
        let Some(designation) = record.plan.as_ref().map(|p| p.designation) else { return };
        let receipts = self.gather(record);
        let open = workflow.tasks.iter().filter(|t| !record.done.contains_key(&t.id));
        let completions = open.filter_map(|t| self.forged(record, workflow, &t.id)).collect();
        let request = record.id;
        let finalization = Finalization { request, designation, completions, receipts };
        self.say(Payload::Finalize(finalization));
    }

    fn progress(&mut self, record: &RequestRecord, workflow: &Workflow) {
        let (Some(plan), Some(at)) = (&record.plan, self.world.start.evil) else { return };
        let mut open = workflow.tasks.iter().filter(|t| !record.done.contains_key(&t.id));
        let Some(task) = open.next().map(|t| t.id.clone()) else { return };
        let Some(completion) = self.forged(record, workflow, &task) else { return };
        let Some(key) = self.world.keys.get(at) else { return };
        let (digest, bytes) = (completion.completion.output, completion.completion.output_bytes);
        let receipt = StorageReceipt::sign(key, &self.world.network, record.id.0, digest, bytes);
        let receipts = vec![receipt];
        let progress = Progress {
            request: record.id,
            designation: plan.designation,
            done: vec![DoneTask { completion, receipts }],
        };
        self.say(Payload::RecordProgress(progress));
    }
}
