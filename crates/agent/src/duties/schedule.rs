//! Planning when this node is the designated one (PROTOCOL §4, phase 2; §6).
//!
//! The problem is read off the newest state. A burst of designations on one state must not
//! place more on a node than it has, so what this node's own plans that the ledger has not
//! taken up yet would hold is subtracted first.

use crate::{
    Effect, Explained, Verdict,
    agenda::{Matter, Retry},
    core::{Core, cut},
    explained::Explainer,
    limits,
    work::{Planning, Work},
};
use std::collections::BTreeMap;
use trustmesh_policy::Policies;
use trustmesh_sched::{NetworkRules, NodeState, Placement, PlanError, Problem, TaskNeed, plan};
use trustmesh_state::{NodeView, facts};
use trustmesh_types::{
    Digest, Payload, PublicKey, RequestId, TaskId,
    plan::{Assignment, Decline, Plan, Unfit},
    records::{AppRecord, AppState, Condition, Runtime, Status},
    resources::Resources,
    workflow::Task,
};

/// What this node's plans hold that the ledger does not show yet, by request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tentative {
    open: BTreeMap<RequestId, (u32, BTreeMap<PublicKey, Resources>)>,
}

impl Tentative {
    /// Forgets a request's plan: the ledger took it up, or it came to nothing.
    pub(crate) fn settle(&mut self, request: &RequestId) {
        self.open.remove(request);
    }

    fn others(&self, but: &RequestId) -> bool {
        self.open.keys().any(|request| request != but)
    }

    fn on(&self, node: &PublicKey, but: &RequestId) -> Resources {
        let others = self.open.iter().filter(|(request, _)| *request != but);
        let held = others.filter_map(|(_, (_, held))| held.get(node));
        held.fold(Resources::ZERO, |sum, r| sum.plus(*r))
    }
}

/// Plans, when it is this node's turn and the plan is not on its way.
pub(crate) fn tick(core: &mut Core, work: &mut Work, tentative: &mut Tentative) {
    let record = &work.view.record;
    let mine = record.designated.as_ref().filter(|d| d.node == core.me);
    let Some(current) = mine.filter(|_| record.status == Status::Requested) else {
        work.planning = None;
        return;
    };
    let fresh = Planning {
        designation: record.designation,
        seen_ms: core.now_ms,
        answer: Retry::default(),
        rejections: current.rejections,
    };
    let planning = match work.planning.take() {
        Some(p) if p.designation == record.designation => p,
        _ => fresh,
    };
    let mut planning = if planning.rejections == current.rejections {
        planning
    } else {
        Planning { answer: Retry::default(), rejections: current.rejections, ..planning }
    };
    let begin_ms = match record.plan {
        Some(_) => planning.seen_ms.saturating_add(limits::PROGRESS_WAIT_MS),
        None => planning.seen_ms,
    };
    let at_ms = begin_ms.max(planning.answer.next_ms());
    if core.now_ms >= at_ms {
        match answer(core, work, tentative, &planning) {
            Some((payload, explained)) => {
                planning.answer.tried(core.now_ms, limits::TRANSACT_MS);
                core.transact(payload);
                core.out.push(Effect::KeepPlacement(explained));
            }
            None => {
                planning.answer =
                    Retry::not_before(core.now_ms.saturating_add(limits::PLAN_PAUSE_MS));
            }
        }
        core.later(Matter::Request(work.id), planning.answer.next_ms());
    } else {
        core.later(Matter::Request(work.id), at_ms);
    }
    work.planning = Some(planning);
}

/// The plan or the decline, and its reasons; `None` while only this node's own open plans,
/// which end soon, may stand in the way.
fn answer(
    core: &mut Core,
    work: &Work,
    tentative: &mut Tentative,
    now: &Planning,
) -> Option<(Payload, Explained)> {
    let problem = problem(core, work, tentative);
    let (placed, scheduler) = place(core, work, &problem, now);
    let explained = |core: &Core, outcome: Verdict| Explained {
        request: work.id,
        designation: now.designation,
        made_at: core.state.height(),
        made_ms: core.now_ms,
        scheduler,
        outcome,
        until_ms: core.kept_until_ms(&work.view.record.body),
    };
    let explainer = Explainer::new(&problem);
    let patience_ms = core.state.parameters().generation_timeout_ms / 2;
    let patient = core.now_ms < now.seen_ms.saturating_add(patience_ms);
    match placed {
        Err(_) if patient && tentative.others(&work.id) => None,
        Ok(placement) => {
            let held = held(&problem, &placement.assignments);
            tentative.open.insert(work.id, (now.designation, held));
            let why = explained(core, explainer.placed(&placement.explanation));
            let plan = Plan {
                request: work.id,
                designation: now.designation,
                made_at: why.made_at,
                assignments: placement.assignments,
            };
            Some((Payload::ConfirmSchedule(plan), why))
        }
        Err(error) => {
            core.note(false, Some(work.id), error.to_string());
            let (task, unfit) = match error {
                PlanError::Infeasible { task, unfit } => (Some(task), unfit),
                PlanError::UnknownScheduler { .. } => (None, Vec::new()),
            };
            let first = || work.view.workflow.tasks.first().map(|t| t.id.clone());
            let task = task.or_else(first)?;
            let why = explained(core, explainer.declined(task.clone(), &unfit));
            Some((decline(work, now, why.made_at, task, unfit), why))
        }
    }
}

