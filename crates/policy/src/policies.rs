//! All policies of a network, ready to be asked.
//!
//! Those that read load come last, as C6 asks for what is attested before what is free: a
//! plan that breaks one of each kind is judged by the one that is a fault.

use crate::{
    compiled::{Broken, Compiled, Verdict, Why},
    facts::{NodeFacts, PlanFacts, RequestFacts, TaskFacts},
};
use std::collections::BTreeSet;
use trustmesh_types::{
    PolicyId,
    policy::{Policy, PolicyScope},
};

/// A network's policies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policies {
    compiled: Vec<Compiled>,
    /// Policies that can't be read, which no plan keeps to.
    unreadable: Vec<Broken>,
}

impl Policies {
    /// Reads policies. One that can't be read holds of no plan: the contract lets none onto
    /// the ledger, so that happens only if this program reads less than the one that set it.
    pub fn new<'a>(policies: impl IntoIterator<Item = &'a Policy>) -> Self {
        let mut all = Self::default();
        for policy in policies {
            match Compiled::new(policy) {
                Ok(compiled) => all.compiled.push(compiled),
                Err(error) => all.unreadable.push(Broken {
                    policy: policy.id.clone(),
                    message: policy.message.clone(),
                    assignment: None,
                    place: None,
                    why: Why::Unreadable(error.to_string()),
                }),
            }
        }
        all.compiled.sort_by_key(|it| (it.reads_load(), it.id().clone()));
        all
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.compiled.is_empty() && self.unreadable.is_empty()
    }

    /// Whether there is one that only a whole plan answers.
    #[must_use]
    pub fn asks_plans(&self) -> bool {
        let plan = |it: &Compiled| it.scope() == PolicyScope::Plan;
        !self.unreadable.is_empty() || self.compiled.iter().any(plan)
    }

    /// Whether the policy reads load.
    #[must_use]
    pub fn reads_load(&self, id: &PolicyId) -> bool {
        self.compiled.iter().any(|it| it.id() == id && it.reads_load())
    }

    /// Labels that policies of scope plan name, sorted.
    #[must_use]
    pub fn plan_labels(&self) -> BTreeSet<&str> {
        let plan = self.compiled.iter().filter(|it| it.scope() == PolicyScope::Plan);
        plan.flat_map(Compiled::labels).map(String::as_str).collect()
    }

    /// What all of them say of a plan: the first that does not hold decides.
    #[must_use]
    pub fn check(&self, plan: &PlanFacts) -> Verdict {
        let asked = self.compiled.iter().map(|it| it.check(plan));
        self.first(asked)
    }

    /// What those of scope assignment say of one pair.
    #[must_use]
    pub fn check_pair(
        &self,
        request: &RequestFacts,
        task: &TaskFacts,
        node: &NodeFacts,
    ) -> Verdict {
        let asked = self.compiled.iter().map(|it| it.check_pair(request, task, node));
        self.first(asked)
    }

    fn first(&self, mut asked: impl Iterator<Item = Verdict>) -> Verdict {
        match self.unreadable.first() {
            Some(broken) => Verdict::Broken(broken.clone()),
            None => asked.find(|it| *it != Verdict::Holds).unwrap_or(Verdict::Holds),
        }
    }
}
