//! From a scenario that fails to the least that still fails in the same property: fewer
//! faults, fewer evil nodes, fewer requests, less of everything else. Every try is a world,
//! so tries are bounded.

use super::verdict::Verdict;
use crate::scenario::{Fault, Link, Scenario, Timed};
use std::time::Duration;

/// What shrinking came to.
#[derive(Debug, Clone)]
pub struct Shrunk {
    /// The least scenario that fails.
    pub scenario: Scenario,
    /// What it gives.
    pub verdict: Verdict,
    /// Worlds that were played for it.
    pub tries: u32,
}

/// Shrinks a scenario whose world of that seed is `failed`, with at most `tries_max` worlds;
/// `go_on` is asked before each.
#[must_use]
pub fn shrink(
    scenario: &Scenario,
    failed: &Verdict,
    tries_max: u32,
    go_on: impl Fn() -> bool,
) -> Shrunk {
    let seed = failed.seed;
    shrink_by(scenario, failed, tries_max, go_on, |scenario| Verdict::of(scenario, seed))
}

fn property(verdict: &Verdict) -> Option<&str> {
    verdict.broken.first().map(|broken| broken.property.as_str())
}

fn shrink_by(
    scenario: &Scenario,
    failed: &Verdict,
    tries_max: u32,
    go_on: impl Fn() -> bool,
    play: impl Fn(&Scenario) -> Verdict,
) -> Shrunk {
    let mut least = Shrunk { scenario: scenario.clone(), verdict: failed.clone(), tries: 0 };
    // Each round tries everything smaller than the least so far; one that fails as well is
    // the new least, and the round goes on with what is smaller than that.
    loop {
        let mut smaller = false;
        let mut step = 0;
        while let Some(candidate) = candidate(&least.scenario, step) {
            if least.tries >= tries_max || !go_on() {
                return least;
            }
            if candidate == least.scenario {
                step += 1;
                continue;
            }
            least.tries += 1;
            let verdict = play(&candidate);
            if property(&verdict) == property(failed) {
                (least.scenario, least.verdict, smaller) = (candidate, verdict, true);
            } else {
                step += 1;
            }
        }
        if !smaller {
            return least;
        }
    }
}

/// The `step`th scenario that is smaller than this one; big cuts come first.
fn candidate(from: &Scenario, step: usize) -> Option<Scenario> {
    let wholes: [fn(&mut Scenario); 10] = [
        |s| s.faults.clear(),
        |s| s.workload.operations.clear(),
        |s| s.clocks.clear(),
        |s| s.workload.cancelled_per_mille = 0,
        |s| s.workload.requests /= 2,
        |s| s.workload.requests = s.workload.requests.saturating_sub(1),
        |s| s.workload.probes = s.workload.probes.min(1),
        |s| s.workload.workflows.truncate(1),
        |s| s.workload.input_integers_max = s.workload.input_integers_min,
        |s| {
            s.links.zones.clear();
            s.links.nodes = Link::sound(Duration::from_millis(5));
        },
    ];
    let mut smaller = from.clone();
    if let Some(change) = wholes.get(step) {
        change(&mut smaller);
        return Some(smaller);
    }
    let nth = step - wholes.len();
    let lists = [
        from.evil.len(),
        from.faults.len(),
        from.workload.operations.len(),
        from.clocks.len(),
        from.workload.workflows.len().saturating_sub(1),
    ];
    let mut at = nth;
    for (which, length) in lists.into_iter().enumerate() {
        if at < length {
            without(&mut smaller, which, at);
            return Some(smaller);
        }
        at -= length;
    }
    None
}

fn without(scenario: &mut Scenario, which: usize, at: usize) {
    match which {
        0 => drop(scenario.evil.remove(at)),
        1 => without_fault(&mut scenario.faults, at),
        2 => drop(scenario.workload.operations.remove(at)),
        3 => drop(scenario.clocks.remove(at)),
        _ => drop(scenario.workload.workflows.remove(at + 1)),
    }
}

/// A crash goes together with the start that follows it, and a start with its crash: else
/// shrinking would lose nodes for good that were to come back.
fn without_fault(faults: &mut Vec<Timed>, at: usize) {
    let Timed { fault, after } = faults.remove(at);
    let pair = match fault {
        Fault::Crash(node) => faults
            .iter()
            .position(|timed| timed.after >= after && timed.fault == Fault::Start(node)),
        Fault::Start(node) => faults
            .iter()
            .rposition(|timed| timed.after <= after && timed.fault == Fault::Crash(node)),
        _ => None,
    };
    if let Some(pair) = pair {
        faults.remove(pair);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{campaign::Broken, deviation::Deviation, draw::Terms, mixes};

    /// A world that fails when it has this fault and this evil node, whatever else it has.
    fn play(scenario: &Scenario) -> Verdict {
        let fault = scenario.faults.iter().any(|timed| timed.fault == Fault::Crash(2));
        let evil = scenario.evil.iter().any(|(_, deviation)| *deviation == Deviation::Hog);
        let broken = Broken { property: "S6".to_owned(), what: "seen".to_owned() };
        Verdict {
            seed: 1,
            scenario: scenario.name.clone(),
            nodes: scenario.nodes,
            evil: Default::default(),
            ends: Default::default(),
            blocks: 0,
            virtual_ms: 0.0,
            wall_ms: 0.0,
            trace: None,
            broken: if fault && evil { vec![broken] } else { Vec::new() },
        }
    }

    fn fat() -> Scenario {
        let terms = Terms { mix: mixes::mix("everything"), nodes: Some(7), byzantine: Some(2) };
        let mut fat = terms.draw(4).with(10, Fault::Crash(2)).with(400, Fault::Start(2));
        fat.evil.push((3, Deviation::Hog));
        fat.workload.requests = 9;
        fat
    }

    #[test]
    fn what_is_left_is_what_makes_it_fail() {
        let fat = fat();
        let failed = play(&fat);
        let shrunk = shrink_by(&fat, &failed, 1_000, || true, play);
        let faults: Vec<&Fault> = shrunk.scenario.faults.iter().map(|timed| &timed.fault).collect();
        assert_eq!(faults, [&Fault::Crash(2), &Fault::Start(2)]);
        assert_eq!(shrunk.scenario.evil, [(3, Deviation::Hog)]);
        assert_eq!(shrunk.scenario.workload.requests, 0);
        assert!(shrunk.scenario.workload.operations.is_empty());
        assert!(!shrunk.verdict.held());
    }

    #[test]
    fn tries_are_bounded_and_can_be_broken_off() {
        let fat = fat();
        let failed = play(&fat);
        assert_eq!(shrink_by(&fat, &failed, 3, || true, play).tries, 3);
        let none = shrink_by(&fat, &failed, 100, || false, play);
        assert_eq!((none.tries, none.scenario), (0, fat));
    }
}
