//! Evil planners: plans out of turn, broken plans, no plans, and plans that come to nothing
//! (PROTOCOL §4, phases 2 and 3).

use super::{Part, craft, scene::Scene};
use crate::{derive, deviation::Deviation};
use std::{collections::BTreeSet, time::Duration};
use trustmesh_agent::{Effect, Input};
use trustmesh_types::{
    Payload, PublicKey, RequestId,
    events::Event,
    plan::{Decline, Plan, Unfit},
    records::Status,
    resources::Resources,
};

/// Plans out of turn: what another node shall plan, or what is planned already.
pub(super) struct Intruder {
    deviation: Deviation,
}

impl Intruder {
    pub(super) const fn new(deviation: Deviation) -> Self {
        Self { deviation }
    }

    fn event(&self, scene: &mut Scene, event: &Event) {
        let (request, designation) = match event {
            Event::Designated { request, designation, node }
                if self.deviation == Deviation::UninvitedPlanner && *node != scene.me =>
            {
                (request, *designation)
            }
            Event::PlanConfirmed { request, designation }
                if self.deviation == Deviation::LatePlanner =>
            {
                (request, *designation)
            }
            _ => return,
        };
        let Some((record, workflow)) = craft::request(scene, request) else { return };
        let mine = record.plan.as_ref().is_some_and(|plan| plan.planner == scene.me);
        if self.deviation == Deviation::LatePlanner && !mine {
            return;
        }
        let plan = craft::plan(scene, &record, &workflow, designation);
        scene.transact(Payload::ConfirmSchedule(plan));
        scene.did("plans out of turn");
    }
}

impl Part for Intruder {
    fn hears(&mut self, scene: &mut Scene, input: Input) -> Option<Input> {
        if let Input::Block(finalized) = &input {
            for event in &finalized.events {
                self.event(scene, event);
            }
        }
        Some(input)
    }
}

/// Designated for a new request, plans for one that is Active instead, under a designation that
/// nobody gave it (paper, section VI-D, scenario 2).
#[derive(Default)]
pub(super) struct Interferer {
    /// Requests that it shall plan and does not.
    given_up: BTreeSet<RequestId>,
}

impl Interferer {
    fn interfere(&mut self, scene: &mut Scene, own: RequestId) {
        let active = scene.state.open_requests().find(|record| record.status == Status::Active);
        let Some(record) = active else { return };
        let mine = record.plan.as_ref().is_some_and(|plan| plan.planner == scene.me);
        let designation = record.designation.saturating_add(u32::from(mine));
        let Some((record, workflow)) = craft::request(scene, &record.id) else { return };
        let plan = craft::plan(scene, &record, &workflow, designation);
        scene.transact(Payload::ConfirmSchedule(plan));
        scene.did("interferes");
        self.given_up.insert(own);
    }
}

impl Part for Interferer {
    fn hears(&mut self, scene: &mut Scene, input: Input) -> Option<Input> {
        if let Input::Block(finalized) = &input {
            for event in &finalized.events {
                match event {
                    Event::Designated { node, request, .. } if *node == scene.me => {
                        self.interfere(scene, *request);
                    }
                    _ => {}
                }
            }
        }
        Some(input)
    }

    fn wants(&mut self, _scene: &mut Scene, effect: Effect) -> Option<Effect> {
        let given_up = matches!(&effect, Effect::Transact(Payload::ConfirmSchedule(plan))
            if self.given_up.contains(&plan.request));
        (!given_up).then_some(effect)
    }
}

/// Breaks one rule of its own plans.
pub(super) struct Breaker {
    deviation: Deviation,
}

impl Breaker {
    pub(super) const fn new(deviation: Deviation) -> Self {
        Self { deviation }
    }

    /// Whether the plan is broken now.
    fn break_it(&self, scene: &Scene, plan: &mut Plan) -> bool {
        let height = plan.made_at;
        let Some(first) = plan.assignments.first_mut() else { return false };
        match self.deviation {
            Deviation::IncompletePlanner => return plan.assignments.pop().is_some(),
            Deviation::DoublingPlanner => {
                let again = first.clone();
                plan.assignments.push(again);
            }
            Deviation::LevelPlanner => first.level = first.level.saturating_add(1),
            Deviation::UnknownNodePlanner => {
                // A key that is nobody's, or one of a member that is no node.
                let nobody = derive::key(height, "nobody", 0).public();
                let member = scene.state.devices().next().map(|device| device.key);
                let stranger = if height.is_multiple_of(2) { Some(nobody) } else { member };
                if let Some(node) = first.nodes.first_mut() {
                    *node = stranger.unwrap_or(nobody);
                }
            }
            Deviation::OverCapacityPlanner => {
                let node = first.nodes.clone();
                plan.assignments.iter_mut().for_each(|a| a.nodes.clone_from(&node));
                return over_attested(scene, plan);
            }
            Deviation::PolicyBreaker => {
                // The world's policy keeps the last node free of tasks.
                let last = scene.state.nodes().into_iter().map(|n| (n.info.name.len(), n.info));
                let last = last.max_by(|a, b| (a.0, &a.1.name).cmp(&(b.0, &b.1.name)));
                let (Some((_, last)), Some(node)) = (last, first.nodes.first_mut()) else {
                    return false;
                };
                *node = last.key;
            }
            _ => return false,
        }
        true
    }
}

