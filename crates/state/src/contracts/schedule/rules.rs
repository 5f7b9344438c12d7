//! C3 to C6: what a plan must keep to (PROTOCOL §4, phase 3; eq. 6 to 9).
//!
//! A broken rule is a fault only if the planner could have known: when a record that this
//! very rule read changed after the state that the plan was made on, the plan is *stale*
//! and refused without fault (S9). Records that other rules read excuse nothing.
//!
//! A snapshot counts until its deadline has fired: that is a change of the node's record,
//! unlike the clock's passing of its time to live, which no planner can see coming.

use crate::{
    contracts::{applications, schedule::lifecycle},
    machine::Draft,
    tables::{Apps, Loads, Members},
};
use std::collections::{BTreeMap, BTreeSet};
use trustmesh_types::{
    AppId, PublicKey,
    mutants::{Mutant, mutated},
    plan::{Assignment, Plan},
    records::{AppRecord, AppState, Member, NodeInfo, NodeLoad, RequestRecord},
    reject::{RejectCode, Rejection},
    resources::Resources,
    workflow::{Task, Workflow},
};

/// A plan and what it is judged by.
pub(super) struct Rules<'a> {
    /// The state of the block that shall confirm it.
    pub draft: &'a Draft<'a>,
    /// Its request.
    pub record: &'a RequestRecord,
    /// The request's workflow.
    pub workflow: &'a Workflow,
    /// The plan.
    pub plan: &'a Plan,
}

/// A node that the plan names, eligible by C5.
pub(super) struct PlannedNode {
    pub(super) info: NodeInfo,
    pub(super) changed: u64,
    pub(super) load: NodeLoad,
}

/// The applications of the planned tasks.
pub(super) type PlannedApps = BTreeMap<AppId, AppRecord>;

/// The nodes that a plan names.
pub(super) type PlannedNodes = BTreeMap<PublicKey, PlannedNode>;

