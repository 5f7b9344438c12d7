//! Placements: why a plan put each task where it did, as the node that planned tells it.
//!
//! This is the planner's own word: the ledger holds the plan, not the reasons, and no
//! validator checks them.

use serde::{Deserialize, Serialize};
use trustmesh_types::{PublicKey, RequestId, TaskId, records::ActivePlan};

/// Everything that a node has to say on how it placed a request's tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Placements {
    /// The request.
    pub request: RequestId,
    /// The node that planned, and says so.
    pub planner: PublicKey,
    /// Its plans and declines, by designation, within one by the height they were made at.
    pub placements: Vec<PlacementView>,
}

/// A plan, or a decline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlacementView {
    /// The number of the designation that it answers.
    pub designation: u32,
    /// Height of the state that it was made on.
    pub made_at: u64,
    /// When, Unix milliseconds of the planner's clock.
    pub made_ms: u64,
    /// The scheduler that was used.
    pub scheduler: String,
    /// Whether the ledger's plan for the request is this one, as far as the node that answers
    /// knows.
    #[serde(default)]
    pub confirmed: bool,
    /// One per task and replica, in the order of placing; none in a decline.
    pub choices: Vec<ChoiceView>,
    /// Why there was no plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declined: Option<DeclinedView>,
}

/// Why one run of a task was placed where it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChoiceView {
    /// The task.
    pub task: TaskId,
    /// Which of the task's replicas, from 0.
    pub replica: u8,
    /// The node taken.
    pub node: PublicKey,
    /// Its name.
    pub name: String,
    /// Why this node, in a sentence.
    pub why: String,
    /// The nodes that could have been taken, by key, the one taken among them.
    pub candidates: Vec<CandidateView>,
    /// The other nodes.
    pub unfit: Vec<UnfitView>,
    /// Further nodes that are not listed: a large plan's reasons are cut.
    pub left_out: u32,
}

/// A node that could have been taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CandidateView {
    /// The node.
    pub node: PublicKey,
    /// Its name.
    pub name: String,
    /// Its load, 0 to 1, with what the plan had placed on it before.
    pub load: f64,
    /// Its selection weight.
    pub weight: f64,
    /// The probability that it is taken, 0 to 1.
    pub probability: f64,
    /// Why it was not taken; absent for the one that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
}

/// A node that could not be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnfitView {
    /// The node.
    pub node: PublicKey,
    /// Its name.
    pub name: String,
    /// Why not.
    pub reason: String,
}

/// Why there was no plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclinedView {
    /// The first task that fits nowhere.
    pub task: TaskId,
    /// Why, node by node.
    pub unfit: Vec<UnfitView>,
    /// Further nodes that are not listed.
    pub left_out: u32,
}

impl PlacementView {
    /// Whether these choices are a plan's, by this planner.
    #[must_use]
    pub fn is(&self, plan: &ActivePlan, planner: &PublicKey) -> bool {
        let nodes_of = |task: &TaskId| -> Vec<PublicKey> {
            self.choices.iter().filter(|c| c.task == *task).map(|c| c.node).collect()
        };
        let runs: usize = plan.assignments.iter().map(|a| a.nodes.len()).sum();
        plan.planner == *planner
            && plan.designation == self.designation
            && runs == self.choices.len()
            && plan.assignments.iter().all(|a| nodes_of(&a.task) == a.nodes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use trustmesh_types::plan::Assignment;

    fn choice(task: &str, replica: u8, node: u8) -> ChoiceView {
        ChoiceView {
            task: TaskId::new(task).unwrap(),
            replica,
            node: PublicKey([node; 32]),
            name: format!("node-{node}"),
            why: "it fits".to_owned(),
            candidates: Vec::new(),
            unfit: Vec::new(),
            left_out: 0,
        }
    }

    #[test]
    fn a_placement_is_told_from_another_of_the_same_designation() {
        let planner = PublicKey([9; 32]);
        let placement = PlacementView {
            designation: 2,
            made_at: 7,
            made_ms: 1,
            scheduler: "lcdwrr".to_owned(),
            confirmed: false,
            choices: vec![choice("a", 0, 1), choice("a", 1, 2), choice("b", 0, 1)],
            declined: None,
        };
        let assignment = |task: &str, nodes: &[u8]| Assignment {
            task: TaskId::new(task).unwrap(),
            level: 0,
            nodes: nodes.iter().map(|n| PublicKey([*n; 32])).collect(),
        };
        let plan = |designation, b: u8| ActivePlan {
            designation,
            planner,
            assignments: vec![assignment("a", &[1, 2]), assignment("b", &[b])],
            reserved: BTreeMap::new(),
            height: 8,
            since_ms: 0,
            deadline_ms: 0,
        };
        assert!(placement.is(&plan(2, 1), &planner));
        assert!(!placement.is(&plan(2, 2), &planner), "another node");
        assert!(!placement.is(&plan(3, 1), &planner), "another designation");
        assert!(!placement.is(&plan(2, 1), &PublicKey([8; 32])), "another planner");
    }
}
