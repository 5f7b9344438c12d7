//! A policy that is ready to be asked.

use crate::{
    check,
    error::PolicyError,
    eval::{self, Failure, Scene},
    expr::Expr,
    facts::{NodeFacts, PlanFacts, RequestFacts, TaskFacts},
};
use trustmesh_types::{
    PolicyId, limits,
    policy::{Policy, PolicyScope},
};

/// What a policy says of a plan, or of one assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is true.
    Holds,
    /// It is not.
    Broken(Broken),
}

/// Why a policy does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The policy.
    pub policy: PolicyId,
    /// Its message.
    pub message: String,
    /// Place of the assignment among the plan's, for a policy that is asked of each.
    pub assignment: Option<usize>,
    /// That assignment for people, as in `task a on node n1`.
    pub place: Option<String>,
    /// False, or not to be decided.
    pub why: Why,
}

/// How a policy does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The expression is false.
    False,
    /// The expression came to no value: it fails closed.
    Failed(Failure),
    /// The policy on the ledger is none that this program can read: it fails closed.
    Unreadable(String),
}

impl Broken {
    /// Whether breaking it is a fault, of a plan that is not stale: what reads load is none,
    /// and what can't be decided is its setter's doing (S9).
    #[must_use]
    pub fn is_fault(&self, reads_load: bool) -> bool {
        self.why == Why::False && !reads_load
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let policy = &self.policy;
        match &self.why {
            Why::False => write!(f, "policy {policy} does not hold")?,
            Why::Failed(failure) => {
                write!(f, "policy {policy} can't be decided, so it does not hold ({failure})")?;
            }
            Why::Unreadable(what) => {
                write!(f, "policy {policy} can't be read, so it does not hold ({what})")?;
            }
        }
        if let Some(place) = &self.place {
            write!(f, " for {place}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// A checked policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    id: PolicyId,
    scope: PolicyScope,
    message: String,
    expr: Expr,
    reads_load: bool,
    labels: Vec<String>,
}

impl Compiled {
    /// Checks a policy.
    ///
    /// # Errors
    /// [`PolicyError`] when the message is none or the expression is none that a policy may
    /// have.
    pub fn new(policy: &Policy) -> Result<Self, PolicyError> {
        check_message(&policy.message)?;
        let checked = check::check(&policy.expression, policy.scope)?;
        Ok(Self {
            id: policy.id.clone(),
            scope: policy.scope,
            message: policy.message.clone(),
            expr: checked.expr,
            reads_load: checked.reads_load,
            labels: checked.labels,
        })
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> &PolicyId {
        &self.id
    }

    /// What it is asked of.
    #[must_use]
    pub const fn scope(&self) -> PolicyScope {
        self.scope
    }

    /// Whether it reads what changes by itself: reservations, foreign use, misses.
    #[must_use]
    pub const fn reads_load(&self) -> bool {
        self.reads_load
    }

    /// The labels that it names.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// What it says of a plan. A policy of scope assignment is asked of each assignment in
    /// the plan's order, within one count of steps; the first that breaks it decides.
    #[must_use]
    pub fn check(&self, plan: &PlanFacts) -> Verdict {
        let mut steps = limits::POLICY_STEPS_MAX;
        match self.scope {
            PolicyScope::Plan => {
                let found = eval::holds(&self.expr, Scene::Plan(plan), &mut steps);
                self.verdict(found, None, None)
            }
            PolicyScope::Assignment => plan
                .assignments()
                .enumerate()
                .map(|(at, pair)| self.ask(plan.request(), pair, Some(at), &mut steps))
                .find(|verdict| *verdict != Verdict::Holds)
                .unwrap_or(Verdict::Holds),
        }
    }

    /// What a policy of scope assignment says of one pair; one of scope plan says nothing.
    #[must_use]
    pub fn check_pair(
        &self,
        request: &RequestFacts,
        task: &TaskFacts,
        node: &NodeFacts,
    ) -> Verdict {
        let mut steps = limits::POLICY_STEPS_MAX;
        match self.scope {
            PolicyScope::Plan => Verdict::Holds,
            PolicyScope::Assignment => self.ask(request, (task, node), None, &mut steps),
        }
    }

    fn ask(
        &self,
        request: &RequestFacts,
        (task, node): (&TaskFacts, &NodeFacts),
        at: Option<usize>,
        steps: &mut u64,
    ) -> Verdict {
        let scene = Scene::Assignment { request, task, node };
        let place = || format!("task {} on node {}", task.id, node.name);
        match eval::holds(&self.expr, scene, steps) {
            Ok(true) => Verdict::Holds,
            found => self.verdict(found, at, Some(place())),
        }
    }

    fn verdict(
        &self,
        found: Result<bool, Failure>,
        assignment: Option<usize>,
        place: Option<String>,
    ) -> Verdict {
        let why = match found {
            Ok(true) => return Verdict::Holds,
            Ok(false) => Why::False,
            Err(failure) => Why::Failed(failure),
        };
        let (policy, message) = (self.id.clone(), self.message.clone());
        Verdict::Broken(Broken { policy, message, assignment, place, why })
    }
}

fn check_message(message: &str) -> Result<(), PolicyError> {
    let max = limits::POLICY_MESSAGE_BYTES_MAX;
    let wrong = |what| Err(PolicyError::Message { what, max });
    if message.trim().is_empty() {
        wrong("is empty")
    } else if message.len() > max {
        wrong("is too long")
    } else if message.chars().any(char::is_control) {
        wrong("is not one line of plain text")
    } else {
        Ok(())
    }
}