/// Asks the workflow's scheduler; gives its name, too. The ledger takes known names only.
fn place(
    core: &Core,
    work: &Work,
    problem: &Problem,
    now: &Planning,
) -> (Result<Placement, PlanError>, String) {
    let parameters = core.state.parameters();
    let name = work.view.workflow.scheduler.as_ref().unwrap_or(&parameters.scheduler).clone();
    let seed = Digest::of_parts(&[
        b"trustmesh plan",
        &core.seed,
        work.id.0.as_ref(),
        &now.designation.to_le_bytes(),
        &[now.rejections],
    ]);
    (plan(problem, &name, seed.0), name)
}

fn decline(work: &Work, now: &Planning, made_at: u64, task: TaskId, unfit: Vec<Unfit>) -> Payload {
    let unfit = unfit
        .into_iter()
        .take(limits::UNFIT_MAX)
        .map(|u| Unfit { node: u.node, reason: cut(&u.reason, limits::UNFIT_BYTES_MAX) })
        .collect();
    Payload::DeclineSchedule(Decline {
        request: work.id,
        designation: now.designation,
        made_at,
        task,
        unfit,
    })
}

fn held(problem: &Problem, assignments: &[Assignment]) -> BTreeMap<PublicKey, Resources> {
    let mut held: BTreeMap<PublicKey, Resources> = BTreeMap::new();
    for assignment in assignments {
        let need = problem.tasks.iter().find(|t| t.id == assignment.task);
        let need = need.map_or(Resources::ZERO, |t| t.requirements);
        for node in &assignment.nodes {
            let sum = held.entry(*node).or_default();
            *sum = sum.plus(need);
        }
    }
    held
}

fn problem(core: &Core, work: &Work, tentative: &Tentative) -> Problem {
    let levels = work.view.workflow.levels().unwrap_or_default();
    let done = &work.view.record.done;
    let open = work.view.workflow.tasks.iter().filter(|t| !done.contains_key(&t.id));
    let nodes = core.state.nodes();
    let tasks: Vec<TaskNeed> = open
        .map(|task| {
            let app = core.state.app(&task.app);
            let running = app.as_ref().is_some_and(|a| a.wanted == AppState::Running);
            let manifest = app.as_ref().map(|a| &a.manifest);
            TaskNeed {
                id: task.id.clone(),
                level: levels.get(&task.id).copied().unwrap_or(0),
                app: task.app.clone(),
                requirements: manifest.map_or(Resources::ZERO, |m| m.requirements),
                runtime: manifest.map_or(Runtime::Wasm, |m| m.runtime),
                replicas: task.replicas,
                blocked: (!running).then(|| format!("application {} is not running", task.app)),
                unfit: app.as_ref().map(|app| unfit(core, app, &nodes)).unwrap_or_default(),
            }
        })
        .collect();
    let now_ms = core.state.timestamp_ms();
    let rules = network_rules(core, work, tentative, &nodes);
    let silent = |key: &PublicKey| *key != core.me && core.peers.silent(key, core.now_ms);
    Problem {
        tasks,
        rules,
        barred: work.view.record.barred.clone(),
        avoid: nodes.iter().map(|n| n.info.key).filter(silent).collect(),
        nodes: nodes
            .into_iter()
            .map(|node| NodeState {
                key: node.info.key,
                available: node.available().minus(tentative.on(&node.info.key, &work.id)),
                live: node.live(now_ms),
                name: node.info.name,
                capacity: node.info.capacity,
                runtimes: node.info.runtimes,
                worker: node.info.roles.worker,
                quarantined: node.quarantined,
            })
            .collect(),
    }
}

/// The nodes that don't run an application, and why (rule C5).
fn unfit(core: &Core, app: &AppRecord, nodes: &[NodeView]) -> BTreeMap<PublicKey, String> {
    let id = &app.manifest.id;
    let conditions = core.state.app_conditions(app);
    let why = |node: &NodeView| {
        if !app.manifest.is_for(&node.info.arch) {
            return Some(format!("is {}, which application {id} is not there for", node.info.arch));
        }
        match conditions.get(&node.info.key) {
            Some(it) if it.condition == Condition::Running => None,
            Some(it) => {
                let why = it.note.as_deref().unwrap_or_default();
                Some(format!("can't run application {id}: {why}"))
            }
            None => Some(format!("has not said that it runs application {id}")),
        }
    };
    nodes.iter().filter_map(|node| Some((node.info.key, why(node)?))).collect()
}

/// The network's policies, and what the contract will tell them (rule C7). As for what is
/// free, this node's own plans that the ledger does not show yet count as if it did.
fn network_rules(
    core: &Core,
    work: &Work,
    tentative: &Tentative,
    nodes: &[NodeView],
) -> NetworkRules {
    let records: Vec<_> = core.state.policies().collect();
    if records.is_empty() {
        return NetworkRules::default();
    }
    let levels = work.view.workflow.levels().unwrap_or_default();
    let task = |task: &Task| {
        let level = levels.get(&task.id).copied().unwrap_or(0);
        facts::task(task, level, core.state.app(&task.app).as_ref())
    };
    let node = |node: &NodeView| {
        let held = tentative.on(&node.info.key, &work.id);
        let mut told = facts::node(&node.info, &node.load);
        told.available = told.available.minus(held);
        told.reserved = told.reserved.plus(held);
        (node.info.key, told)
    };
    NetworkRules {
        policies: Policies::new(records.iter().map(|record| &record.policy)),
        request: facts::request(&work.view.record.body),
        tasks: work.view.workflow.tasks.iter().map(task).collect(),
        nodes: nodes.iter().map(node).collect(),
    }
}
