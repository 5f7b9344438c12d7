//! Memory about one request on the ledger: what the ledger says of it, and what this node
//! did, holds and heard under its plan.
//!
//! Invariant: completions and runs belong to the plan that the record shows; when another
//! plan takes its place they are dropped, save what the ledger records as done.

use crate::{
    Bytes,
    agenda::{BlobKey, Retry},
    limits,
};
use std::collections::BTreeMap;
use trustmesh_types::{
    Digest, PublicKey, RequestId, TaskId,
    evidence::{Completion, SignedCompletion, TaskInput},
    records::{ActivePlan, RequestRecord, Status},
    request::StorageReceipt,
    workflow::{Task, Workflow},
};

/// What the ledger says.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) record: RequestRecord,
    pub(crate) workflow: Workflow,
}

impl View {
    /// The plan, active or abandoned.
    pub(crate) const fn plan(&self) -> Option<&ActivePlan> {
        self.record.plan.as_ref()
    }

    /// The plan, when it is active.
    pub(crate) fn active(&self) -> Option<&ActivePlan> {
        self.plan().filter(|_| self.record.status == Status::Active)
    }

    /// The nodes that the plan has for a task; none when it was done before the plan.
    pub(crate) fn assigned(&self, task: &TaskId) -> &[PublicKey] {
        let assignment = self.plan().and_then(|p| p.assignments.iter().find(|a| a.task == *task));
        assignment.map_or(&[], |a| &a.nodes)
    }

    /// The tasks that the ledger does not record as done, in topological order.
    pub(crate) fn open_tasks(&self) -> Vec<&Task> {
        let mut tasks = self.workflow.topological();
        tasks.retain(|t| !self.record.done.contains_key(&t.id));
        tasks
    }

    /// A task's predecessors in the workflow's order.
    pub(crate) fn before<'a>(&'a self, task: &'a Task) -> impl Iterator<Item = &'a Task> {
        self.workflow.tasks.iter().filter(|t| task.after.contains(&t.id))
    }

    /// Who finalizes, and who takes over in turn: the plan's distinct nodes from the last
    /// sink backwards. A plan without assignments (all tasks were done before it) leaves it
    /// to its planner, the nodes that did the tasks, then the input's holders.
    pub(crate) fn finalizers(&self) -> Vec<PublicKey> {
        let Some(plan) = self.plan() else { return Vec::new() };
        let order = self.workflow.topological();
        let sinks = self.workflow.sinks();
        let mut nodes: Vec<PublicKey> = Vec::new();
        for task in sinks.iter().rev().chain(order.iter().rev()) {
            nodes.extend(self.assigned(&task.id));
        }
        if nodes.is_empty() {
            nodes.push(plan.planner);
            nodes.extend(
                order
                    .iter()
                    .rev()
                    .filter_map(|t| self.record.done.get(&t.id))
                    .map(|d| d.completion.completion.node),
            );
            nodes.extend(&self.record.input_holders);
        }
        let mut seen = std::collections::BTreeSet::new();
        nodes.retain(|n| seen.insert(*n));
        nodes
    }

    /// Validators that signed for the outputs of the sinks: they deliver.
    pub(crate) fn result_holders(&self) -> Vec<PublicKey> {
        let done = self.workflow.sinks().into_iter().filter_map(|s| self.record.done.get(&s.id));
        let receipts = done.flat_map(|d| &d.receipts).chain(&self.record.result_receipts);
        receipts.map(|r| r.validator).collect()
    }
}

/// A run of a task on this node.
#[derive(Debug, Clone)]
pub(crate) enum Run {
    /// Its inputs are being put together.
    Collecting(BTreeMap<Digest, Bytes>),
    /// The application runs.
    Running(Vec<TaskInput>),
    /// The signed completion and its output are becoming durable.
    Keeping(SignedCompletion),
    /// They are durable.
    Kept(SignedCompletion),
    /// It failed.
    Failed {
        /// What happened, for people.
        reason: String,
        /// When it is reported again.
        report: Retry,
    },
}

/// This node's own designation for the request.
#[derive(Debug, Clone)]
pub(crate) struct Planning {
    /// Its number.
    pub(crate) designation: u32,
    /// When this node saw it.
    pub(crate) seen_ms: u64,
    /// Answers given; one more after each rejection.
    pub(crate) answer: Retry,
    /// Rejections that the answers so far took into account.
    pub(crate) rejections: u8,
}

/// See the module's documentation.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) id: RequestId,
    pub(crate) view: View,
    pub(crate) planning: Option<Planning>,
    pub(crate) runs: BTreeMap<TaskId, Run>,
    pub(crate) completions: BTreeMap<TaskId, BTreeMap<PublicKey, SignedCompletion>>,
    pub(crate) receipts: BTreeMap<Digest, BTreeMap<PublicKey, StorageReceipt>>,
    /// Asking other nodes for completions.
    pub(crate) ask: Retry,
    /// Since when none of this node's own tasks is left.
    pub(crate) idle_ms: Option<u64>,
    /// Since when this node holds all that finalizing takes.
    pub(crate) complete_ms: Option<u64>,
    pub(crate) finalize: Retry,
    pub(crate) progress: Retry,
    /// Sinks' outputs for delivery.
    pub(crate) outputs: BTreeMap<TaskId, Bytes>,
}

