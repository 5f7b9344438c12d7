//! How an evil node differs from an honest one: a line of PROTOCOL §9 each. The node itself is
//! a real one, with one part swapped.

use serde::{Deserialize, Serialize};

macro_rules! deviations {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// See the module.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(rename_all = "kebab-case")]
        pub enum Deviation {
            $($(#[$doc])* $name,)+
        }

        impl Deviation {
            /// All of them, in the order of PROTOCOL §9.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Its name, as in a scenario's text.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

deviations! {
    /// Proposes plans for requests that name another node.
    UninvitedPlanner = "uninvited-planner",
    /// Proposes plans for requests that are Active already.
    LatePlanner = "late-planner",
    /// Designated for a new request, plans for one that has its plan already.
    Interferer = "interferer",
    /// Sends others' transactions again, expired, for another network, and altered.
    Replayer = "replayer",
    /// Signs transactions in another member's name.
    Forger = "forger",
    /// Leaves a task out of its plans.
    IncompletePlanner = "incomplete-planner",
    /// Plans a task twice.
    DoublingPlanner = "doubling-planner",
    /// Plans tasks at wrong levels.
    LevelPlanner = "level-planner",
    /// Assigns tasks to keys that are no nodes.
    UnknownNodePlanner = "unknown-node-planner",
    /// Plans more on one node than it attests.
    OverCapacityPlanner = "over-capacity-planner",
    /// Breaks the network's policies.
    PolicyBreaker = "policy-breaker",
    /// Never plans.
    SilentPlanner = "silent-planner",
    /// Plans just before its time is over, or after.
    SlowPlanner = "slow-planner",
    /// Declines everything.
    Decliner = "decliner",
    /// Sends two different plans for one designation.
    TwoPlans = "two-plans",
    /// Plans everything onto itself and then does nothing.
    Hog = "hog",
    /// Sends different blocks to different validators when it leads.
    EquivocatingLeader = "equivocating-leader",
    /// Leaves others' transactions out of its blocks.
    CensoringLeader = "censoring-leader",
    /// Orders a block's transactions to its liking.
    ReorderingLeader = "reordering-leader",
    /// Proposes nothing, or as late as it can.
    StallingLeader = "stalling-leader",
    /// Proposes blocks with an invalid transaction.
    InvalidTransactionLeader = "invalid-transaction-leader",
    /// Proposes blocks with a wrong state root.
    StateRootLeader = "state-root-leader",
    /// Proposes blocks with a timestamp out of bounds.
    TimestampLeader = "timestamp-leader",
    /// Fills its blocks with its own transactions.
    FloodingLeader = "flooding-leader",
    /// Votes twice in a view.
    DoubleVoter = "double-voter",
    /// Votes for what it has not executed.
    BlindVoter = "blind-voter",
    /// Reports resources that it does not have, or none.
    LyingReporter = "lying-reporter",
    /// Signs wrong outputs.
    WrongOutput = "wrong-output",
    /// Takes tasks and never completes them.
    NoOutput = "no-output",
    /// Serves other bytes than it signed.
    OtherBytes = "other-bytes",
    /// Gives outputs that are too large.
    HugeOutput = "huge-output",
    /// Signs completions and withholds the bytes.
    Withholder = "withholder",
    /// Signs two completions of one task.
    TwoCompletions = "two-completions",
    /// Never finalizes.
    SilentFinalizer = "silent-finalizer",
    /// Is gone as soon as it has finalized.
    LostFinalizer = "lost-finalizer",
    /// Signs the same wrong output as every other one of this kind.
    ColludingReplica = "colluding-replica",
    /// Alters, swaps, drops and replays what it keeps for others.
    LyingStore = "lying-store",
    /// Serves other artifacts than were asked for.
    ArtifactSwapper = "artifact-swapper",
    /// Sends completions and storage receipts forged in others' names.
    EvidenceForger = "evidence-forger",
    /// Redirects results to another device, or hands out results of its own making.
    ResultRedirector = "result-redirector",
    /// Floods the ledger with valid transactions.
    Flooder = "flooder",
    /// Sends garbage on every channel.
    Babbler = "babbler",
}

impl std::fmt::Display for Deviation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Deviation {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|it| it.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|it| it.name()).collect();
            format!("there is no deviation {name:?}; use one of {}", names.join(", "))
        })
    }
}
