//! The board: what is left on each node while a plan is made, and who may take a task.
//!
//! Nodes are kept by key, so that a placement does not depend on the order in which the
//! problem lists them.

use crate::{
    load::{load, weight},
    network_rules::Refused,
    placement::Candidate,
    problem::{NodeState, Problem, TaskNeed},
};
use std::collections::{BTreeMap, BTreeSet};
use trustmesh_types::{PublicKey, plan::Unfit, resources::Resources};

struct Place<'a> {
    node: &'a NodeState,
    left: Resources,
}

/// What is left on each node.
pub(crate) struct Board<'a> {
    places: BTreeMap<PublicKey, Place<'a>>,
    barred: BTreeSet<PublicKey>,
    avoid: BTreeSet<PublicKey>,
}

/// Who may take one run of a task, by key, and who may not.
pub(crate) struct Eligible {
    pub candidates: Vec<Candidate>,
    pub unfit: Vec<Unfit>,
}

impl<'a> Board<'a> {
    pub(crate) fn new(problem: &'a Problem) -> Self {
        let place = |node: &'a NodeState| {
            (node.key, Place { node, left: node.available.at_most(node.capacity) })
        };
        Self {
            places: problem.nodes.iter().map(place).collect(),
            barred: problem.barred.iter().copied().collect(),
            avoid: problem.avoid.iter().copied().collect(),
        }
    }

    /// Eligible nodes for one more run of `task` (eq. 10), beside those that run it already.
    /// Nodes to avoid are taken in only where nothing else is eligible.
    pub(crate) fn eligible(
        &self,
        task: &TaskNeed,
        taken: &[PublicKey],
        refused: &Refused<'_>,
    ) -> Eligible {
        let mut out = Eligible { candidates: Vec::new(), unfit: Vec::new() };
        let mut avoided = Vec::new();
        for (key, place) in &self.places {
            let refusal = self.refusal(place, task, taken);
            match refusal.or_else(|| refused.get(&(&task.id, *key)).cloned()) {
                Some(reason) => out.unfit.push(Unfit { node: *key, reason }),
                None if self.avoid.contains(key) => avoided.push(place.candidate()),
                None => out.candidates.push(place.candidate()),
            }
        }
        if out.candidates.is_empty() {
            out.candidates = avoided;
        } else {
            out.unfit.extend(avoided.into_iter().map(|c| Unfit {
                node: c.node,
                reason: "was not heard from lately, and other nodes fit".to_owned(),
            }));
        }
        out
    }

    /// Takes what a run of `task` needs off a node.
    pub(crate) fn take(&mut self, node: &PublicKey, task: &TaskNeed) {
        if let Some(place) = self.places.get_mut(node) {
            place.left = place.left.minus(task.requirements);
        }
    }

    /// Gives back what a run of `task` took.
    pub(crate) fn give_back(&mut self, node: &PublicKey, task: &TaskNeed) {
        if let Some(place) = self.places.get_mut(node) {
            place.left = place.left.plus(task.requirements);
        }
    }

    /// What is left on a node.
    pub(crate) fn left(&self, node: &PublicKey) -> Resources {
        self.places.get(node).map_or(Resources::ZERO, |p| p.left)
    }

    fn refusal(&self, place: &Place<'_>, task: &TaskNeed, taken: &[PublicKey]) -> Option<String> {
        let node = place.node;
        if let Some(reason) = &task.blocked {
            return Some(reason.clone());
        }
        if !node.worker {
            return Some("is no worker".to_owned());
        }
        if node.quarantined {
            return Some("is quarantined; an operator can lift it".to_owned());
        }
        if !node.live {
            return Some("has no live resource report; is it running?".to_owned());
        }
        if self.barred.contains(&node.key) {
            return Some("failed or was overdue on a task of this request".to_owned());
        }
        if !node.runtimes.contains(&task.runtime) {
            return Some(format!("can't run {} applications", task.runtime));
        }
        if let Some(reason) = task.unfit.get(&node.key) {
            return Some(reason.clone());
        }
        if taken.contains(&node.key) {
            return Some("runs another replica of this task".to_owned());
        }
        if task.requirements.fits(&place.left) {
            return None;
        }
        let placed = node.available.at_most(node.capacity).minus(place.left);
        let also = if placed == Resources::ZERO { "" } else { " beside what this plan puts there" };
        Some(format!("has {} left{also}, {} needs {}", place.left, task.app, task.requirements))
    }
}

impl Place<'_> {
    fn candidate(&self) -> Candidate {
        let load = load(&self.left, &self.node.capacity);
        Candidate {
            node: self.node.key,
            name: self.node.name.clone(),
            load,
            weight: weight(load),
            probability: 0.0,
        }
    }
}