impl Work {
    /// Memory of a request that begins to concern this node.
    pub(crate) fn new(view: View, now_ms: u64) -> Self {
        Self {
            id: view.record.id,
            view,
            planning: None,
            runs: BTreeMap::new(),
            completions: BTreeMap::new(),
            receipts: BTreeMap::new(),
            ask: Retry::not_before(now_ms.saturating_add(limits::ASK_MS.0)),
            idle_ms: None,
            complete_ms: None,
            finalize: Retry::default(),
            progress: Retry::default(),
            outputs: BTreeMap::new(),
        }
    }

    /// The ledger says something new.
    pub(crate) fn update(&mut self, view: View, now_ms: u64) {
        let designation = |v: &View| v.plan().map(|p| p.designation);
        if designation(&view) != designation(&self.view) {
            self.runs.clear();
            self.completions.clear();
            self.ask = Retry::not_before(now_ms.saturating_add(limits::ASK_MS.0));
            self.idle_ms = None;
            self.complete_ms = None;
            self.finalize = Retry::default();
            self.progress = Retry::default();
        }
        self.view = view;
    }

    /// Number of the designation whose plan the record shows.
    pub(crate) fn designation(&self) -> Option<u32> {
        self.view.plan().map(|p| p.designation)
    }

    /// Where receipts for an output are gathered.
    pub(crate) const fn key(&self, output: Digest) -> BlobKey {
        BlobKey { subject: self.id.0, digest: output }
    }

    /// The completions of a task that agree and count: the ledger's for a done one; else
    /// more than half of its replicas (PROTOCOL §4, Execution). Empty until then.
    pub(crate) fn agreeing(&self, task: &TaskId) -> Vec<&SignedCompletion> {
        if let Some(done) = self.view.record.done.get(task) {
            return vec![&done.completion];
        }
        let replicas = self.view.workflow.task(task).map_or(1, |t| usize::from(t.replicas));
        let mut groups: BTreeMap<(Digest, u64, &[TaskInput]), Vec<_>> = BTreeMap::new();
        for signed in self.completions.get(task).into_iter().flat_map(BTreeMap::values) {
            let Completion { output, output_bytes, inputs, .. } = &signed.completion;
            let of = (*output, *output_bytes, inputs.as_slice());
            groups.entry(of).or_default().push(signed);
        }
        let won = groups.into_values().find(|g| g.len().saturating_mul(2) > replicas);
        won.unwrap_or_default()
    }

    /// The completion of a task that others build on.
    pub(crate) fn chosen(&self, task: &TaskId) -> Option<&SignedCompletion> {
        self.agreeing(task).first().copied()
    }

    /// Of each open task the completions that count, when they ran on what the tasks before it
    /// gave: all the way from the ledger's record or the request's input. The ledger takes no
    /// others, and one evil node's must not hold up what the rest have done.
    pub(crate) fn sound(&self) -> BTreeMap<TaskId, Vec<&SignedCompletion>> {
        let done = self.view.record.done.iter();
        let mut outputs: BTreeMap<&TaskId, Digest> =
            done.map(|(task, done)| (task, done.completion.completion.output)).collect();
        let mut sound = BTreeMap::new();
        for task in self.view.open_tasks() {
            let agreeing = self.agreeing(&task.id);
            let Some(first) = agreeing.first() else { continue };
            let inputs = &first.completion.inputs;
            let fits = |input: &TaskInput| match &input.from {
                None => input.digest == self.view.record.body.input,
                Some(from) => outputs.get(from) == Some(&input.digest),
            };
            // Which tasks they are from was checked when it came.
            if inputs.iter().all(fits) {
                outputs.insert(&task.id, first.completion.output);
                sound.insert(task.id.clone(), agreeing);
            }
        }
        sound
    }

    /// What a task takes, sorted, once all its predecessors are complete.
    pub(crate) fn inputs(&self, task: &Task) -> Option<Vec<TaskInput>> {
        if task.after.is_empty() {
            return Some(vec![TaskInput { from: None, digest: self.view.record.body.input }]);
        }
        let mut inputs = Vec::with_capacity(task.after.len());
        for before in &task.after {
            let digest = self.chosen(before)?.completion.output;
            inputs.push(TaskInput { from: Some(before.clone()), digest });
        }
        inputs.sort_unstable();
        Some(inputs)
    }

    /// Nodes that should have a task's output.
    pub(crate) fn output_sources(&self, task: &TaskId) -> Vec<PublicKey> {
        let mut sources: Vec<PublicKey> =
            self.agreeing(task).iter().map(|c| c.completion.node).collect();
        let Some(output) = self.chosen(task).map(|c| c.completion.output) else { return sources };
        if let Some(done) = self.view.record.done.get(task) {
            sources.splice(0..0, done.receipts.iter().map(|r| r.validator));
        }
        let named = self.view.record.result_receipts.iter().filter(|r| r.digest == output);
        sources.extend(named.map(|r| r.validator));
        sources.extend(self.receipts.get(&output).into_iter().flat_map(BTreeMap::keys));
        sources.extend(self.view.assigned(task));
        sources
    }

    /// This node's durable completions under the plan.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &SignedCompletion> {
        self.runs.values().filter_map(|r| match r {
            Run::Kept(signed) => Some(signed),
            _ => None,
        })
    }
}
