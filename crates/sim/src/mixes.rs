//! Kinds of drawn scenarios: what may go wrong in each. A seed draws the rest ([`crate::Terms`]).

use serde::{Deserialize, Serialize};

/// Something that may go wrong, or vary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ingredient {
    /// Nodes are killed and never come back.
    Lost,
    /// Nodes are killed and come back, at times all of them at once.
    Churn,
    /// Nodes never say their plans, for a while.
    Silence,
    /// Messages get lost, are late, come twice.
    Weather,
    /// Nodes can't reach each other, in both directions or one.
    Partition,
    /// Clocks are wrong.
    Skew,
    /// Many requests at once, and members that flood the ledger.
    Flood,
    /// Operators stop and start applications, create and retire workflows.
    Operators,
    /// An application fails wherever it runs.
    Failing,
    /// Evil nodes.
    Evil,
}

/// A kind of drawn scenario.
#[derive(Debug, Clone, Copy)]
pub struct Mix {
    /// Its name.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    /// What is always in it.
    pub(crate) always: &'static [Ingredient],
    /// What is in it in half of all seeds.
    pub(crate) maybe: &'static [Ingredient],
}

use Ingredient::{Churn, Evil, Failing, Flood, Lost, Operators, Partition, Silence, Skew, Weather};

/// All kinds.
pub const MIXES: [Mix; 12] = [
    Mix { name: "calm", about: "nothing goes wrong", always: &[], maybe: &[Operators] },
    Mix { name: "dead-node", about: "nodes die for good", always: &[Lost], maybe: &[Weather] },
    Mix {
        name: "silent-planner",
        about: "nodes never say their plans, for a while",
        always: &[Silence],
        maybe: &[Lost],
    },
    Mix {
        name: "failing-app",
        about: "an application fails wherever it runs",
        always: &[Failing],
        maybe: &[Operators, Churn],
    },
    Mix {
        name: "loss",
        about: "messages get lost, are late, come twice",
        always: &[Weather],
        maybe: &[Skew],
    },
    Mix {
        name: "partition",
        about: "nodes can't reach each other, for a while",
        always: &[Partition],
        maybe: &[Weather],
    },
    Mix {
        name: "churn",
        about: "nodes are killed and come back, and lose what was not durable",
        always: &[Churn],
        maybe: &[Lost, Weather],
    },
    Mix { name: "skew", about: "clocks are wrong", always: &[Skew], maybe: &[Weather, Churn] },
    Mix {
        name: "flood",
        about: "many requests at once, members flood the ledger",
        always: &[Flood],
        maybe: &[Weather],
    },
    Mix { name: "byzantine", about: "evil nodes", always: &[Evil], maybe: &[Weather] },
    Mix {
        name: "byzantine-faults",
        about: "evil nodes amid faults",
        always: &[Evil],
        maybe: &[Lost, Churn, Partition, Skew],
    },
    Mix {
        name: "everything",
        about: "any of it at once",
        always: &[],
        maybe: &[Lost, Churn, Silence, Weather, Partition, Skew, Flood, Operators, Failing, Evil],
    },
];

/// The kind of a name.
#[must_use]
pub fn mix(name: &str) -> Option<&'static Mix> {
    MIXES.iter().find(|mix| mix.name == name)
}
