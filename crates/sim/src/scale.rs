//! What a mesh costs by its size: one request at a time, the overhead over distance as in
//! `latency`, and how many messages and bytes all nodes together send while it is under way.
//!
//! Per request: all that is sent from the moment its device sends it until the device has the
//! result, with what runs beside it (signs of life, reports). Per block: what agreement sends
//! in those times, over the blocks that became final in them. Bandwidth and processor time are
//! left out of the overhead: the messages of a large mesh take no longer here than those of a
//! small one, so only rounds, waits and fan-out show in it, and the bytes stand beside.

use crate::{
    error::SimError,
    latency::{DEVICE_APART, NODES_APART, Share, shares},
    outcome::{Percentiles, RequestOutcome},
    scenario::{Link, Links, Scenario},
    workflows,
    world::{Traffic, Watched, Wire, watch},
};
use serde::Serialize;
use std::time::Duration;
use trustmesh_consensus::CHANNEL_NAMES;

/// Between two requests: the last one is over by then.
const INTERVAL: Duration = Duration::from_millis(700);
/// Requests before those that count.
const WARM_UP: u32 = 1;
const SEED: u64 = 1;
/// The channels of agreement: votes, certificates, resolver, blocks, backfill.
const AGREEMENT: std::ops::Range<usize> = 0..5;

/// How large a mesh is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ScaleSize {
    /// Nodes that vote; they run tasks as well.
    pub validators: u16,
    /// Nodes that only follow the chain and run tasks.
    pub workers: u16,
}

/// What goes over a channel, all nodes together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Flow {
    /// What is sent there.
    pub channel: &'static str,
    /// Messages, each counted once for every node that it is for.
    pub messages: f64,
    /// Their bytes.
    pub bytes: f64,
}

/// What a mesh of some size costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScalePoint {
    /// How large it is.
    #[serde(flatten)]
    pub size: ScaleSize,
    /// Requests that count.
    pub requests: usize,
    /// Of those, how many did not come back.
    pub failed: usize,
    /// From the send to the result, without the applications' own time.
    pub overhead_ms: Option<Percentiles>,
    /// Where the overhead goes.
    pub shares: Vec<Share>,
    /// Mean per request, by channel; the channels without traffic are left out.
    pub per_request: Vec<Flow>,
    /// Mean per final block, of the channels of agreement.
    pub per_block: Vec<Flow>,
    /// Blocks that became final while requests were under way.
    pub blocks: u64,
    /// What must never happen and did, in words.
    pub violations: Vec<String>,
}

impl ScalePoint {
    /// Messages and bytes of all channels together.
    #[must_use]
    pub fn sum(flows: &[Flow]) -> (f64, f64) {
        flows.iter().fold((0.0, 0.0), |sum, flow| (sum.0 + flow.messages, sum.1 + flow.bytes))
    }
}

/// Measures `requests` requests of three stages, one at a time, in a mesh of that size.
///
/// # Errors
/// [`SimError`] when the mesh can't be built.
pub fn simulated_scale(size: ScaleSize, requests: u32) -> Result<ScalePoint, SimError> {
    let nodes = size.validators.saturating_add(size.workers);
    let workflows = vec![workflows::chain()];
    let mut scenario =
        Scenario::new("scale", nodes, workflows, requests + WARM_UP).with_workers(size.workers);
    scenario.links =
        Links { nodes: Link::sound(NODES_APART), device: DEVICE_APART, ..Links::default() };
    scenario.workload.interval = INTERVAL;
    Ok(point(size, &watch(&scenario, SEED)?))
}

fn point(size: ScaleSize, watched: &Watched) -> ScalePoint {
    let outcome = &watched.outcome;
    let counting: Vec<&RequestOutcome> = outcome.requests.iter().skip(WARM_UP as usize).collect();
    let back = counting.iter().filter_map(|request| request.overhead_ms);
    let (whole, traffic, blocks) = under_way(watched.wires.iter().skip(WARM_UP as usize));
    ScalePoint {
        size,
        requests: counting.len(),
        failed: counting.len() - back.clone().count(),
        overhead_ms: Percentiles::of(back),
        shares: shares(&counting.iter().filter_map(|r| r.phases).collect::<Vec<_>>()),
        per_request: flows(&traffic, 0..CHANNEL_NAMES.len(), whole),
        per_block: flows(&traffic, AGREEMENT, blocks),
        blocks,
        violations: outcome.violations.iter().map(ToString::to_string).collect(),
    }
}

/// Requests that came back; what was sent and how many blocks became final meanwhile.
fn under_way<'a>(wires: impl Iterator<Item = &'a Vec<Wire>>) -> (u64, Traffic, u64) {
    let ends = wires.filter_map(|wire| wire.first().zip(wire.get(1)));
    ends.fold((0, Traffic::default(), 0), |(count, sum, blocks), (sent, received)| {
        let traffic = received.traffic.since(&sent.traffic);
        let more = received.height.saturating_sub(sent.height);
        (count + 1, sum.plus(&traffic), blocks + more)
    })
}

fn flows(traffic: &Traffic, channels: std::ops::Range<usize>, among: u64) -> Vec<Flow> {
    let each = |sum: u64| sum as f64 / among.max(1) as f64;
    let all = CHANNEL_NAMES.into_iter().zip(traffic.messages).zip(traffic.bytes);
    all.take(channels.end)
        .skip(channels.start)
        .filter(|((_, messages), _)| *messages > 0)
        .map(|((channel, messages), bytes)| Flow {
            channel,
            messages: each(messages),
            bytes: each(bytes),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(height: u64, votes: u64, gossip: u64) -> Wire {
        let mut traffic = Traffic::default();
        (traffic.messages[0], traffic.bytes[0]) = (votes, votes * 100);
        (traffic.messages[5], traffic.bytes[5]) = (gossip, gossip * 10);
        Wire { height, traffic }
    }

    #[test]
    fn only_what_is_sent_while_a_request_is_under_way_counts() {
        let wires = [
            vec![wire(10, 100, 7), wire(14, 180, 9)],
            vec![wire(20, 500, 50)],
            vec![wire(30, 600, 60), wire(34, 720, 66)],
        ];
        let (whole, traffic, blocks) = under_way(wires.iter());
        assert_eq!((whole, blocks), (2, 8));
        let request = flows(&traffic, 0..CHANNEL_NAMES.len(), whole);
        let votes = Flow { channel: "votes", messages: 100.0, bytes: 10_000.0 };
        let gossip = Flow { channel: "transactions", messages: 4.0, bytes: 40.0 };
        assert_eq!(request, vec![votes, gossip]);
        let block = flows(&traffic, AGREEMENT, blocks);
        assert_eq!(block, vec![Flow { channel: "votes", messages: 25.0, bytes: 2_500.0 }]);
        assert_eq!(ScalePoint::sum(&request), (104.0, 10_040.0));
    }

    #[test]
    fn a_mesh_without_requests_under_way_divides_by_nothing() {
        assert!(flows(&Traffic::default(), AGREEMENT, 0).is_empty());
    }
}
