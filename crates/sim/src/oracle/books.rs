//! What Active plans are made of, and hold on each node, by the final blocks alone: each open
//! task once and at its level (C3, C4); never more than a node attests, and all of it given
//! back (S6).

use super::{Violation, chain::Reader};
use std::collections::{BTreeMap, BTreeSet};
use trustmesh_state::State;
use trustmesh_types::{
    AppId, Payload, PublicKey, RequestId, TaskId, WorkflowId, events::Event, plan::Plan,
    resources::Resources, workflow::Workflow,
};

/// What a task still holds on a node.
#[derive(Debug)]
struct Share {
    task: TaskId,
    app: Option<AppId>,
    node: PublicKey,
    amount: Resources,
}

/// What an Active plan still holds, and the height at which it became Active.
#[derive(Debug)]
struct Held {
    since: u64,
    shares: Vec<Share>,
}

/// An application as its last deployment has it.
#[derive(Debug)]
struct App {
    requirements: Resources,
    changed: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Books {
    apps: BTreeMap<AppId, App>,
    workflows: BTreeMap<WorkflowId, Workflow>,
    done: BTreeMap<RequestId, BTreeSet<TaskId>>,
    held: BTreeMap<RequestId, Held>,
    reserved: BTreeMap<PublicKey, Resources>,
}

/// The longest path to a task from a source. Workflows are small and have no cycles.
fn level(workflow: &Workflow, task: &TaskId) -> u32 {
    let after = workflow.tasks.iter().find(|it| it.id == *task).map(|it| it.after.as_slice());
    let before = after.unwrap_or_default().iter().map(|before| level(workflow, before) + 1);
    before.max().unwrap_or(0)
}

impl Books {
    /// How long a plan's tasks may take: level by level, the longest of each.
    pub(super) fn takes_ms(&self, plan: &Plan, workflow: &WorkflowId) -> u64 {
        let mut longest: BTreeMap<u32, u64> = BTreeMap::new();
        let workflow = self.workflows.get(workflow);
        for assignment in &plan.assignments {
            let task = workflow.and_then(|w| w.tasks.iter().find(|t| t.id == assignment.task));
            let of_level = longest.entry(assignment.level).or_default();
            *of_level = (*of_level).max(task.map_or(0, |task| task.timeout_ms));
        }
        longest.into_values().fold(0, u64::saturating_add)
    }

    /// What is reserved on a node.
    pub(super) fn reserved(&self, node: &PublicKey) -> Resources {
        self.reserved.get(node).copied().unwrap_or(Resources::ZERO)
    }

    /// An application or a workflow changes.
    pub(super) fn change(&mut self, event: &Event, height: u64, reader: &mut Reader<'_>) {
        match event {
            Event::AppDeployed { app } => {
                let is_it = |payload: &Payload| matches!(payload, Payload::DeployApp(d) if d.manifest.id == *app);
                let tx = reader.next(|_, payload| is_it(payload));
                if let Some(Payload::DeployApp(d)) = tx.map(|tx| &tx.transaction.payload) {
                    let requirements = d.manifest.requirements;
                    self.apps.insert(app.clone(), App { requirements, changed: height });
                }
            }
            Event::AppStateChanged { app, .. } => {
                if let Some(app) = self.apps.get_mut(app) {
                    app.changed = height;
                }
            }
            Event::WorkflowCreated { workflow } => {
                let is_it = |payload: &Payload| matches!(payload, Payload::CreateWorkflow(w) if w.id == *workflow);
                let tx = reader.next(|_, payload| is_it(payload));
                if let Some(Payload::CreateWorkflow(workflow)) =
                    tx.map(|tx| &tx.transaction.payload)
                {
                    self.workflows.insert(workflow.id.clone(), workflow.clone());
                }
            }
            _ => {}
        }
    }

