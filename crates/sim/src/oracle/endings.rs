//! Every request ends, and in time (L1): after all faults have healed no request stays open
//! and no honest node behind; what is asked then becomes Active within a bound, and where
//! nobody is evil it comes back with its result.

use super::{Close, Violation, chain::ChainView, lives::Lives};
use crate::{outcome::End, scenario::Scenario};

/// Blocks that a node may lag behind when a world ends.
const LAG_BLOCKS_MAX: u64 = 2;
/// A plan's time when nobody stands in its way.
const PLAN_MS: u64 = 3_000;

/// From a request's acceptance to its first Active plan, when nothing is wrong but evil nodes
/// and lost ones: each may be designated first, and lead first, in vain.
pub(super) fn active_within_ms(scenario: &Scenario) -> u64 {
    let bad = (scenario.evil.len() + scenario.lost().len()) as u64;
    let parameters = &scenario.parameters;
    let each = parameters.generation_timeout_ms.saturating_add(parameters.leader_timeout_ms);
    PLAN_MS.saturating_add(each.saturating_mul(bad + 1))
}

/// What has not ended, and who is behind.
pub(super) fn check(lives: &Lives, chain: &ChainView, close: &Close<'_>) -> Vec<Violation> {
    let complain = |what: String| Violation::new("L1", what);
    let mut violations: Vec<Violation> = lives
        .open()
        .map(|(id, life)| complain(format!("request {} is still {:?}", id.short(), life.status)))
        .collect();
    for node in close.up {
        let (delivered, height) = (chain.delivered(*node), chain.height());
        if delivered.saturating_add(LAG_BLOCKS_MAX) < height {
            violations.push(complain(format!("node {node} is at block {delivered} of {height}")));
        }
    }
    for one in close.asked {
        let name = format!("request {}", one.id.short());
        let life = lives.of(&one.id);
        if one.end == End::Unended && life.is_some_and(|life| life.status.ended()) {
            let what = format!("{name} has ended, but its device never heard of it");
            violations.push(complain(what));
        }
        if one.probe {
            let bound_ms = active_within_ms(close.scenario);
            let times = life.map(|life| (life.accepted_ms, life.active_ms));
            let in_time = times.is_some_and(|(accepted_ms, active_ms)| {
                active_ms.is_some_and(|at_ms| at_ms.saturating_sub(accepted_ms) <= bound_ms)
            });
            if !in_time {
                let what = format!(
                    "{name}, asked when all had healed, is not Active within {bound_ms} ms: {:?}",
                    one.end
                );
                violations.push(complain(what));
            } else if close.scenario.evil.is_empty() && one.end != End::Delivered {
                let what = format!("{name}, asked when all had healed, ended so: {:?}", one.end);
                violations.push(complain(what));
            }
        }
    }
    violations
}
