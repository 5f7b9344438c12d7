//! The model: what may happen next, and what must hold (stateright's `Model`).

use crate::{
    evil::{Act, output},
    mesh::{Bounds, Mesh},
    setup::{NODES, Start},
    watch::Broken,
};
use stateright::{Model, Property};
use std::sync::Arc;
use trustmesh_agent::{Input, RunOutput};
use trustmesh_types::{TxId, records::Status};

/// A request with this much time must not fail for want of it, milliseconds.
pub const LONG_MS: u64 = 60_000;

/// The name of the property that all else hangs on.
pub const NOTHING_BROKEN: &str = "nothing is broken";

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ran {
    /// With its output.
    Well,
    /// Without one.
    Failed,
    /// Never.
    Never,
}

/// What may happen next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// The oldest run that has begun ends.
    Run(Ran),
    /// A block with one pending transaction.
    Include {
        /// The transaction.
        id: TxId,
        /// Its node.
        by: usize,
        /// Its kind.
        kind: &'static str,
    },
    /// A block with all pending transactions, in order of their ids.
    IncludeAll,
    /// The clock goes on until something happens.
    Tick,
    /// An honest node begins to hear of blocks late.
    Lag(usize),
    /// Whoever lags catches up.
    CatchUp,
    /// An honest node starts anew.
    Restart(usize),
    /// The evil node acts.
    Evil(Act),
}

/// Called before each step of the model, on the thread that takes it.
pub type Hook = Arc<dyn Fn() + Send + Sync>;

/// All runs from some starts, within bounds.
#[derive(Clone)]
pub struct Runs {
    /// What runs begin with.
    pub starts: Vec<Start>,
    /// How much may go wrong in a run.
    pub bounds: Bounds,
    /// How tests leave a check of the code out.
    pub hook: Option<Hook>,
}

impl Runs {
    fn hooked(&self) {
        if let Some(hook) = &self.hook {
            hook();
        }
    }
}

impl Model for Runs {
    type State = Mesh;
    type Action = Action;

    fn init_states(&self) -> Vec<Mesh> {
        self.hooked();
        self.starts.iter().map(|start| Mesh::begin(start, self.bounds)).collect()
    }

    fn actions(&self, mesh: &Mesh, actions: &mut Vec<Action>) {
        if mesh.watch.broken.is_some() || mesh.over() {
            return;
        }
        if !mesh.runs.is_empty() {
            actions.push(Action::Run(Ran::Well));
            if mesh.left.troubles > 0 {
                actions.push(Action::Run(Ran::Failed));
                actions.push(Action::Run(Ran::Never));
            }
            mesh.add_acts(actions);
            return;
        }
        for (id, pending) in &mesh.pool {
            let kind = pending.transaction.transaction.payload.kind();
            actions.push(Action::Include { id: *id, by: pending.by, kind });
        }
        if mesh.pool.len() > 1 {
            actions.push(Action::IncludeAll);
        }
        let known = mesh.records().any(|(_, r)| r.is_some_and(|r| !r.status.ended()));
        if known && !mesh.lags() && (mesh.pool.is_empty() || mesh.left.delays > 0) {
            actions.push(Action::Tick);
        }
        let honest = (0..NODES).filter(|at| mesh.world.start.evil != Some(*at));
        if mesh.left.restarts > 0 {
            actions.extend(honest.clone().map(Action::Restart));
        }
        if mesh.lags() {
            actions.push(Action::CatchUp);
        } else if mesh.left.lags > 0 {
            actions.extend(honest.map(Action::Lag));
        }
        mesh.add_acts(actions);
    }

    fn next_state(&self, last: &Mesh, action: Action) -> Option<Mesh> {
        self.hooked();
        let mut mesh = last.clone();
        match action {
            Action::Run(how) => mesh.ran(how),
            Action::Include { id, .. } => mesh.include(&[id]),
            Action::IncludeAll => {
                let ids: Vec<TxId> = mesh.pool.keys().copied().collect();
                mesh.include(&ids);
            }
            Action::Tick => {
                if !mesh.pool.is_empty() {
                    mesh.left.delays = mesh.left.delays.saturating_sub(1);
                    mesh.calm = false;
                }
                mesh.tick();
                mesh.check_clock();
            }
            Action::Lag(at) => {
                mesh.left.lags = mesh.left.lags.saturating_sub(1);
                if let Some(node) = mesh.nodes.get_mut(at) {
                    node.held = Some(std::collections::VecDeque::new());
                }
            }
            Action::CatchUp => mesh.catch_up(),
            Action::Restart(at) => {
                mesh.left.restarts = mesh.left.restarts.saturating_sub(1);
                mesh.calm = false;
                mesh.restart(at);
            }
            Action::Evil(act) => {
                mesh.left.evil_acts = mesh.left.evil_acts.saturating_sub(1);
                mesh.act(&act);
            }
        }
        mesh.check_end();
        mesh.seal();
        Some(mesh)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(NOTHING_BROKEN, |_, mesh: &Mesh| mesh.watch.broken.is_none()),
            Property::sometimes("all requests are finalized", |_, mesh: &Mesh| {
                mesh.records().all(|(_, r)| r.is_some_and(|r| r.status == Status::Finalized))
            }),
        ];
        if self.bounds.evil_acts > 0 {
            properties
                .push(Property::sometimes("a fault is charged", |_, m: &Mesh| m.watch.charged));
        }
        if self.bounds.troubles > 0 {
            properties
                .push(Property::sometimes("a plan is abandoned", |_, m: &Mesh| m.watch.abandoned));
        }
        properties
    }
}

impl Mesh {
    fn add_acts(&self, actions: &mut Vec<Action>) {
        if self.left.evil_acts > 0 {
            actions.extend(self.acts().into_iter().map(Action::Evil));
        }
    }

    fn ran(&mut self, how: Ran) {
        let Some((at, spec)) = self.runs.pop_front() else { return };
        if how != Ran::Well {
            self.left.troubles = self.left.troubles.saturating_sub(1);
            self.calm = false;
        }
        let Some(node) = self.nodes.get_mut(at) else { return };
        let result = match how {
            Ran::Never => return,
            Ran::Failed => Err("it broke".to_owned()),
            Ran::Well => Ok(RunOutput {
                data: output(&spec.run.task).into(),
                // No two runs take equally long.
                duration_us: 1_000 + u64::from(node.restarts),
            }),
        };
        let input = Input::Ran { run: spec.run, result };
        node.inbox.push_back(crate::mesh::Mail::Plain(input));
        self.settle();
    }

    /// L1: no request outlives its deadline, and the clock goes on until all have ended.
    fn check_clock(&mut self) {
        let last_ms = self.world.requests.iter().map(|(body, _)| body.deadline_ms).max();
        if last_ms.is_some_and(|at_ms| self.now_ms > at_ms.saturating_add(10_000)) && !self.over() {
            self.watch.report(Broken::Endless);
        }
    }

    /// L1: with nothing in the way but the evil node, every request ends well.
    fn check_end(&mut self) {
        if !self.calm || !self.over() {
            return;
        }
        // One that has little time may fail for want of it.
        let world = Arc::clone(&self.world);
        let bad = self.records().zip(&world.start.asked).any(|((_, record), asked)| {
            let well = record.is_some_and(|r| r.status == Status::Finalized);
            !well && asked.lifetime_ms >= LONG_MS
        });
        if bad {
            self.watch.report(Broken::NotFinalized);
        }
    }

    /// What was broken first, if anything was.
    #[must_use]
    pub fn broken(&self) -> Option<Broken> {
        self.watch.broken
    }
}
