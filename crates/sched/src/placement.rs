//! What a scheduler gives: assignments, and why each node was taken or not.

use serde::{Deserialize, Serialize};
use trustmesh_types::{
    PublicKey, TaskId,
    plan::{Assignment, Unfit},
};

/// A node that could have been taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The node.
    pub node: PublicKey,
    /// Its name for people.
    pub name: String,
    /// Its load, including what this plan has placed on it before (eq. 11).
    pub load: f64,
    /// Its selection weight (eq. 12).
    pub weight: f64,
    /// The probability that it is taken (eq. 13, or as the scheduler has it).
    pub probability: f64,
}

impl Candidate {
    /// Why not this node, where another one was taken.
    #[must_use]
    pub fn why_not(&self) -> String {
        let (chance, load) = (self.probability * 100.0, self.load);
        if chance > 0.0 {
            format!("fits, not taken (probability {chance:.1} %, load {load:.3})")
        } else {
            format!("fits, passed over by the scheduler's rule (load {load:.3})")
        }
    }
}

/// Why one run of a task was placed where it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The task.
    pub task: TaskId,
    /// Which of the task's replicas, from 0.
    pub replica: u8,
    /// The node taken.
    pub chosen: PublicKey,
    /// The nodes that could have been taken, by key.
    pub candidates: Vec<Candidate>,
    /// The other nodes, and why not.
    pub unfit: Vec<Unfit>,
}

impl Explanation {
    /// Why this node, in a sentence. Why not the others: [`Candidate::why_not`] of those that
    /// fit, `unfit` for the rest.
    #[must_use]
    pub fn why(&self) -> String {
        let all = self.candidates.len();
        match self.candidates.iter().find(|c| c.node == self.chosen) {
            Some(c) if all == 1 => format!(
                "task {}: {} is the only node that fits (load {:.3})",
                self.task, c.name, c.load
            ),
            Some(c) => format!(
                "task {}: {} was taken with probability {:.1} % among {all} nodes that fit \
                 (load {:.3}, weight {:.3})",
                self.task,
                c.name,
                c.probability * 100.0,
                c.load,
                c.weight
            ),
            None => format!("task {}: {}", self.task, self.chosen),
        }
    }
}

/// A plan's assignments, and the reasons for them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Placement {
    /// One per task, level by level, in the workflow's order within a level.
    pub assignments: Vec<Assignment>,
    /// One per task and replica, in the order of placing.
    pub explanation: Vec<Explanation>,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No scheduler of this name.
    #[error(
        "no scheduler is called {name:?}; there are {known}: use one of them in the workflow or the genesis parameters"
    )]
    UnknownScheduler {
        /// The name asked for.
        name: String,
        /// The names there are, comma separated.
        known: String,
    },
    /// A task fits nowhere.
    #[error("no node can take task {task}: {}", reasons(unfit))]
    Infeasible {
        /// The first task that fits nowhere.
        task: TaskId,
        /// Why, node by node.
        unfit: Vec<Unfit>,
    },
}

fn reasons(unfit: &[Unfit]) -> String {
    if unfit.is_empty() {
        return "the network has no node".to_owned();
    }
    let each: Vec<String> =
        unfit.iter().map(|u| format!("{} {}", u.node.short(), u.reason)).collect();
    each.join("; ")
}
