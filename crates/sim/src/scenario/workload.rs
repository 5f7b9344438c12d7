//! What devices ask for, and what operators do meanwhile.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use trustmesh_types::{AppId, WorkflowId, workflow::Workflow};

/// Something that an operator does, or a device beside its requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// An application is stopped: no task of it is planned.
    StopApp(AppId),
    /// It is started again.
    StartApp(AppId),
    /// A workflow is created.
    Create(Workflow),
    /// A workflow takes no more requests.
    Retire(WorkflowId),
    /// A device of that number anchors so many notes at once, through every node.
    Notes(u16, u32),
    /// A validator of that number asks for a new committee, as one does that lost its votes.
    Renew(u16),
}

/// An operation and when it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimedOperation {
    /// After the mesh is ready.
    #[serde(rename = "after_us", with = "crate::spans")]
    pub after: Duration,
    /// What is done.
    pub operation: Operation,
}

/// What devices ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Created before; requests take them in turn.
    pub workflows: Vec<Workflow>,
    /// How many devices there are; they send in turn.
    pub devices: u16,
    /// How many requests are sent.
    pub requests: u32,
    /// Between two sends; each is moved by up to as much again, by the seed.
    #[serde(rename = "interval_us", with = "crate::spans")]
    pub interval: Duration,
    /// From a request's making to its deadline.
    #[serde(rename = "lifetime_us", with = "crate::spans")]
    pub lifetime: Duration,
    /// Integers of a request's input, at most; at least one. The seed draws how many, with
    /// `input_integers_min` the fewest.
    pub input_integers_max: u32,
    /// See there.
    pub input_integers_min: u32,
    /// Requests in 1,000 that their device cancels, at a time that the seed draws.
    pub cancelled_per_mille: u16,
    /// Requests sent when everything has healed, of the first workflow: each must become
    /// Active (L1).
    pub probes: u32,
    /// What operators do.
    pub operations: Vec<TimedOperation>,
}

/// Largest input that is played, so that a world's memory stays small.
const INPUT_INTEGERS_MAX: u32 = 100_000;

impl Workload {
    /// `requests` requests of three devices, a few a second.
    #[must_use]
    pub fn new(workflows: Vec<Workflow>, requests: u32) -> Self {
        Self {
            workflows,
            devices: 3,
            requests,
            interval: Duration::from_millis(150),
            lifetime: Duration::from_secs(30),
            input_integers_max: 24,
            input_integers_min: 24,
            cancelled_per_mille: 0,
            probes: 0,
            operations: Vec::new(),
        }
    }

    pub(super) fn flaw(&self) -> Option<String> {
        let sizes = 1..=INPUT_INTEGERS_MAX;
        let fine = sizes.contains(&self.input_integers_min)
            && sizes.contains(&self.input_integers_max)
            && self.input_integers_min <= self.input_integers_max;
        if !fine {
            return Some(format!("a request's input has 1 to {INPUT_INTEGERS_MAX} integers"));
        }
        let named = |operation: &Operation| match operation {
            Operation::Notes(device, _) => *device < self.devices,
            _ => true,
        };
        let unnamed = self.operations.iter().any(|timed| !named(&timed.operation));
        unnamed.then(|| "an operation names a device that is not there".to_owned())
    }
}
