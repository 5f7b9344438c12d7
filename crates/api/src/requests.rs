//! Requests: how a device submits one, and how the API shows where it stands.

use crate::ledger::EventView;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use trustmesh_types::{
    AppId, Digest, PublicKey, RequestId, Signature, TaskId, WorkflowId,
    events::Event,
    evidence::SignedCompletion,
    faults::{FaultEvidence, FaultRecord},
    records::{ActivePlan, Designation, RequestRecord, Status},
    request::RequestBody,
    workflow::Workflow,
};

/// A device's request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmitRequest {
    /// What the device signed.
    pub body: RequestBody,
    /// By the device, over the body.
    pub signature: Signature,
    /// The input; the body holds its digest.
    pub data: Value,
}

/// Answer 202: f+1 validators hold the input, and the request is on the ledger for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The request.
    pub request: RequestId,
    /// Path of its [`RequestView`].
    pub status_url: String,
}

/// A request in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestSummary {
    /// Its id.
    pub id: RequestId,
    /// Where it stands.
    pub status: Status,
    /// Its workflow.
    pub workflow: WorkflowId,
    /// Its device.
    pub device: PublicKey,
    /// Timestamp of the block that accepted it.
    pub accepted_ms: u64,
    /// Timestamp of the block that ended it; 0 while open.
    pub ended_ms: u64,
    /// Why it waits, failed or was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A task of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskView {
    /// The task.
    pub task: TaskId,
    /// Its application.
    pub app: AppId,
    /// Its topological level.
    pub level: u32,
    /// Where the plan puts it.
    pub nodes: Vec<PublicKey>,
    /// Whether its output is the result, or part of it.
    pub sink: bool,
    /// How many nodes shall run it.
    pub replicas: u8,
    /// Nodes that signed the output that counts, once it is on the ledger.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agreeing: Vec<PublicKey>,
    /// Nodes that signed another output, as far as the node that answers knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differing: Vec<PublicKey>,
    /// Who completed it, once that is on the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_by: Option<PublicKey>,
    /// How long the application ran, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    /// Digest of its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Digest>,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestView {
    /// Its id.
    pub id: RequestId,
    /// Where it stands.
    pub status: Status,
    /// What its device signed.
    pub body: RequestBody,
    /// The node that brought it.
    pub entry: PublicKey,
    /// Validators that signed for the input.
    pub input_holders: Vec<PublicKey>,
    /// Height of the block that accepted it.
    pub accepted_height: u64,
    /// Timestamp of that block.
    pub accepted_ms: u64,
    /// Timestamp of the block that ended it; 0 while open.
    pub ended_ms: u64,
    /// Number of the last designation.
    pub designation: u32,
    /// Who shall plan now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub designated: Option<Designation>,
    /// Why nobody is designated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
    /// Since when no plan of it was Active for want of a node that could plan it, block time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued_ms: Option<u64>,
    /// Why it failed or was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Plans that became Active so far.
    pub attempts: u8,
    /// Nodes that failed or were overdue on it.
    pub barred: Vec<PublicKey>,
    /// The confirmed plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<ActivePlan>,
    /// Its tasks, in topological order.
    pub tasks: Vec<TaskView>,
    /// Completions recorded before the last plan, which did not assign their tasks again.
    pub recorded: Vec<SignedCompletion>,
    /// Completions that finalized it.
    pub completions: Vec<SignedCompletion>,
    /// Nodes that signed for the sinks' outputs: they hold the sealed result.
    pub result_holders: Vec<PublicKey>,
    /// What happened, oldest first, as far as the node's history goes.
    #[serde(default)]
    pub history: Vec<EventView>,
}

impl TaskView {
    /// How many of its nodes agree on its output, as in `2 of 3`, once that is on the ledger.
    #[must_use]
    pub fn agreed(&self) -> Option<String> {
        (!self.agreeing.is_empty()).then(|| format!("{} of {}", self.agreeing.len(), self.replicas))
    }
}

impl RequestView {
    /// Shows a record; `history` is the node's.
    #[must_use]
    pub fn new(record: &RequestRecord, workflow: &Workflow, history: Vec<EventView>) -> Self {
        Self {
            id: record.id,
            status: record.status,
            body: record.body.clone(),
            entry: record.entry,
            input_holders: record.input_holders.clone(),
            accepted_height: record.accepted_height,
            accepted_ms: record.accepted_ms,
            ended_ms: record.ended_ms,
            designation: record.designation,
            designated: record.designated.clone(),
            waiting: record.waiting.clone(),
            queued_ms: record.queued_ms,
            reason: record.reason.clone(),
            attempts: record.attempts,
            barred: record.barred.clone(),
            plan: record.plan.clone(),
            tasks: tasks(record, workflow, &history),
            recorded: record.done.values().map(|d| d.completion.clone()).collect(),
            completions: record.completions.clone(),
            result_holders: holders(record, workflow),
            history,
        }
    }

