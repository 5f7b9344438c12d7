//! Placing task by task, level by level, with a rule that says how likely each node is.
//!
//! A greedy plan can paint itself into a corner: a small task lands on the only node that a
//! later, larger one fits. So that a feasible request does get a plan (PROTOCOL §8, L1), a
//! plan that fails is drawn again a few times, and at last packed: largest task first, each
//! on the node where it leaves least.

use crate::{
    board::Board,
    draw::draw,
    placement::{Candidate, Explanation, Placement, PlanError},
    problem::{Problem, TaskNeed},
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use std::collections::BTreeMap;
use trustmesh_types::{PublicKey, TaskId, plan::Assignment, resources::Resources};

/// Draws of a whole plan before it is packed.
const DRAWS_MAX: usize = 4;

/// What a rule sees when one run of a task is to be placed.
pub(crate) struct Turn<'a> {
    /// The nodes that fit, by key.
    pub candidates: &'a [Candidate],
    /// The node that the run before this one went to, in this plan.
    pub last: Option<PublicKey>,
    /// A number that the seed gives, the same for the whole plan.
    pub start: u64,
    /// Keys of all nodes, sorted.
    pub keys: &'a [PublicKey],
}

/// How likely each candidate is taken; the numbers sum to 1.
pub(crate) type Rule = fn(&Turn<'_>) -> Vec<f64>;

/// Places every task by a rule.
pub(crate) fn place(problem: &Problem, rule: Rule, seed: [u8; 32]) -> Result<Placement, PlanError> {
    let mut rng = ChaCha20Rng::from_seed(seed);
    let tasks = problem.by_level();
    let mut first_error = None;
    for _ in 0..DRAWS_MAX {
        match attempt(problem, &tasks, &mut by_rule(problem, rule, &mut rng)) {
            Ok(placement) => return Ok(placement),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    let mut largest_first = tasks;
    largest_first.sort_by_key(|t| std::cmp::Reverse(bulk(&t.requirements)));
    attempt(problem, &largest_first, &mut tightest).map_err(|last| first_error.unwrap_or(last))
}

type Choose<'a> = dyn FnMut(&Board<'_>, &mut [Candidate]) -> Option<usize> + 'a;

/// Chooses by the rule's probabilities.
fn by_rule<'a>(
    problem: &Problem,
    rule: Rule,
    rng: &'a mut ChaCha20Rng,
) -> impl FnMut(&Board<'_>, &mut [Candidate]) -> Option<usize> + use<'a> {
    let mut keys: Vec<PublicKey> = problem.nodes.iter().map(|n| n.key).collect();
    keys.sort_unstable();
    let start = rng.next_u64();
    let mut last = None;
    move |_, candidates| {
        let odds = rule(&Turn { candidates, last, start, keys: &keys });
        for (candidate, probability) in candidates.iter_mut().zip(&odds) {
            candidate.probability = *probability;
        }
        let at = draw(&odds, rng)?;
        last = candidates.get(at).map(|c| c.node);
        Some(at)
    }
}

/// Chooses the node that is left with least; the first of equals.
fn tightest(board: &Board<'_>, candidates: &mut [Candidate]) -> Option<usize> {
    let (at, _) = candidates.iter().enumerate().min_by_key(|(_, c)| bulk(&board.left(&c.node)))?;
    if let Some(candidate) = candidates.get_mut(at) {
        candidate.probability = 1.0;
    }
    Some(at)
}

/// A size to sort by, memory in MiB as in eq. 2.
fn bulk(amount: &Resources) -> u64 {
    let memory_mib = amount.memory_bytes / trustmesh_types::resources::MIB;
    amount.cpu_millis.saturating_add(memory_mib)
}

fn attempt(
    problem: &Problem,
    tasks: &[&TaskNeed],
    choose: &mut Choose<'_>,
) -> Result<Placement, PlanError> {
    let mut board = Board::new(problem);
    let mut explanation = Vec::new();
    let mut nodes_of: BTreeMap<&TaskId, Vec<PublicKey>> = BTreeMap::new();
    for task in tasks {
        let mut taken: Vec<PublicKey> = Vec::new();
        for replica in 0..task.replicas {
            let mut eligible = board.eligible(task, &taken);
            let chosen = choose(&board, &mut eligible.candidates)
                .and_then(|at| eligible.candidates.get(at))
                .map(|c| c.node);
            let Some(chosen) = chosen else {
                return Err(PlanError::Infeasible { task: task.id.clone(), unfit: eligible.unfit });
            };
            board.take(&chosen, task);
            taken.push(chosen);
            explanation.push(Explanation {
                task: task.id.clone(),
                replica,
                chosen,
                candidates: eligible.candidates,
                unfit: eligible.unfit,
            });
        }
        nodes_of.insert(&task.id, taken);
    }
    let assignment = |task: &TaskNeed| Assignment {
        task: task.id.clone(),
        level: task.level,
        nodes: nodes_of.get(&task.id).cloned().unwrap_or_default(),
    };
    let assignments = problem.by_level().into_iter().map(assignment).collect();
    Ok(Placement { assignments, explanation })
}
