//! What a policy is asked about: a request, its workflow, the nodes, and which of them run
//! which task. Built alike by the contract from the ledger, by a scheduler from its problem
//! and by `trustmesh policy test` from a file.
//!
//! Amounts above 2⁶³ − 1 count as that.

use serde::Deserialize;
use std::collections::BTreeMap;
use trustmesh_types::resources::Resources;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestFacts {
    /// The workflow's name.
    pub workflow: String,
    /// The device's key as text.
    pub device: String,
    /// Length of the input.
    pub input_bytes: u64,
    /// Whether input and outputs are kept after the request ends.
    pub persist: bool,
}

/// A task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskFacts {
    /// Its name.
    pub id: String,
    /// Its application's name.
    pub app: String,
    /// Its topological level, sources at 0.
    #[serde(default)]
    pub level: u32,
    /// Nodes that run it.
    #[serde(default = "one")]
    pub replicas: u8,
    /// Longest run.
    #[serde(default)]
    pub timeout_ms: u64,
    /// What a run reserves.
    #[serde(default)]
    pub requirements: Resources,
}

const fn one() -> u8 {
    1
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeFacts {
    /// Its key as text.
    pub key: String,
    /// Its name for people.
    pub name: String,
    /// `vendor`, `zone`, `clearance`, …
    pub labels: BTreeMap<String, String>,
    /// Processor architecture.
    pub arch: String,
    /// What it has, as attested.
    pub capacity: Resources,
    /// What is free of it before this plan.
    pub available: Resources,
    /// What open plans hold on it before this plan.
    pub reserved: Resources,
    /// Its recent misses.
    pub misses: u32,
    /// Assignments that the plan gives it; [`PlanFacts::new`] counts them.
    pub tasks: u64,
    /// What they reserve; [`PlanFacts::new`] sums it up.
    pub planned: Resources,
}

/// A plan and everything that is known with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanFacts {
    request: RequestFacts,
    tasks: Vec<TaskFacts>,
    nodes: Vec<NodeFacts>,
    assignments: Vec<(usize, usize)>,
}

impl PlanFacts {
    /// A plan: the workflow's tasks, the nodes, and pairs of a place among the tasks and one
    /// among the nodes. Nodes that the plan does not use are left out, and so are pairs that
    /// name what is not there.
    #[must_use]
    pub fn new(
        request: RequestFacts,
        tasks: Vec<TaskFacts>,
        nodes: Vec<NodeFacts>,
        assignments: &[(usize, usize)],
    ) -> Self {
        let mut nodes: Vec<NodeFacts> = nodes
            .into_iter()
            .map(|node| NodeFacts { tasks: 0, planned: Resources::ZERO, ..node })
            .collect();
        let mut there = Vec::with_capacity(assignments.len());
        for (task, node) in assignments {
            if let (Some(of), Some(on)) = (tasks.get(*task), nodes.get_mut(*node)) {
                on.tasks = on.tasks.saturating_add(1);
                on.planned = on.planned.plus(of.requirements);
                there.push((*task, *node));
            }
        }
        let mut places = Vec::with_capacity(nodes.len());
        let mut used = Vec::new();
        for node in nodes {
            places.push(used.len());
            if node.tasks > 0 {
                used.push(node);
            }
        }
        let placed = |(task, node): (usize, usize)| Some((task, *places.get(node)?));
        let assignments = there.into_iter().filter_map(placed).collect();
        Self { request, tasks, nodes: used, assignments }
    }

    /// The request.
    #[must_use]
    pub fn request(&self) -> &RequestFacts {
        &self.request
    }

    /// The workflow's tasks.
    #[must_use]
    pub fn tasks(&self) -> &[TaskFacts] {
        &self.tasks
    }

    /// The nodes that the plan uses.
    #[must_use]
    pub fn nodes(&self) -> &[NodeFacts] {
        &self.nodes
    }

    /// Number of the plan's assignments.
    #[must_use]
    pub fn len(&self) -> usize {
        self.assignments.len()
    }

    /// Whether the plan assigns nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.assignments.is_empty()
    }

    /// A task and the node that runs it.
    #[must_use]
    pub fn assignment(&self, at: usize) -> Option<(&TaskFacts, &NodeFacts)> {
        let (task, node) = self.assignments.get(at)?;
        Some((self.tasks.get(*task)?, self.nodes.get(*node)?))
    }

    /// All of them, in the plan's order.
    pub fn assignments(&self) -> impl Iterator<Item = (&TaskFacts, &NodeFacts)> {
        (0..self.assignments.len()).filter_map(|at| self.assignment(at))
    }
}