    /// Adds nodes that faults name for outputs of this request that others contradict.
    #[must_use]
    pub fn with_faults(mut self, faults: &[FaultRecord]) -> Self {
        for fault in faults {
            for task in &mut self.tasks {
                if is_of(fault, &self.id, &task.task) && !task.differing.contains(&fault.node) {
                    task.differing.push(fault.node);
                }
            }
        }
        self
    }

    /// The request in a list.
    #[must_use]
    pub fn summary(&self) -> RequestSummary {
        RequestSummary {
            id: self.id,
            status: self.status,
            workflow: self.body.workflow.clone(),
            device: self.body.device,
            accepted_ms: self.accepted_ms,
            ended_ms: self.ended_ms,
            reason: self.reason.clone().or_else(|| self.waiting.clone()),
        }
    }

    /// The node that can say why its tasks are placed as they are: it made the confirmed plan,
    /// or, without one, it was the last whose designation ended without a plan, or it shall
    /// plan now.
    #[must_use]
    pub fn planner(&self) -> Option<PublicKey> {
        let ended = self.history.iter().rev().find_map(|view| match &view.event {
            Event::DesignationEnded { node, .. } => Some(*node),
            _ => None,
        });
        let planned = self.plan.as_ref().map(|plan| plan.planner);
        planned.or(ended).or_else(|| self.designated.as_ref().map(|it| it.node))
    }

    /// Sum of the applications' run times along the slowest path, in microseconds: what the
    /// round trip would be if the framework took no time.
    #[must_use]
    pub fn critical_path_us(&self, workflow: &Workflow) -> u64 {
        let mut ends: BTreeMap<&TaskId, u64> = BTreeMap::new();
        for task in workflow.topological() {
            let ran = self.tasks.iter().find(|t| t.task == task.id).and_then(|t| t.duration_us);
            let start = task.after.iter().filter_map(|a| ends.get(a)).max().copied().unwrap_or(0);
            ends.insert(&task.id, start.saturating_add(ran.unwrap_or(0)));
        }
        ends.into_values().max().unwrap_or(0)
    }
}

/// Whether a fault is shown by what its node signed of a task's output.
fn is_of(fault: &FaultRecord, request: &RequestId, task: &TaskId) -> bool {
    let FaultEvidence::Completions(completions) = &fault.evidence else { return false };
    let mut completions = completions.iter().map(|signed| &signed.completion);
    completions.any(|it| it.node == fault.node && it.request == *request && it.task == *task)
}

fn tasks(record: &RequestRecord, workflow: &Workflow, history: &[EventView]) -> Vec<TaskView> {
    let levels = workflow.levels().unwrap_or_default();
    let sinks: Vec<&TaskId> = workflow.sinks().into_iter().map(|t| &t.id).collect();
    let assignments = record.plan.as_ref().map_or(&[][..], |p| &p.assignments);
    let view = |task: &trustmesh_types::workflow::Task| {
        let completion = record.completion(&task.id).map(|c| &c.completion);
        let assigned = assignments.iter().find(|a| a.task == task.id);
        TaskView {
            task: task.id.clone(),
            app: task.app.clone(),
            level: levels.get(&task.id).copied().unwrap_or(0),
            nodes: assigned.map(|a| a.nodes.clone()).unwrap_or_default(),
            sink: sinks.contains(&&task.id),
            replicas: task.replicas,
            agreeing: record.agreeing(&task.id),
            differing: differing(&task.id, history),
            completed_by: completion.map(|c| c.node),
            duration_us: completion.map(|c| c.duration_us),
            output: completion.map(|c| c.output),
        }
    };
    workflow.topological().into_iter().map(view).collect()
}

/// Nodes that an event says to have signed another output of a task, each once.
fn differing(task: &TaskId, history: &[EventView]) -> Vec<PublicKey> {
    let told = history.iter().filter_map(|view| match &view.event {
        Event::OutputsDiffer { task: of, differing, .. } if of == task => Some(differing),
        _ => None,
    });
    let mut nodes: Vec<PublicKey> = told.flatten().copied().collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

/// Validators that signed for a sink's output, each once.
fn holders(record: &RequestRecord, workflow: &Workflow) -> Vec<PublicKey> {
    let sinks = workflow.sinks();
    let done = sinks.iter().filter_map(|t| record.done.get(&t.id)).flat_map(|d| &d.receipts);
    let mut keys: Vec<PublicKey> =
        record.result_receipts.iter().chain(done).map(|r| r.validator).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}
