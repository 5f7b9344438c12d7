//! What plans hold on each node, by the final blocks alone (S6): never more than the node
//! attests, and all of it given back.

use super::{
    Violation,
    chain::{ChainView, Final},
};
use std::collections::BTreeMap;
use trustmesh_state::State;
use trustmesh_types::{
    AppId, Payload, PublicKey, RequestId, TaskId, WorkflowId, events::Event, genesis::Genesis,
    plan::Plan, resources::Resources,
};

/// What an Active plan still holds: task by task, on which node, how much.
type Held = Vec<(TaskId, PublicKey, Resources)>;

#[derive(Default)]
struct Books {
    requirements: BTreeMap<AppId, Resources>,
    workflows: BTreeMap<WorkflowId, BTreeMap<TaskId, AppId>>,
    asked: BTreeMap<RequestId, WorkflowId>,
    held: BTreeMap<RequestId, Held>,
}

/// Checks a chain; `newest` is the contracts' own account after its last block.
pub(super) fn check(
    genesis: &Genesis,
    chain: &ChainView,
    newest: Option<&State>,
) -> Vec<Violation> {
    let capacity: BTreeMap<PublicKey, Resources> =
        genesis.nodes.iter().map(|node| (node.key, node.capacity)).collect();
    let (mut books, mut violations) = (Books::default(), Vec::new());
    for block in chain.blocks() {
        for (height, node, sum) in books.block(block) {
            if !capacity.get(&node).is_some_and(|capacity| sum.fits(capacity)) {
                let what = format!("{sum} are reserved on {} at block {height}", node.short());
                violations.push(Violation::new("S6", what));
            }
        }
    }
    for view in newest.map(State::nodes).unwrap_or_default() {
        let (node, own) = (view.info.key, books.reserved(&view.info.key));
        if view.load.reserved != own {
            let what = format!(
                "the ledger holds {} reserved on {}, by its blocks it is {own}",
                view.load.reserved,
                node.short()
            );
            violations.push(Violation::new("S6", what));
        }
    }
    violations
}

impl Books {
    fn reserved(&self, node: &PublicKey) -> Resources {
        let all = self.held.values().flatten().filter(|(_, holder, _)| holder == node);
        all.fold(Resources::ZERO, |sum, (_, _, amount)| sum.plus(*amount))
    }

    /// Books a block; the height, node and its sum after each plan that reserved on it.
    fn block(&mut self, block: &Final) -> Vec<(u64, PublicKey, Resources)> {
        let mut plans: Vec<&Plan> = Vec::new();
        for tx in block.applied() {
            match &tx.transaction.payload {
                Payload::DeployApp(app) => {
                    self.requirements.insert(app.manifest.id.clone(), app.manifest.requirements);
                }
                Payload::CreateWorkflow(workflow) => {
                    let tasks = workflow.tasks.iter().map(|t| (t.id.clone(), t.app.clone()));
                    self.workflows.insert(workflow.id.clone(), tasks.collect());
                }
                Payload::SubmitRequest(request) => {
                    self.asked.insert(request.body.id(), request.body.workflow.clone());
                }
                Payload::ConfirmSchedule(plan) => plans.push(plan),
                _ => {}
            }
        }
        let mut sums = Vec::new();
        for event in &block.events {
            match event {
                Event::PlanConfirmed { request, .. } => {
                    let plan = plans.iter().find(|plan| plan.request == *request);
                    let held = plan.map(|plan| self.holds(plan)).unwrap_or_default();
                    let nodes: Vec<PublicKey> = held.iter().map(|(_, node, _)| *node).collect();
                    self.held.insert(*request, held);
                    let height = block.block.header.height;
                    sums.extend(nodes.iter().map(|node| (height, *node, self.reserved(node))));
                }
                Event::TaskDone { request, task } => {
                    if let Some(held) = self.held.get_mut(request) {
                        held.retain(|(done, ..)| done != task);
                    }
                }
                Event::PlanAbandoned { request, .. }
                | Event::RequestFinalized { request }
                | Event::RequestFailed { request, .. }
                | Event::RequestCancelled { request } => {
                    self.held.remove(request);
                }
                _ => {}
            }
        }
        sums
    }

    fn holds(&self, plan: &Plan) -> Held {
        let tasks = self.asked.get(&plan.request).and_then(|id| self.workflows.get(id));
        let needs = |task: &TaskId| {
            let app = tasks.and_then(|tasks| tasks.get(task))?;
            self.requirements.get(app).copied()
        };
        let mut held = Held::new();
        for assignment in &plan.assignments {
            let needs = needs(&assignment.task).unwrap_or(Resources::ZERO);
            let nodes = assignment.nodes.iter();
            held.extend(nodes.map(|node| (assignment.task.clone(), *node, needs)));
        }
        held
    }
}
