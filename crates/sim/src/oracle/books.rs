//! What plans hold on each node, by the final blocks alone (S6): never more than the node
//! attests, and all of it given back.

use super::{Violation, chain::Reader};
use std::collections::BTreeMap;
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
    workflows: BTreeMap<WorkflowId, BTreeMap<TaskId, AppId>>,
    held: BTreeMap<RequestId, Held>,
    reserved: BTreeMap<PublicKey, Resources>,
}

impl Books {
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
                    self.create(workflow);
                }
            }
            _ => {}
        }
    }

    fn create(&mut self, workflow: &Workflow) {
        let tasks = workflow.tasks.iter().map(|t| (t.id.clone(), t.app.clone()));
        self.workflows.insert(workflow.id.clone(), tasks.collect());
    }

    /// A plan for a request of `workflow` becomes Active: the nodes that it reserves on, with
    /// what is reserved there then.
    pub(super) fn confirmed(
        &mut self,
        plan: &Plan,
        workflow: &WorkflowId,
        height: u64,
    ) -> Vec<(PublicKey, Resources)> {
        let tasks = self.workflows.get(workflow);
        let mut shares = Vec::new();
        for assignment in &plan.assignments {
            let app = tasks.and_then(|tasks| tasks.get(&assignment.task)).cloned();
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
