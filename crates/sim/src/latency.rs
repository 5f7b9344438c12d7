//! Latency over distance: one request at a time in a mesh whose nodes are 5.12 ms apart and
//! 12.2 ms from the device, and where the time goes. Messages take their time, work takes
//! none but what the applications and disks need: this measures the protocol's hops, not
//! the machine.

use crate::{
    error::SimError,
    outcome::{Outcome, Percentiles, Phases, RequestOutcome},
    scenario::{Link, Links, Scenario},
    workflows,
    world::run,
};
use serde::Serialize;
use std::time::Duration;

/// Between two nodes.
pub(crate) const NODES_APART: Duration = Duration::from_micros(5_120);
/// Between a device and a node.
pub(crate) const DEVICE_APART: Duration = Duration::from_micros(12_200);
/// Between two requests: the last one is over by then.
const INTERVAL: Duration = Duration::from_millis(700);
/// Requests before those that count.
const WARM_UP: u32 = 2;
const SEED: u64 = 1;

/// What a step of a request takes at the median.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Share {
    /// The step, in words.
    pub step: &'static str,
    /// Its time.
    pub p50_ms: f64,
}

/// The latency of a simulated mesh.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LatencyReport {
    /// Nodes, all of them validators.
    pub nodes: u16,
    /// Requests that count.
    pub requests: usize,
    /// Of those, how many did not come back.
    pub failed: usize,
    /// From the send to the result.
    pub round_trip_ms: Option<Percentiles>,
    /// Without the applications' own time.
    pub overhead_ms: Option<Percentiles>,
    /// Where the overhead goes.
    pub shares: Vec<Share>,
    /// What must never happen and did, in words.
    pub violations: Vec<String>,
}

/// Measures `requests` requests of three stages, one at a time.
///
/// # Errors
/// [`SimError`] when the mesh can't be built.
pub fn simulated_latency(nodes: u16, requests: u32) -> Result<LatencyReport, SimError> {
    let mut scenario =
        Scenario::new("latency", nodes, vec![workflows::chain()], requests + WARM_UP);
    scenario.links =
        Links { nodes: Link::sound(NODES_APART), device: DEVICE_APART, ..Links::default() };
    scenario.workload.interval = INTERVAL;
    Ok(report(&run(&scenario, SEED)?))
}

fn report(outcome: &Outcome) -> LatencyReport {
    let counting: Vec<&RequestOutcome> = outcome.requests.iter().skip(WARM_UP as usize).collect();
    let back = || counting.iter().filter(|request| request.overhead_ms.is_some());
    LatencyReport {
        nodes: outcome.nodes,
        requests: counting.len(),
        failed: counting.len() - back().count(),
        round_trip_ms: Percentiles::of(back().filter_map(|request| request.round_trip_ms)),
        overhead_ms: Percentiles::of(back().filter_map(|request| request.overhead_ms)),
        shares: shares(&counting.iter().filter_map(|r| r.phases).collect::<Vec<_>>()),
        violations: outcome.violations.iter().map(ToString::to_string).collect(),
    }
}

type Step = (&'static str, fn(&Phases) -> f64);

pub(crate) fn shares(phases: &[Phases]) -> Vec<Share> {
    const STEPS: [Step; 9] = [
        ("device to node", |p| p.to_node_ms),
        ("keep the input at f+1 validators", |p| p.keep_input_ms),
        ("request final, node designated", |p| p.order_request_ms),
        ("plan", |p| p.plan_ms),
        ("plan final", |p| p.order_plan_ms),
        ("execute, beside the applications", |p| p.execute_ms),
        ("keep the result, gather completions", |p| p.gather_ms),
        ("result final", |p| p.order_result_ms),
        ("deliver to the device", |p| p.deliver_ms),
    ];
    let share = |(step, of): Step| {
        let p50_ms = Percentiles::of(phases.iter().map(of))?.p50;
        Some(Share { step, p50_ms })
    };
    STEPS.into_iter().filter_map(share).collect()
}
