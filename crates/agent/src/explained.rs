//! Why a plan is as it is, or why there is none: what a designated node remembers of its
//! choice beside the plan that goes to the ledger (PROTOCOL §6).
//!
//! Validators check a plan by the ledger's rules alone and never see this. It is for people
//! who ask later, and it is the planner's own word.
//!
//! Invariants: at most [`limits::EXPLAINED_MAX`] nodes are told of in all, beside those that
//! were taken; those that are left out are counted; every number is finite.

use crate::{core::cut, limits};
use std::collections::BTreeMap;
use trustmesh_sched::{Explanation, Problem};
use trustmesh_types::{PublicKey, RequestId, TaskId, plan::Unfit};

/// A plan's or a decline's reasons.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The request.
    pub request: RequestId,
    /// The number of the designation that it answers.
    pub designation: u32,
    /// Height of the state that it was made on.
    pub made_at: u64,
    /// When, Unix milliseconds of this node's clock.
    pub made_ms: u64,
    /// The scheduler that was used.
    pub scheduler: String,
    /// Placed or not.
    pub outcome: Verdict,
    /// Until when it is worth keeping, Unix milliseconds.
    pub until_ms: u64,
}

/// What the scheduler found.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// A plan: one choice per task and replica, in the order of placing.
    Placed(Vec<Choice>),
    /// No plan.
    Declined {
        /// The first task that fits nowhere.
        task: TaskId,
        /// Why, node by node.
        unfit: Vec<Misfit>,
        /// Further nodes that are left out here.
        left_out: u32,
    },
}

/// Why one run of a task was placed where it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The task.
    pub task: TaskId,
    /// Which of the task's replicas, from 0.
    pub replica: u8,
    /// The node taken.
    pub node: PublicKey,
    /// Its name for people.
    pub name: String,
    /// Why this node, in a sentence.
    pub why: String,
    /// The nodes that could have been taken, by key, the one taken among them.
    pub candidates: Vec<Fit>,
    /// The other nodes, and why not.
    pub unfit: Vec<Misfit>,
    /// Further nodes that are left out here.
    pub left_out: u32,
}

/// A node that could have been taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// The node.
    pub node: PublicKey,
    /// Its name for people.
    pub name: String,
    /// Its load (eq. 11).
    pub load: f64,
    /// Its selection weight (eq. 12).
    pub weight: f64,
    /// The probability that it is taken (eq. 13, or as the scheduler has it).
    pub probability: f64,
    /// Why it was not taken; `None` for the one that was.
    pub why_not: Option<String>,
}

/// A node that could not be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The node.
    pub node: PublicKey,
    /// Its name for people.
    pub name: String,
    /// Why not.
    pub reason: String,
}

/// Puts scheduler's reasons into the form that is kept.
pub(crate) struct Explainer<'a> {
    names: BTreeMap<PublicKey, &'a str>,
    /// Nodes that may still be told of.
    room: usize,
}

impl<'a> Explainer<'a> {
    pub(crate) fn new(problem: &'a Problem) -> Self {
        let names = problem.nodes.iter().map(|n| (n.key, n.name.as_str())).collect();
        Self { names, room: limits::EXPLAINED_MAX }
    }

    pub(crate) fn placed(mut self, explanation: &[Explanation]) -> Verdict {
        Verdict::Placed(explanation.iter().map(|one| self.choice(one)).collect())
    }

    pub(crate) fn declined(mut self, task: TaskId, unfit: &[Unfit]) -> Verdict {
        let told = self.misfits(unfit);
        Verdict::Declined {
            task,
            left_out: count(unfit.len().saturating_sub(told.len())),
            unfit: told,
        }
    }

    fn choice(&mut self, one: &Explanation) -> Choice {
        let candidates = self.fits(one);
        let unfit = self.misfits(&one.unfit);
        let all = one.candidates.len().saturating_add(one.unfit.len());
        let told = candidates.len().saturating_add(unfit.len());
        Choice {
            task: one.task.clone(),
            replica: one.replica,
            node: one.chosen,
            name: self.name(&one.chosen),
            why: one.why(),
            left_out: count(all.saturating_sub(told)),
            candidates,
            unfit,
        }
    }

    /// The node taken always has its place.
    fn fits(&mut self, one: &Explanation) -> Vec<Fit> {
        let mut fits = Vec::new();
        for candidate in &one.candidates {
            let taken = candidate.node == one.chosen;
            if !taken && self.room == 0 {
                continue;
            }
            self.room = self.room.saturating_sub(1);
            fits.push(Fit {
                node: candidate.node,
                name: candidate.name.clone(),
                load: finite(candidate.load),
                weight: finite(candidate.weight),
                probability: finite(candidate.probability),
                why_not: (!taken).then(|| candidate.why_not()),
            });
        }
        fits
    }

    fn misfits(&mut self, unfit: &[Unfit]) -> Vec<Misfit> {
        let told = unfit.len().min(self.room);
        self.room = self.room.saturating_sub(told);
        let misfit = |it: &Unfit| Misfit {
            node: it.node,
            name: self.name(&it.node),
            reason: cut(&it.reason, limits::UNFIT_BYTES_MAX),
        };
        unfit.iter().take(told).map(misfit).collect()
    }

    fn name(&self, key: &PublicKey) -> String {
        self.names.get(key).map_or_else(|| key.short(), |name| (*name).to_owned())
    }
}

fn count(nodes: usize) -> u32 {
    u32::try_from(nodes).unwrap_or(u32::MAX)
}

/// JSON has no other numbers.
fn finite(value: f64) -> f64 {
    if value.is_finite() { value } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trustmesh_sched::Candidate;

    #[test]
    fn a_large_plan_is_cut_but_not_the_nodes_taken() {
        let candidate = |n: u8| Candidate {
            node: PublicKey([n; 32]),
            name: format!("n{n}"),
            load: 0.5,
            weight: f64::NAN,
            probability: 0.01,
        };
        let task = TaskId::new("a").unwrap();
        let explanation = |replica| Explanation {
            task: task.clone(),
            replica,
            chosen: PublicKey([199; 32]),
            candidates: (0..200).map(candidate).collect(),
            unfit: vec![Unfit { node: PublicKey([200; 32]), reason: "x".repeat(1_000) }],
        };
        let all: Vec<Explanation> = (0..16).map(explanation).collect();
        let problem = Problem::default();
        let Verdict::Placed(choices) = Explainer::new(&problem).placed(&all) else { panic!() };
        assert_eq!(choices.len(), 16);
        let told = |c: &Choice| c.candidates.len() + c.unfit.len();
        let sum: usize = choices.iter().map(told).sum();
        assert!((limits::EXPLAINED_MAX..limits::EXPLAINED_MAX + 16).contains(&sum), "{sum}");
        for choice in &choices {
            assert_eq!(told(choice) + choice.left_out as usize, 201);
            let taken: Vec<&Fit> =
                choice.candidates.iter().filter(|c| c.why_not.is_none()).collect();
            assert_eq!((taken.len(), taken[0].node), (1, choice.node));
            assert!(choice.candidates.iter().all(|c| c.weight.is_finite()));
            assert!(choice.unfit.iter().all(|u| u.reason.len() == limits::UNFIT_BYTES_MAX));
        }
        let unfit = vec![all[0].unfit[0].clone(); limits::EXPLAINED_MAX + 3];
        let declined = Explainer::new(&problem).declined(task, &unfit);
        assert!(matches!(declined, Verdict::Declined { left_out: 3, .. }), "cut as well");
    }
}
