//! What came of a world: every request's end and times, the trace's digest, and what the
//! oracle has to say. Times are virtual, in milliseconds.

use crate::{
    oracle::{Charge, Violation},
    scenario::Scenario,
    workflows,
    world::{Asked, Marks, Seen},
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use trustmesh_types::{Digest, RequestId, events::Event};

/// How a request ended for its device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "end", content = "why", rename_all = "snake_case")]
pub enum End {
    /// With its result.
    Delivered,
    /// On the ledger, without a result, and why.
    Failed(String),
    /// It never got onto the ledger, and why.
    Refused(String),
    /// Its device heard of no end until well after its deadline.
    Unended,
}

/// Where a request's time went, in the order of its steps; without the applications' own
/// time along the longest way. Their sum is the framework's overhead.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Phases {
    /// From the device to its entry node.
    pub to_node_ms: f64,
    /// f+1 validators keep the input.
    pub keep_input_ms: f64,
    /// The request becomes final, and with it the designation.
    pub order_request_ms: f64,
    /// The designated node plans.
    pub plan_ms: f64,
    /// The plan becomes final.
    pub order_plan_ms: f64,
    /// Tasks are told, inputs move.
    pub execute_ms: f64,
    /// f+1 validators keep the result, and the finalizer has all completions.
    pub gather_ms: f64,
    /// The result becomes final.
    pub order_result_ms: f64,
    /// From the ledger to the device.
    pub deliver_ms: f64,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RequestOutcome {
    /// Its id.
    pub id: RequestId,
    /// The workflow's name.
    pub workflow: String,
    /// How it ended for its device.
    pub end: End,
    /// From the send to the result.
    pub round_trip_ms: Option<f64>,
    /// The round trip without the applications' own time along the longest way.
    pub overhead_ms: Option<f64>,
    /// Where the overhead went; only when every step was taken once and in order.
    pub phases: Option<Phases>,
}

/// Median and tail, nearest rank.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half of the values are at most this.
    pub p50: f64,
    /// 99 in 100 are at most this.
    pub p99: f64,
}

impl Percentiles {
    /// Of values; `None` when there are none.
    #[must_use]
    pub fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let rank = |percent: usize| {
            sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied()
        };
        Some(Self { p50: rank(50)?, p99: rank(99)? })
    }
}

/// What came of a world.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The scenario's name.
    pub scenario: String,
    /// How many nodes there were.
    pub nodes: u16,
    /// The seed.
    pub seed: u64,
    /// Digest of everything that agents and devices did, in order, with times.
    pub trace_digest: Digest,
    /// The deterministic runtime's own digest of what it did.
    pub runtime_digest: String,
    /// Inputs and effects of agents.
    pub steps: u64,
    /// Final blocks.
    pub blocks: u64,
    /// Virtual time from the world's beginning to its end.
    pub lasted_ms: f64,
    /// Designations that ended without a plan.
    pub designations_in_vain: u64,
    /// Plans that gave out.
    pub plans_abandoned: u64,
    /// Warnings that agents noted.
    pub warnings: u64,
    /// What evil nodes and outsiders did, by who and what, and how often.
    pub evil_acts: BTreeMap<String, u64>,
    /// Whom the ledger charged with a fault, in order.
    pub charges: Vec<Charge>,
    /// What nodes said of requests' ends and devices did not believe.
    pub results_refused: u64,
    /// Validators whose conflicting votes were reported on the ledger, by index.
    pub reported_voters: BTreeSet<usize>,
    /// The requests, in order of sending.
    pub requests: Vec<RequestOutcome>,
    /// Of the requests that came back.
    pub overhead_ms: Option<Percentiles>,
    /// What must never happen and did.
    pub violations: Vec<Violation>,
}

impl Outcome {
    /// How many requests came back with a result.
    #[must_use]
    pub fn delivered(&self) -> usize {
        self.requests.iter().filter(|request| request.end == End::Delivered).count()
    }

    /// How many requests ended on the ledger without a result.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.requests.iter().filter(|request| matches!(request.end, End::Failed(_))).count()
    }

    /// What came of a world that the court has judged.
    pub(crate) fn of(
        scenario: &Scenario,
        seed: u64,
        seen: &Seen,
        asked: &[Asked],
        (ended_us, runtime_digest): (u64, String),
    ) -> Self {
        let chain = seen.court.chain();
        let count = |what: fn(&Event) -> bool| {
            let events = chain.blocks().flat_map(|block| &block.events);
            events.filter(|event| what(event)).count() as u64
        };
        let requests: Vec<RequestOutcome> =
            asked.iter().map(|one| request(one, seen.marks.get(&one.id))).collect();
        Self {
            scenario: scenario.name.clone(),
            nodes: scenario.nodes,
            seed,
            trace_digest: seen.trace.digest(),
            runtime_digest,
            steps: seen.trace.steps(),
            blocks: chain.height(),
            lasted_ms: millis(ended_us),
            designations_in_vain: count(|e| matches!(e, Event::DesignationEnded { .. })),
            plans_abandoned: count(|e| matches!(e, Event::PlanAbandoned { .. })),
            warnings: seen.warnings,
            evil_acts: seen.evil_acts.clone(),
            charges: seen.court.charges(),
            results_refused: asked.iter().map(|one| one.refused).sum(),
            reported_voters: seen.court.reported_voters(),
            overhead_ms: Percentiles::of(requests.iter().filter_map(|r| r.overhead_ms)),
            requests,
            violations: seen.court.violations().to_vec(),
        }
    }
}

fn millis(us: u64) -> f64 {
    us as f64 / 1_000.0
}

fn request(asked: &Asked, marks: Option<&Marks>) -> RequestOutcome {
    let task_us = workflows::critical_path_us(&asked.workflow);
    let times = marks.and_then(|marks| marks.sent.zip(marks.received));
    let round_trip_us = times.map(|(sent, received)| received.saturating_sub(sent));
    RequestOutcome {
        id: asked.id,
        workflow: asked.workflow.id.to_string(),
        end: asked.end.clone(),
        round_trip_ms: round_trip_us.map(millis),
        overhead_ms: round_trip_us.map(|us| millis(us.saturating_sub(task_us))),
        phases: marks.and_then(|marks| phases(marks, task_us)),
    }
}

fn phases(marks: &Marks, task_us: u64) -> Option<Phases> {
    let span = |from: Option<u64>, to: Option<u64>| to?.checked_sub(from?);
    let execute_us = span(marks.confirmed, marks.executed)?.checked_sub(task_us)?;
    Some(Phases {
        to_node_ms: millis(span(marks.sent, marks.arrived)?),
        keep_input_ms: millis(span(marks.arrived, marks.submitted)?),
        order_request_ms: millis(span(marks.submitted, marks.accepted)?),
        plan_ms: millis(span(marks.accepted, marks.planned)?),
        order_plan_ms: millis(span(marks.planned, marks.confirmed)?),
        execute_ms: millis(execute_us),
        gather_ms: millis(span(marks.executed, marks.finalizing)?),
        order_result_ms: millis(span(marks.finalizing, marks.finalized)?),
        deliver_ms: millis(span(marks.finalized, marks.received)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let hundred = Percentiles::of((1..=100).rev().map(f64::from)).unwrap();
        assert_eq!((hundred.p50, hundred.p99), (50.0, 99.0));
        assert_eq!(Percentiles::of([].into_iter()), None);
    }
}
