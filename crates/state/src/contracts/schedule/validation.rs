//! C7: every network-defined rule holds (PROTOCOL §4, phase 3; eq. 5).
//!
//! A rule over labels, capacity, workflow and plan is a fault to break, unless a record that
//! it may have read changed after the plan's height: the policy, a node that it was told of,
//! or an application whose requirements it was told of. A rule that reads load is refused
//! without fault, since load changes by itself; so is a rule that can't be decided (overflow,
//! steps): that is its setter's doing, and no planner is charged for it (S9).

use super::{
    lifecycle,
    rules::{PlannedApps, PlannedNode, PlannedNodes, Rules},
};
use crate::{
    facts,
    tables::{Apps, Policies as Table},
};
use std::collections::BTreeMap;
use trustmesh_policy::{Broken, NodeFacts, PlanFacts, Policies, TaskFacts, Verdict};
use trustmesh_types::{
    PublicKey, TaskId,
    reject::{RejectCode, Rejection},
};

impl Rules<'_> {
    /// C7, of a plan that C1 to C6 passed.
    pub fn policies(
        &self,
        policies: &Policies,
        apps: &PlannedApps,
        nodes: &PlannedNodes,
    ) -> Result<(), Rejection> {
        // A plan for a request whose tasks are all done assigns nothing, and only lets it be
        // finalized: there is nothing to judge.
        if policies.is_empty() || self.plan.assignments.is_empty() {
            return Ok(());
        }
        match policies.check(&self.facts(apps, nodes)) {
            Verdict::Holds => Ok(()),
            Verdict::Broken(broken) => {
                let fault = broken.is_fault(policies.reads_load(&broken.policy));
                Err(self.broken(&broken, fault, apps, nodes))
            }
        }
    }

    fn broken(
        &self,
        broken: &Broken,
        fault: bool,
        apps: &PlannedApps,
        nodes: &PlannedNodes,
    ) -> Rejection {
        let (code, reason) = (RejectCode::PolicyBroken, lifecycle::bounded(broken.to_string()));
        if !fault {
            return Rejection::new(code, reason);
        }
        let policy = self.draft.store.get::<Table>(&broken.policy).map_or(0, |it| it.changed);
        let mut changed = vec![policy];
        match broken.assignment.and_then(|at| self.pair(at)) {
            Some((task, node)) => {
                let app = self.workflow.task(task).and_then(|task| apps.get(&task.app));
                changed.extend(app.map(|app| app.changed));
                changed.extend(nodes.get(node).map(|node| node.changed));
            }
            None => {
                // Of tasks that are done, too: a rule may read them.
                let all = self.workflow.tasks.iter();
                let apps = all.filter_map(|task| self.draft.store.get::<Apps>(&task.app));
                changed.extend(apps.map(|app| app.changed));
                changed.extend(nodes.values().map(|node| node.changed));
            }
        }
        self.unless_stale(code, reason, &changed)
    }

    /// Task and node of an assignment by its place in the plan.
    fn pair(&self, mut at: usize) -> Option<(&TaskId, &PublicKey)> {
        for assignment in &self.plan.assignments {
            match assignment.nodes.get(at) {
                Some(node) => return Some((&assignment.task, node)),
                None => at = at.saturating_sub(assignment.nodes.len()),
            }
        }
        None
    }

    fn facts(&self, apps: &PlannedApps, nodes: &PlannedNodes) -> PlanFacts {
        let levels = self.workflow.levels().unwrap_or_default();
        let tasks: Vec<TaskFacts> = self
            .workflow
            .tasks
            .iter()
            .map(|task| {
                let level = levels.get(&task.id).copied().unwrap_or(0);
                // Applications of tasks that are done are not among the plan's.
                match apps.get(&task.app) {
                    Some(app) => facts::task(task, level, Some(app)),
                    None => {
                        facts::task(task, level, self.draft.store.get::<Apps>(&task.app).as_ref())
                    }
                }
            })
            .collect();
        let told = |node: &PlannedNode| facts::node(&node.info, &node.load);
        let all: Vec<NodeFacts> = nodes.values().map(told).collect();
        let place: BTreeMap<&PublicKey, usize> =
            nodes.keys().enumerate().map(|(at, key)| (key, at)).collect();
        let task_of = |id: &TaskId| self.workflow.tasks.iter().position(|t| t.id == *id);
        let mut pairs = Vec::new();
        for assignment in &self.plan.assignments {
            let Some(task) = task_of(&assignment.task) else { continue };
            let on = assignment.nodes.iter().filter_map(|key| place.get(key));
            pairs.extend(on.map(|node| (task, *node)));
        }
        PlanFacts::new(facts::request(&self.record.body), tasks, all, &pairs)
    }
}
