//! What goes wrong, until everything heals.

use super::Sketch;
use crate::{
    mixes::Ingredient,
    scenario::{ClockError, Fault, Scenario, Timed, Weather},
};
use std::time::Duration;

/// A node that was started again counts as down for so long: it has to catch up.
const RECOVERY: Duration = Duration::from_millis(800);

/// Adds everything that the sketch has.
pub(super) fn brew(sketch: &mut Sketch, scenario: &mut Scenario) {
    let heals = sketch.heals;
    let mut faults = Vec::new();
    if sketch.has(Ingredient::Lost) {
        lost(sketch, &mut faults);
    }
    if sketch.has(Ingredient::Skew) {
        scenario.clocks = skew(sketch, &mut faults);
    }
    if sketch.has(Ingredient::Churn) {
        churn(sketch, &mut faults);
    }
    if sketch.has(Ingredient::Silence) {
        silence(sketch, &mut faults);
    }
    if sketch.has(Ingredient::Weather) {
        weather(sketch, &mut faults);
    }
    if sketch.has(Ingredient::Partition) {
        partition(sketch, &mut faults);
    }
    faults.sort_by_key(|timed| timed.after);
    debug_assert!(faults.iter().all(|timed| timed.after <= heals), "all heals in time");
    scenario.faults = faults;
}

fn at(after: Duration, fault: Fault) -> Timed {
    Timed { after, fault }
}

/// Some nodes die and stay dead.
fn lost(sketch: &mut Sketch, faults: &mut Vec<Timed>) {
    let most = sketch.budget as u64;
    let count = sketch.dice.range("lost", 0, most.min(1), most);
    for nth in 0..count {
        let Some(node) = sketch.spare.pop() else { return };
        sketch.budget -= 1;
        faults.push(at(sketch.early("lost at", nth), Fault::Crash(node)));
    }
}

/// Clocks are a little off, and some far off until everything heals.
fn skew(sketch: &mut Sketch, faults: &mut Vec<Timed>) -> Vec<ClockError> {
    let dice = sketch.dice;
    let mut clocks: Vec<ClockError> = (0u64..)
        .zip(0..sketch.nodes)
        .map(|(nth, node)| ClockError {
            node,
            ahead_ms: dice.around("ahead", nth, 200),
            drift_ppm: i32::try_from(dice.around("drift", nth, 1_000)).unwrap_or(0),
        })
        .collect();
    if sketch.budget > 0
        && dice.one_in("far off", 0, 2)
        && let Some(node) = sketch.spare.pop()
    {
        sketch.budget -= 1;
        let off = dice.around("how far off", 0, 20_000);
        faults.push(at(sketch.early("far off at", 0), Fault::Clock(node, off)));
        faults.push(at(sketch.heals, Fault::Clock(node, 0)));
        clocks.retain(|clock| clock.node != node);
    }
    clocks
}

/// Nodes are killed and come back, never more at once than may be down; at times all of them
/// at once, like a power cut.
fn churn(sketch: &mut Sketch, faults: &mut Vec<Timed>) {
    let dice = sketch.dice;
    let at_once = sketch.budget.min(sketch.spare.len());
    for turn in 0..at_once {
        let Some(node) = sketch.spare.pop() else { break };
        sketch.budget -= 1;
        let mut now = sketch.early("churn", turn as u64);
        for nth in 0..3u64 {
            let nth = nth + 8 * turn as u64;
            let back = now + dice.millis("down for", nth, 5, 1_500);
            if back + RECOVERY > sketch.heals {
                break;
            }
            faults.push(at(now, Fault::Crash(node)));
            faults.push(at(back, Fault::Start(node)));
            now = back + RECOVERY + dice.millis("up for", nth, 0, 1_000);
        }
    }
    let quiet = sketch.heals.saturating_sub(RECOVERY);
    if dice.one_in("power cut", 0, 4) && faults.is_empty() {
        let cut = sketch.early("power cut at", 0);
        for node in 0..sketch.nodes {
            let back = cut + dice.millis("power back", node as u64, 50, 700);
            faults.push(at(cut, Fault::Crash(node)));
            faults.push(at(back.min(quiet.max(cut)), Fault::Start(node)));
        }
    }
}

/// The nodes that are designated first never say their plans.
fn silence(sketch: &Sketch, faults: &mut Vec<Timed>) {
    let most = (sketch.nodes as u64).saturating_sub(1) / 2;
    let count = sketch.dice.range("silent", 0, 1, most.max(1));
    for node in 0..usize::try_from(count).unwrap_or(1) {
        faults.push(at(sketch.early("silent from", node as u64), Fault::Silence(node)));
        faults.push(at(sketch.heals, Fault::Speak(node)));
    }
}

fn weather(sketch: &Sketch, faults: &mut Vec<Timed>) {
    let dice = sketch.dice;
    let rate = |purpose, most| u16::try_from(dice.range(purpose, 0, 0, most)).unwrap_or(0);
    let bad = Weather {
        loss_per_mille: rate("loss", 80),
        jitter: dice.millis("bad jitter", 0, 0, 8),
        twice_per_mille: rate("twice", 100),
        late_per_mille: rate("late", 200),
        late: dice.millis("how late", 0, 1, 60),
    };
    faults.push(at(sketch.early("bad weather", 0), Fault::Weather(bad)));
    faults.push(at(sketch.heals, Fault::Weather(Weather::default())));
}

fn partition(sketch: &Sketch, faults: &mut Vec<Timed>) {
    let dice = sketch.dice;
    for nth in 0..dice.range("partitions", 0, 1, 3) {
        let size = dice.range("group size", nth, 1, (sketch.nodes as u64).saturating_sub(1));
        let all = dice.shuffled(&format!("group {nth}"), (0..sketch.nodes).collect());
        let mut group: Vec<usize> =
            all.into_iter().take(usize::try_from(size).unwrap_or(1)).collect();
        group.sort_unstable();
        let from = sketch.early("parted", nth);
        let until = from + dice.millis("parted for", nth, 100, 3_000);
        let mute = dice.one_in("mute", nth, 3);
        faults.push(at(from, if mute { Fault::Mute(group) } else { Fault::Part(group) }));
        faults.push(at(until.min(sketch.heals), Fault::Heal));
    }
}
