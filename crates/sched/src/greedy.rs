//! Placing task by task, level by level, with a rule that says how likely each node is.
//!
//! A greedy plan can paint itself into a corner: a small task lands on the only node that a
//! later, larger one fits. So that a feasible request does get a plan (PROTOCOL §8, L1), a
//! plan that fails is drawn again a few times, and at last packed: largest task first, each
//! on the node where it leaves least. Policies that only a whole plan answers are asked of
//! each plan; when they refuse all of these, `search` looks on.

use crate::{
    board::Board,
    draw::draw,
    network_rules::{self, Refused},
    placement::{Candidate, Explanation, Placement, PlanError},
    problem::{Problem, TaskNeed},
    search,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use std::collections::BTreeMap;
use trustmesh_policy::Broken;
use trustmesh_types::{
    PublicKey, TaskId,
    plan::{Assignment, Unfit},
    resources::Resources,
};

/// Draws of a whole plan before it is packed.
const DRAWS_MAX: usize = 4;
/// The same, where there are policies that only a whole plan answers.
const DRAWS_WITH_POLICIES_MAX: usize = 16;

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
    let Some(first) = tasks.first() else { return Ok(Placement::default()) };
    let attempt = Attempt { problem, refused: network_rules::refused(problem) };
    let asks_plans = problem.rules.policies.asks_plans();
    let draws = if asks_plans { DRAWS_WITH_POLICIES_MAX } else { DRAWS_MAX };
    let (mut first_error, mut broken, mut unfit) = (None, None, 0_usize);
    for _ in 0..draws {
        match attempt.kept(&tasks, &mut by_rule(problem, rule, &mut rng)) {
            Ok(placement) => return Ok(placement),
            Err(Missed::Broken(by)) => broken = Some(by),
            Err(Missed::Unfit(error)) => {
                first_error.get_or_insert(error);
                unfit = unfit.saturating_add(1);
                if unfit >= DRAWS_MAX {
                    break;
                }
            }
        }
    }
    let mut largest_first = tasks.clone();
    largest_first.sort_by_key(|t| std::cmp::Reverse(bulk(&t.requirements)));
    let by = match (attempt.kept(&largest_first, &mut tightest), broken) {
        (Ok(placement), _) => return Ok(placement),
        (Err(Missed::Broken(by)), _) | (Err(Missed::Unfit(_)), Some(by)) => by,
        // No policy ever refused a plan: it is room that is missing.
        (Err(Missed::Unfit(error)), None) => return Err(first_error.unwrap_or(error)),
    };
    match search::search(&attempt, &largest_first, &mut rng) {
        Ok(settled) => Ok(settled.placement()),
        Err(last) => Err(no_plan_keeps(first, problem, &last.unwrap_or(by))),
    }
}

/// Each node fits by itself, and no plan was found that keeps to a policy.
fn no_plan_keeps(first: &TaskNeed, problem: &Problem, broken: &Broken) -> PlanError {
    let reason = format!("is in no plan found that keeps to the policies: {broken}");
    let unfit = |node: PublicKey| Unfit { node, reason: reason.clone() };
    PlanError::Infeasible {
        task: first.id.clone(),
        unfit: problem.nodes.iter().map(|node| unfit(node.key)).collect(),
    }
}

pub(crate) type Choose<'a> = dyn FnMut(&Board<'_>, &mut [Candidate]) -> Option<usize> + 'a;

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

/// Why an attempt gave no plan.
enum Missed {
    /// A run of a task fits nowhere.
    Unfit(PlanError),
    /// A whole plan that a policy refuses.
    Broken(Broken),
}

/// A plan that fits.
pub(crate) struct Settled {
    pub assignments: Vec<Assignment>,
    explanation: Vec<Explanation>,
}

impl Settled {
    pub(crate) fn placement(self) -> Placement {
        Placement { assignments: self.assignments, explanation: self.explanation }
    }
}

/// What all attempts at a plan share.
pub(crate) struct Attempt<'a> {
    pub problem: &'a Problem,
    /// Pairs that policies refuse.
    pub refused: Refused<'a>,
}

impl Attempt<'_> {
    /// A plan that fits and keeps to all policies.
    fn kept(&self, tasks: &[&TaskNeed], choose: &mut Choose<'_>) -> Result<Placement, Missed> {
        let settled = self.make(tasks, choose).map_err(Missed::Unfit)?;
        match self.problem.rules.check(&settled.assignments) {
            Ok(()) => Ok(settled.placement()),
            Err(broken) => Err(Missed::Broken(broken)),
        }
    }

    /// A plan that fits: every run of every task where `choose` says.
    pub(crate) fn make(
        &self,
        tasks: &[&TaskNeed],
        choose: &mut Choose<'_>,
    ) -> Result<Settled, PlanError> {
        let mut board = Board::new(self.problem);
        let mut explanation = Vec::new();
        let mut nodes = Vec::new();
        for task in tasks {
            let begin = nodes.len();
            for replica in 0..task.replicas {
                let taken = nodes.get(begin..).unwrap_or_default();
                let mut eligible = board.eligible(task, taken, &self.refused);
                let chosen = choose(&board, &mut eligible.candidates)
                    .and_then(|at| eligible.candidates.get(at))
                    .map(|c| c.node);
                let Some(chosen) = chosen else {
                    let unfit = eligible.unfit;
                    return Err(PlanError::Infeasible { task: task.id.clone(), unfit });
                };
                board.take(&chosen, task);
                nodes.push(chosen);
                explanation.push(Explanation {
                    task: task.id.clone(),
                    replica,
                    chosen,
                    candidates: eligible.candidates,
                    unfit: eligible.unfit,
                });
            }
        }
        Ok(Settled { assignments: self.assignments(tasks, &nodes), explanation })
    }

    /// Assignments in the order of levels, of nodes in the order of `tasks` and their runs.
    pub(crate) fn assignments(&self, tasks: &[&TaskNeed], nodes: &[PublicKey]) -> Vec<Assignment> {
        let mut nodes = nodes.iter().copied();
        let nodes_of: BTreeMap<&TaskId, Vec<PublicKey>> = tasks
            .iter()
            .map(|task| (&task.id, nodes.by_ref().take(usize::from(task.replicas)).collect()))
            .collect();
        let assignment = |task: &TaskNeed| Assignment {
            task: task.id.clone(),
            level: task.level,
            nodes: nodes_of.get(&task.id).cloned().unwrap_or_default(),
        };
        self.problem.by_level().into_iter().map(assignment).collect()
    }
}
