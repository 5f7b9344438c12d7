//! The experiments of the paper's section VI-D, in virtual time, and two beside them: how
//! long the mesh takes to detect a malicious plan, and to go on after it.
//!
//! Detection: from when the malicious plan leaves its node until the first honest node has
//! the final block that records the fault. Recovery: from there until the plan of every
//! request that the attack touched is Active; none, when it was Active by then. After silence:
//! from the designation of the silent node until another's plan is Active; of the last one,
//! where several silent nodes are designated in a row.

use crate::{
    deviation::Deviation,
    error::SimError,
    outcome::{Outcome, Percentiles},
    scenario::{Link, Links, Scenario},
    workflows,
    world::{Timeline, Watched, watch},
};
use serde::Serialize;
use std::time::Duration;
use trustmesh_types::genesis::Parameters;

/// Between two nodes, on average (paper, section VI-A).
const NODES_APART: Duration = Duration::from_micros(5_120);
/// Between two requests.
const INTERVAL: Duration = Duration::from_millis(250);
/// Requests of one world.
const REQUESTS: u32 = 25;
/// Worlds that are played for one experiment at most.
const WORLDS_MAX: u64 = 64;

/// What is attacked, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attack {
    /// Scenario 1: nodes that are not designated propose plans.
    Unauthorized,
    /// Scenario 2: nodes designated for a new request propose plans for one that has its own.
    Interference,
    /// Designated nodes propose plans that break a rule.
    FaultyPlan,
    /// Designated nodes say nothing.
    Silence,
}

impl Attack {
    /// All of them, the paper's first.
    pub const ALL: [Self; 4] =
        [Self::Unauthorized, Self::Interference, Self::FaultyPlan, Self::Silence];

    const fn deviation(self) -> Deviation {
        match self {
            Self::Unauthorized => Deviation::UninvitedPlanner,
            Self::Interference => Deviation::Interferer,
            Self::FaultyPlan => Deviation::LevelPlanner,
            Self::Silence => Deviation::SilentPlanner,
        }
    }
}

/// Mean, deviation and percentiles, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation.
    pub deviation: f64,
    /// Median and tail.
    pub percentiles: Percentiles,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// Of values; `None` when there are none.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let percentiles = Percentiles::of(values.iter().copied())?;
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        let max = values.iter().copied().fold(f64::MIN, f64::max);
        Some(Self { mean, deviation: (squares / count).sqrt(), percentiles, max })
    }
}

/// What came of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Experiment {
    /// The attack.
    pub attack: Attack,
    /// Nodes, all of them validators.
    pub nodes: u16,
    /// Of those, malicious.
    pub malicious: u16,
    /// Worlds that were played.
    pub worlds: u64,
    /// Attacks that count.
    pub iterations: usize,
    /// Malicious plans that no block refused as a fault, before the world ended.
    pub undetected: usize,
    /// Faults charged to honest nodes.
    pub false_positives: usize,
    /// See the module; none after silence, which is no fault.
    pub detection_ms: Option<Spread>,
    /// See the module.
    pub recovery_ms: Option<Spread>,
    /// Requests that did not come back with their result.
    pub lost_requests: usize,
    /// What must never happen and did, in words.
    pub violations: Vec<String>,
}

/// Plays an attack until there are `iterations` of it.
///
/// # Errors
/// [`SimError`] when a world can't be built.
pub fn byzantine_experiment(
    attack: Attack,
    nodes: u16,
    malicious: u16,
    iterations: usize,
) -> Result<Experiment, SimError> {
    let mut all = Tally::default();
    let mut worlds = 0;
    while all.recovery_ms.len() < iterations && worlds < WORLDS_MAX {
        worlds += 1;
        let Watched { outcome, timeline, .. } = watch(&scenario(attack, nodes, malicious), worlds)?;
        all.add(attack, malicious, &outcome, &timeline);
    }
    all.detection_ms.truncate(iterations);
    all.recovery_ms.truncate(iterations);
    Ok(Experiment {
        attack,
        nodes,
        malicious,
        worlds,
        iterations: all.recovery_ms.len(),
        undetected: all.undetected,
        false_positives: all.false_positives,
        detection_ms: Spread::of(&all.detection_ms),
        recovery_ms: Spread::of(&all.recovery_ms),
        lost_requests: all.lost_requests,
        violations: all.violations,
    })
}

/// The malicious nodes have the lowest keys: among equals they are designated first. They stay
/// in play however often they are charged.
fn scenario(attack: Attack, nodes: u16, malicious: u16) -> Scenario {
    let mut scenario = Scenario::new("byzantine", nodes, vec![workflows::slow()], REQUESTS);
    scenario.parameters = Parameters { fault_limit: u32::MAX, ..Parameters::default() };
    scenario.links = Links { nodes: Link::sound(NODES_APART), ..Links::default() };
    scenario.workload.interval = INTERVAL;
    (0..malicious.into()).fold(scenario, |it, node| it.with_evil(node, attack.deviation()))
}

#[derive(Default)]
struct Tally {
    detection_ms: Vec<f64>,
    recovery_ms: Vec<f64>,
    undetected: usize,
    false_positives: usize,
    lost_requests: usize,
    violations: Vec<String>,
}

impl Tally {
    fn add(&mut self, attack: Attack, malicious: u16, outcome: &Outcome, timeline: &Timeline) {
        let evil = |node: usize| node < usize::from(malicious);
        let honest = |charge: &&crate::oracle::Charge| !charge.node.is_some_and(evil);
        self.false_positives += outcome.charges.iter().filter(honest).count();
        self.lost_requests += outcome.requests.len() - outcome.delivered();
        self.violations.extend(outcome.violations.iter().map(ToString::to_string));
        if attack == Attack::Silence {
            self.recovery_ms.extend(timeline.silences().map(millis));
            return;
        }
        for refused in timeline.refused.iter().filter(|refused| evil(refused.node)) {
            let (sent, detected) = (refused.sent_us, refused.detected_us);
            let after = refused.requests.iter().map(|request| {
                if timeline.confirmed_by(request, detected) {
                    return Some(detected);
                }
                timeline.confirmed_after(request, detected)
            });
            let Some(recovered) = after.collect::<Option<Vec<u64>>>() else { continue };
            let recovered = recovered.into_iter().max().unwrap_or(detected);
            self.detection_ms.push(millis(detected.saturating_sub(sent)));
            self.recovery_ms.push(millis(recovered.saturating_sub(detected)));
        }
        let acts = usize::try_from(outcome.evil_acts.values().sum::<u64>()).unwrap_or(usize::MAX);
        let detected = timeline.refused.iter().filter(|refused| evil(refused.node)).count();
        self.undetected += acts.saturating_sub(detected);
    }
}

fn millis(us: u64) -> f64 {
    us as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_of_what_was_measured() {
        let spread = Spread::of(&[1.0, 2.0, 3.0, 6.0]).unwrap();
        assert_eq!((spread.mean, spread.max, spread.percentiles.p50), (3.0, 6.0, 2.0));
        assert!((spread.deviation - 3.5_f64.sqrt()).abs() < 1e-12);
        assert_eq!(Spread::of(&[]), None);
    }
}
