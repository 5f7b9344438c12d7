//! Looking for a plan that keeps to the policies of scope plan, when the scheduler's own draws
//! don't: first in ways that such policies usually ask for, then step by step.
//!
//! A policy says of a whole plan that it is good or not, and nothing of how to mend it. Most
//! of them ask to spread over nodes or over the values of a label, or to stay within one
//! value. So each of these is tried, for each label that a policy names. What none of them
//! finds is searched for by backtracking, a bounded number of plans, in an order that the
//! seed gives. Bounded and incomplete: a plan that exists may be missed.

use crate::{
    board::Board,
    greedy::{Attempt, Choose, Settled},
    network_rules::Refused,
    placement::Candidate,
    problem::{Problem, TaskNeed},
};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;
use std::collections::{BTreeMap, BTreeSet};
use trustmesh_policy::Broken;
use trustmesh_types::PublicKey;

/// Whole plans that backtracking looks at.
const PLANS_MAX: usize = 256;
/// Runs that backtracking places, dead ends among them.
const STEPS_MAX: usize = 4_096;
/// Values of one label that plans are kept within, one after the other.
const VALUES_MAX: usize = 16;

/// The first plan found that keeps to all policies; else the last policy that a plan broke.
pub(crate) fn search(
    attempt: &Attempt<'_>,
    tasks: &[&TaskNeed],
    rng: &mut ChaCha20Rng,
) -> Result<Settled, Option<Broken>> {
    let problem = attempt.problem;
    let mut last = None;
    let mut look = |choose: &mut Choose<'_>| match attempt.make(tasks, choose) {
        Ok(settled) => match problem.rules.check(&settled.assignments) {
            Ok(()) => Some(settled),
            Err(broken) => {
                last = Some(broken);
                None
            }
        },
        Err(_) => None,
    };
    if let Some(found) = look(&mut spread(|key| key.to_string())) {
        return Ok(found);
    }
    let labels: Vec<&str> = problem.rules.policies.plan_labels().into_iter().collect();
    for label in &labels {
        let value = |key: &PublicKey| value(problem, key, label);
        if let Some(found) = look(&mut spread(value)) {
            return Ok(found);
        }
        let values: BTreeSet<String> = problem.rules.nodes.keys().map(value).collect();
        for only in values.iter().take(VALUES_MAX) {
            if let Some(found) = look(&mut within(|key| value(key) == *only)) {
                return Ok(found);
            }
        }
    }
    match backtrack(attempt, tasks, rng, &mut last) {
        Some(chosen) => attempt.make(tasks, &mut given(chosen)).map_err(|_| last),
        None => Err(last),
    }
}

fn value(problem: &Problem, key: &PublicKey, label: &str) -> String {
    let labels = problem.rules.nodes.get(key).map(|node| &node.labels);
    labels.and_then(|labels| labels.get(label)).cloned().unwrap_or_default()
}

/// The candidate whose group was taken least often so far; of those, the least loaded.
fn spread<G: Fn(&PublicKey) -> String>(
    group: G,
) -> impl FnMut(&Board<'_>, &mut [Candidate]) -> Option<usize> {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    move |_, candidates| {
        let count = |key: &PublicKey| taken.get(&group(key)).copied().unwrap_or(0);
        let best = candidates.iter().enumerate().min_by(|(_, a), (_, b)| {
            count(&a.node).cmp(&count(&b.node)).then(a.load.total_cmp(&b.load))
        });
        let at = best.map(|(at, _)| at)?;
        let chosen = candidates.get_mut(at)?;
        chosen.probability = 1.0;
        let of = taken.entry(group(&chosen.node)).or_default();
        *of = of.saturating_add(1);
        Some(at)
    }
}

/// The least loaded candidate of those within.
fn within<W: Fn(&PublicKey) -> bool>(
    inside: W,
) -> impl FnMut(&Board<'_>, &mut [Candidate]) -> Option<usize> {
    move |_, candidates| {
        let fit = candidates.iter().enumerate().filter(|(_, c)| inside(&c.node));
        let (at, _) = fit.min_by(|(_, a), (_, b)| a.load.total_cmp(&b.load))?;
        candidates.get_mut(at)?.probability = 1.0;
        Some(at)
    }
}

/// Nodes that are settled, run after run.
fn given(chosen: Vec<PublicKey>) -> impl FnMut(&Board<'_>, &mut [Candidate]) -> Option<usize> {
    let mut next = chosen.into_iter();
    move |_, candidates| {
        let node = next.next()?;
        let at = candidates.iter().position(|c| c.node == node)?;
        candidates.get_mut(at)?.probability = 1.0;
        Some(at)
    }
}

/// A choice that can be taken back: what is left to try for one run of a task.
struct Level {
    options: Vec<PublicKey>,
    taken: Option<PublicKey>,
}

/// Depth first over all runs, each one's candidates in a random order.
fn backtrack(
    attempt: &Attempt<'_>,
    tasks: &[&TaskNeed],
    rng: &mut ChaCha20Rng,
    last: &mut Option<Broken>,
) -> Option<Vec<PublicKey>> {
    let runs: Vec<(usize, &TaskNeed)> = tasks
        .iter()
        .flat_map(|task| (0..usize::from(task.replicas)).map(move |replica| (replica, *task)))
        .collect();
    let mut board = Board::new(attempt.problem);
    let mut path: Vec<Level> = Vec::with_capacity(runs.len());
    let (mut plans, mut steps) = (0_usize, 0_usize);
    loop {
        let chosen: Vec<PublicKey> = path.iter().filter_map(|level| level.taken).collect();
        if let Some(run) = runs.get(path.len()) {
            let options = options(&board, *run, &chosen, &attempt.refused, rng);
            path.push(Level { options, taken: None });
        } else {
            plans = plans.saturating_add(1);
            let assignments = attempt.assignments(tasks, &chosen);
            match attempt.problem.rules.check(&assignments) {
                Ok(()) => return Some(chosen),
                Err(broken) => *last = Some(broken),
            }
        }
        // The next way from here, or from the nearest run before that has one left.
        loop {
            steps = steps.saturating_add(1);
            if plans >= PLANS_MAX || steps >= STEPS_MAX {
                return None;
            }
            let depth = path.len().checked_sub(1)?;
            let (_, task) = runs.get(depth)?;
            let level = path.last_mut()?;
            if let Some(node) = level.taken.take() {
                board.give_back(&node, task);
            }
            match level.options.pop() {
                Some(node) => {
                    board.take(&node, task);
                    level.taken = Some(node);
                    break;
                }
                None => drop(path.pop()),
            }
        }
    }
}

/// Who may take a run, in a random order.
fn options(
    board: &Board<'_>,
    (replica, task): (usize, &TaskNeed),
    chosen: &[PublicKey],
    refused: &Refused<'_>,
    rng: &mut ChaCha20Rng,
) -> Vec<PublicKey> {
    let beside = chosen.len().saturating_sub(replica);
    let taken = chosen.get(beside..).unwrap_or_default();
    let eligible = board.eligible(task, taken, refused);
    let mut options: Vec<(u64, PublicKey)> =
        eligible.candidates.iter().map(|c| (rng.next_u64(), c.node)).collect();
    options.sort_unstable();
    options.into_iter().map(|(_, node)| node).collect()
}