/// Whether a plan asks more of a node than its operator attests.
fn over_attested(scene: &Scene, plan: &Plan) -> bool {
    let Some((_, workflow)) = craft::request(scene, &plan.request) else { return false };
    let needs = |node: &PublicKey| {
        let here = plan.assignments.iter().filter(|a| a.nodes.contains(node));
        let apps = here.filter_map(|a| scene.state.app(&workflow.task(&a.task)?.app));
        apps.fold(Resources::ZERO, |sum, app| sum.plus(app.manifest.requirements))
    };
    let nodes = scene.state.nodes();
    nodes.iter().any(|node| !needs(&node.info.key).fits(&node.info.capacity))
}

impl Part for Breaker {
    fn wants(&mut self, scene: &mut Scene, effect: Effect) -> Option<Effect> {
        let Effect::Transact(Payload::ConfirmSchedule(mut plan)) = effect else {
            return Some(effect);
        };
        if self.break_it(scene, &mut plan) {
            scene.did("breaks its plan");
        }
        Some(Effect::Transact(Payload::ConfirmSchedule(plan)))
    }
}

/// Does not plan, or late, or twice, or declines what it could plan.
pub(super) struct Unwilling {
    deviation: Deviation,
}

impl Unwilling {
    pub(super) const fn new(deviation: Deviation) -> Self {
        Self { deviation }
    }

    fn slow(scene: &mut Scene, payload: Payload, plan: &Plan) {
        let timeout_ms = scene.state.parameters().generation_timeout_ms;
        let number = u64::from(plan.designation) ^ plan.made_at;
        let late = scene.draw("slow plan", number, 2) == 1;
        let wait_ms = if late { timeout_ms.saturating_mul(2) } else { timeout_ms / 4 * 3 };
        scene.after(Duration::from_millis(wait_ms), Effect::Transact(payload));
        scene.did(if late { "plans too late" } else { "plans just in time" });
    }

    fn decline(scene: &Scene, plan: &Plan) -> Option<Decline> {
        let nodes = scene.state.nodes();
        let unfit = nodes.into_iter().map(|node| Unfit {
            node: node.info.key,
            reason: "does not fit, says an evil node".to_owned(),
        });
        Some(Decline {
            request: plan.request,
            designation: plan.designation,
            made_at: plan.made_at,
            task: plan.assignments.first()?.task.clone(),
            unfit: unfit.collect(),
        })
    }

    /// The same plan with every task on other nodes.
    fn other(scene: &Scene, plan: &Plan) -> Plan {
        let nodes: Vec<PublicKey> =
            scene.state.nodes().into_iter().map(|node| node.info.key).collect();
        let next = |node: &PublicKey| {
            let at = nodes.iter().position(|known| known == node).unwrap_or(0);
            nodes.iter().cycle().nth(at.saturating_add(1)).copied().unwrap_or(*node)
        };
        let mut other = plan.clone();
        for node in other.assignments.iter_mut().flat_map(|a| &mut a.nodes) {
            *node = next(node);
        }
        other
    }
}

impl Part for Unwilling {
    fn wants(&mut self, scene: &mut Scene, effect: Effect) -> Option<Effect> {
        let Effect::Transact(payload) = effect else { return Some(effect) };
        let Payload::ConfirmSchedule(plan) = &payload else {
            let declines = matches!(payload, Payload::DeclineSchedule(_));
            let silent = self.deviation == Deviation::SilentPlanner && declines;
            return (!silent).then_some(Effect::Transact(payload));
        };
        match self.deviation {
            Deviation::SilentPlanner => {
                scene.did("keeps its plan to itself");
                None
            }
            Deviation::SlowPlanner => {
                let plan = plan.clone();
                Self::slow(scene, payload, &plan);
                None
            }
            Deviation::Decliner => {
                let decline = Self::decline(scene, plan)?;
                scene.did("declines");
                Some(Effect::Transact(Payload::DeclineSchedule(decline)))
            }
            _ => {
                let second = Self::other(scene, plan);
                scene.transact(Payload::ConfirmSchedule(second));
                scene.did("plans twice");
                Some(Effect::Transact(payload))
            }
        }
    }
}

/// Plans everything onto itself, then runs nothing.
pub(super) struct Hog;

impl Part for Hog {
    fn wants(&mut self, scene: &mut Scene, effect: Effect) -> Option<Effect> {
        match effect {
            Effect::Transact(Payload::ConfirmSchedule(mut plan)) => {
                let me = scene.me;
                for assignment in &mut plan.assignments {
                    if assignment.nodes.contains(&me) {
                        continue;
                    }
                    if let Some(first) = assignment.nodes.first_mut() {
                        *first = me;
                    }
                }
                scene.did("plans onto itself");
                Some(Effect::Transact(Payload::ConfirmSchedule(plan)))
            }
            Effect::Run(_) => {
                scene.did("does nothing");
                None
            }
            other => Some(other),
        }
    }
}