impl Rules<'_> {
    /// A fault, unless one of these records changed after the plan's height.
    pub(super) fn unless_stale(
        &self,
        code: RejectCode,
        reason: String,
        changed: &[u64],
    ) -> Rejection {
        let stale = |at: &u64| *at > self.plan.made_at && !mutated(Mutant::StaleIsFault);
        match changed.iter().copied().filter(stale).max() {
            None => Rejection::fault(code, reason),
            Some(_) => Rejection::new(
                code,
                lifecycle::bounded(format!(
                    "{reason} (changed after height {}: plan again)",
                    self.plan.made_at
                )),
            ),
        }
    }

    fn task(&self, assignment: &Assignment) -> Result<&Task, Rejection> {
        self.workflow.task(&assignment.task).ok_or_else(|| {
            let reason =
                format!("task {} is no open task of request {}", assignment.task, self.record.id);
            Rejection::fault(RejectCode::IncompletePlan, reason)
        })
    }

    /// C3: exactly the open tasks, each once, each on as many distinct nodes as its replicas
    /// (eq. 8).
    pub fn tasks(&self) -> Result<(), Rejection> {
        if mutated(Mutant::C3Off) {
            return Ok(());
        }
        let incomplete = RejectCode::IncompletePlan;
        let mut planned = BTreeSet::new();
        for assignment in &self.plan.assignments {
            let id = &assignment.task;
            let task = self.task(assignment)?;
            if !planned.insert(id) {
                return Err(Rejection::fault(incomplete, format!("task {id} is planned twice")));
            }
            if self.record.done.contains_key(id) {
                let reason = format!("task {id} is no open task of request {}", self.record.id);
                return Err(self.unless_stale(incomplete, reason, &[self.record.changed]));
            }
            let distinct: BTreeSet<&PublicKey> = assignment.nodes.iter().collect();
            let replicas = usize::from(task.replicas);
            if assignment.nodes.len() != replicas || distinct.len() != replicas {
                let reason = format!(
                    "task {id} needs {replicas} distinct nodes; the plan names {}, {} of them \
                     distinct; it runs on as many as its replicas",
                    assignment.nodes.len(),
                    distinct.len()
                );
                return Err(Rejection::fault(incomplete, reason));
            }
        }
        let missing = |t: &&Task| !self.record.done.contains_key(&t.id) && !planned.contains(&t.id);
        match self.workflow.tasks.iter().find(missing) {
            Some(task) => {
                let reason = format!("task {} is not planned", task.id);
                Err(self.unless_stale(incomplete, reason, &[self.record.changed]))
            }
            None => Ok(()),
        }
    }

    /// C4: each task at its topological level (eq. 7 and 9).
    pub fn levels(&self) -> Result<(), Rejection> {
        let levels = self.workflow.levels().unwrap_or_default();
        for assignment in &self.plan.assignments {
            let level = levels.get(&assignment.task).copied().unwrap_or(0);
            if assignment.level != level && !mutated(Mutant::C4Off) {
                let reason = format!(
                    "task {} is planned at level {}; its longest path from a source is {level}",
                    assignment.task, assignment.level
                );
                return Err(Rejection::fault(RejectCode::WrongLevel, reason));
            }
        }
        Ok(())
    }

    /// C5: every node may and can run its tasks.
    pub fn nodes(&self) -> Result<(PlannedApps, PlannedNodes), Rejection> {
        let (mut apps, mut nodes) = (PlannedApps::new(), PlannedNodes::new());
        for assignment in &self.plan.assignments {
            let task = self.task(assignment)?;
            let app = self.running(task)?;
            for key in &assignment.nodes {
                let node = self.eligible(task, &app, key)?;
                nodes.insert(*key, node);
            }
            apps.insert(task.app.clone(), app);
        }
        Ok((apps, nodes))
    }

    /// A task's application. Not running is no fault: whoever stopped it isn't the planner.
    fn running(&self, task: &Task) -> Result<AppRecord, Rejection> {
        let app = self.draft.store.get::<Apps>(&task.app);
        app.filter(|app| app.wanted == AppState::Running).ok_or_else(|| {
            let reason = format!("application {} of task {} is not running", task.app, task.id);
            Rejection::new(RejectCode::AppState, reason)
        })
    }

    fn eligible(
        &self,
        task: &Task,
        app: &AppRecord,
        key: &PublicKey,
    ) -> Result<PlannedNode, Rejection> {
        let refuse = |why: String, changed: &[u64]| {
            let reason = format!("node {} of task {} {why}", key.short(), task.id);
            Err(self.unless_stale(RejectCode::IneligibleNode, reason, changed))
        };
        let Some(Member::Node { info, quarantined, changed, .. }) =
            self.draft.store.get::<Members>(key)
        else {
            return refuse("is no node of this network".to_owned(), &[]);
        };
        let load = self.draft.store.get::<Loads>(key).unwrap_or_default();
        if mutated(Mutant::C5Off) {
            return Ok(PlannedNode { info, changed, load });
        }
        if !info.roles.worker {
            return refuse("is no worker".to_owned(), &[changed]);
        }
        if quarantined {
            return refuse("is quarantined".to_owned(), &[changed]);
        }
        if load.snapshot.is_none() {
            return refuse("has no live resource snapshot".to_owned(), &[load.changed]);
        }
        if !info.runtimes.contains(&app.manifest.runtime) {
            let runtime = app.manifest.runtime;
            return refuse(
                format!("can't run application {}, which needs {runtime}", task.app),
                &[changed, app.changed],
            );
        }
        if !app.manifest.is_for(&info.arch) {
            return refuse(
                format!("can't run application {}, which is not there for {}", task.app, info.arch),
                &[changed, app.changed],
            );
        }
        if let Err((why, changed)) = applications::fitness(self.draft, app, key) {
            return refuse(why, &changed);
        }
        if self.record.barred.contains(key) {
            return refuse(
                "failed or was overdue on this request before".to_owned(),
                &[self.record.changed],
            );
        }
        Ok(PlannedNode { info, changed, load })
    }

    /// C6: what the plan asks of each node fits what is free there (eq. 6). What it asks, by
    /// node: what is reserved when it becomes active.
    pub fn capacity(
        &self,
        apps: &PlannedApps,
        nodes: &PlannedNodes,
    ) -> Result<BTreeMap<PublicKey, Resources>, Rejection> {
        // By node: what is asked, and when the last of what that was read from changed.
        let mut asked: BTreeMap<PublicKey, (Resources, u64)> = BTreeMap::new();
        for assignment in &self.plan.assignments {
            let task = self.task(assignment)?;
            let Some(app) = apps.get(&task.app) else { continue };
            for key in &assignment.nodes {
                let (sum, changed) = asked.entry(*key).or_default();
                *sum = sum.plus(app.manifest.requirements);
                *changed = app.changed.max(*changed);
            }
        }
        let planned = || {
            asked
                .iter()
                .filter(|_| !mutated(Mutant::C6Off))
                .filter_map(|(key, (sum, changed))| Some((key, sum, *changed, nodes.get(key)?)))
        };
        for (key, sum, changed, node) in planned() {
            let capacity = &node.info.capacity;
            if !sum.fits(capacity) {
                let reason =
                    format!("the plan asks {sum} of node {}, which has {capacity}", key.short());
                let read = [changed, node.changed];
                return Err(self.unless_stale(RejectCode::OverAttested, reason, &read));
            }
        }
        for (key, sum, _, node) in planned() {
            let free = node.load.available(&node.info.capacity);
            if !sum.fits(&free) {
                let reason = format!(
                    "the plan asks {sum} of node {}; the node has {free} free: plan again",
                    key.short()
                );
                return Err(Rejection::new(RejectCode::OverCapacity, reason));
            }
        }
        let reserved = asked.into_iter().map(|(key, (sum, _))| (key, sum));
        Ok(reserved.filter(|(_, sum)| *sum != Resources::ZERO).collect())
    }
}
