//! The scheduling problem: what a designated node reads off the ledger before it plans.

use crate::network_rules::NetworkRules;
use std::collections::BTreeMap;
use trustmesh_types::{AppId, PublicKey, TaskId, records::Runtime, resources::Resources};

/// An open task and what each run of it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskNeed {
    /// The task.
    pub id: TaskId,
    /// Its topological level, sources at 0 (eq. 9).
    pub level: u32,
    /// The application that it runs.
    pub app: AppId,
    /// What a run reserves.
    pub requirements: Resources,
    /// How the application is run.
    pub runtime: Runtime,
    /// Number of distinct nodes that run it.
    pub replicas: u8,
    /// Why no node at all may run it now (its application is stopped, say), for people.
    pub blocked: Option<String>,
    /// Nodes that don't run its application, and why, for people.
    pub unfit: BTreeMap<PublicKey, String>,
}

/// A node as the ledger shows it at the plan's height.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeState {
    /// Its identity.
    pub key: PublicKey,
    /// Its name for people.
    pub name: String,
    /// What it has, as attested.
    pub capacity: Resources,
    /// What is free of it: capacity − reservations − foreign use.
    pub available: Resources,
    /// What it can run.
    pub runtimes: Vec<Runtime>,
    /// Whether it may be assigned tasks.
    pub worker: bool,
    /// Whether it is barred from the whole network's tasks.
    pub quarantined: bool,
    /// Whether its resource snapshot is within its time to live.
    pub live: bool,
}

/// What is to be planned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problem {
    /// The tasks that are not done, in the workflow's order.
    pub tasks: Vec<TaskNeed>,
    /// The network's nodes.
    pub nodes: Vec<NodeState>,
    /// Nodes that failed or were overdue on this request: never assigned for it again.
    pub barred: Vec<PublicKey>,
    /// Nodes that the planner has not heard from lately: taken only where no other fits.
    pub avoid: Vec<PublicKey>,
    /// The network's policies and what they are told.
    pub rules: NetworkRules,
}

impl Problem {
    /// Tasks level by level (eq. 9), within a level in the workflow's order.
    #[must_use]
    pub fn by_level(&self) -> Vec<&TaskNeed> {
        let mut tasks: Vec<&TaskNeed> = self.tasks.iter().collect();
        tasks.sort_by_key(|t| t.level);
        tasks
    }
}