    /// Whether a plan has exactly the open tasks, each once and on as many distinct nodes as its
    /// replicas (C3), and each at its level (C4).
    pub(super) fn check(&self, plan: &Plan, workflow: &WorkflowId) -> Result<(), Violation> {
        let Some(workflow) = self.workflows.get(workflow) else { return Ok(()) };
        let none = BTreeSet::new();
        let done = self.done.get(&plan.request).unwrap_or(&none);
        let open = workflow.tasks.iter().filter(|task| !done.contains(&task.id)).count();
        let planned: BTreeSet<&TaskId> = plan.assignments.iter().map(|a| &a.task).collect();
        let broken = |rule, what: &str| {
            let what = format!("the plan of request {} {what}", plan.request.short());
            Err(Violation::new(rule, what))
        };
        if planned.len() != plan.assignments.len() || planned.len() != open {
            return broken("C3", "has not each open task once");
        }
        for assignment in &plan.assignments {
            let task = workflow.tasks.iter().find(|task| task.id == assignment.task);
            let Some(task) = task.filter(|task| !done.contains(&task.id)) else {
                return broken("C3", "has a task that is not open");
            };
            let nodes: BTreeSet<&PublicKey> = assignment.nodes.iter().collect();
            let replicas = usize::from(task.replicas);
            if nodes.len() != replicas || assignment.nodes.len() != replicas {
                return broken("C3", "has a task on another number of nodes than its replicas");
            }
            if assignment.level != level(workflow, &task.id) {
                return broken("C4", "has a task at a wrong level");
            }
        }
        Ok(())
    }

    /// A plan for a request of `workflow` becomes Active: the nodes that it reserves on, with
    /// what is reserved there then.
    pub(super) fn confirmed(
        &mut self,
        plan: &Plan,
        workflow: &WorkflowId,
        height: u64,
    ) -> Vec<(PublicKey, Resources)> {
        let workflow = self.workflows.get(workflow);
        let mut shares = Vec::new();
        for assignment in &plan.assignments {
            let task = workflow.and_then(|w| w.tasks.iter().find(|t| t.id == assignment.task));
            let app = task.map(|task| task.app.clone());
            let needs = app.as_ref().and_then(|app| self.apps.get(app));
            let amount = needs.map_or(Resources::ZERO, |app| app.requirements);
            shares.extend(assignment.nodes.iter().map(|node| Share {
                task: assignment.task.clone(),
                app: app.clone(),
                node: *node,
                amount,
            }));
        }
        let mut sums = BTreeMap::new();
        for share in &shares {
            let sum = self.reserved.entry(share.node).or_insert(Resources::ZERO);
            *sum = sum.plus(share.amount);
            sums.insert(share.node, *sum);
        }
        self.held.insert(plan.request, Held { since: height, shares });
        sums.into_iter().collect()
    }

    /// A task is done: its share is given back, unless its application changed since (then
    /// what it needs now is not what was reserved, and it stays until the plan ends).
    pub(super) fn done(&mut self, request: &RequestId, task: &TaskId) {
        self.done.entry(*request).or_default().insert(task.clone());
        let Some(held) = self.held.get_mut(request) else { return };
        let since = held.since;
        let apps = &self.apps;
        let unchanged = |share: &Share| {
            let app = share.app.as_ref().and_then(|app| apps.get(app));
            app.is_some_and(|app| app.changed < since)
        };
        let back: Vec<Share> =
            held.shares.extract_if(.., |share| share.task == *task && unchanged(share)).collect();
        self.give_back(&back);
    }

    /// A plan is over: everything is given back.
    pub(super) fn over(&mut self, request: &RequestId) {
        if let Some(held) = self.held.remove(request) {
            self.give_back(&held.shares);
        }
    }

    fn give_back(&mut self, shares: &[Share]) {
        for share in shares {
            if let Some(sum) = self.reserved.get_mut(&share.node) {
                *sum = sum.minus(share.amount);
            }
        }
    }

    /// Compares with the contracts' own account.
    pub(super) fn compare(&self, newest: &State) -> Option<Violation> {
        newest.nodes().iter().find_map(|view| {
            let (node, own) = (view.info.key, self.reserved(&view.info.key));
            let what = || {
                let (theirs, node) = (view.load.reserved, node.short());
                format!("the ledger holds {theirs} reserved on {node}, by its blocks it is {own}")
            };
            (view.load.reserved != own).then(|| Violation::new("S6", what()))
        })
    }
}
