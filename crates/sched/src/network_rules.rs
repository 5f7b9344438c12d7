//! Network-defined rules as a scheduler sees them (PROTOCOL rule C7; eq. 5).
//!
//! A policy of scope assignment takes nodes out of a task's candidates, with its message as
//! the reason; one of scope plan is asked of each whole plan before it leaves. Both are the
//! very questions that the contract asks, over facts built from the same records.

use crate::problem::Problem;
use std::collections::BTreeMap;
use trustmesh_policy::{Broken, NodeFacts, PlanFacts, Policies, RequestFacts, TaskFacts, Verdict};
use trustmesh_types::{PublicKey, TaskId, plan::Assignment};

/// The network's policies, and what they are told beside the plan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkRules {
    /// The policies.
    pub policies: Policies,
    /// The request.
    pub request: RequestFacts,
    /// All tasks of the workflow, in its order, done ones among them.
    pub tasks: Vec<TaskFacts>,
    /// The nodes.
    pub nodes: BTreeMap<PublicKey, NodeFacts>,
}

impl NetworkRules {
    fn task(&self, id: &TaskId) -> Option<(usize, &TaskFacts)> {
        self.tasks.iter().enumerate().find(|(_, task)| task.id == id.as_str())
    }

    /// Whether a plan keeps to all policies; the first that it breaks.
    ///
    /// # Errors
    /// [`Broken`] names the policy.
    pub fn check(&self, assignments: &[Assignment]) -> Result<(), Broken> {
        if self.policies.is_empty() {
            return Ok(());
        }
        let used: BTreeMap<&PublicKey, &NodeFacts> = assignments
            .iter()
            .flat_map(|assignment| &assignment.nodes)
            .filter_map(|key| self.nodes.get_key_value(key))
            .collect();
        let place: BTreeMap<&PublicKey, usize> =
            used.keys().enumerate().map(|(at, key)| (*key, at)).collect();
        let mut pairs = Vec::new();
        for assignment in assignments {
            let Some((task, _)) = self.task(&assignment.task) else { continue };
            let on = assignment.nodes.iter().filter_map(|key| place.get(key));
            pairs.extend(on.map(|node| (task, *node)));
        }
        let nodes = used.into_values().cloned().collect();
        let facts = PlanFacts::new(self.request.clone(), self.tasks.clone(), nodes, &pairs);
        match self.policies.check(&facts) {
            Verdict::Holds => Ok(()),
            Verdict::Broken(broken) => Err(broken),
        }
    }
}

/// Pairs of task and node that a policy of scope assignment refuses, and why: asked once per
/// problem, since it does not depend on the rest of a plan.
pub(crate) type Refused<'a> = BTreeMap<(&'a TaskId, PublicKey), String>;

pub(crate) fn refused(problem: &Problem) -> Refused<'_> {
    let rules = &problem.rules;
    let mut refused = Refused::new();
    if rules.policies.is_empty() {
        return refused;
    }
    for need in &problem.tasks {
        let Some((_, task)) = rules.task(&need.id) else { continue };
        for (key, node) in &rules.nodes {
            if let Verdict::Broken(broken) = rules.policies.check_pair(&rules.request, task, node) {
                refused.insert((&need.id, *key), broken.to_string());
            }
        }
    }
    refused
}
