//! Mutants: one check of the code under test left out, to show that a judge can fail.
//!
//! The simulator and the model check believe nothing that they could not refute: each
//! mutant must break a property that they watch. A hook is one short condition at the
//! place of the check, `… || mutated(Mutant::X)`.
//!
//! Invariant: without the feature `mutants`, which only dev-dependencies of test crates
//! switch on, [`mutated`] is the constant `false` and nothing can be left out. With it,
//! nothing is left out either until a test asks for it, on its own thread.

/// A check or a duty that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mutant {
    /// C1: any node's plan counts as the designated one's.
    C1Off,
    /// C2: a plan counts for a past designation, or for a request that is active already.
    C2Off,
    /// C3: a plan may lack tasks, or plan them twice.
    C3Off,
    /// C4: a task may be planned at any level.
    C4Off,
    /// C5: any member node may be assigned any task.
    C5Off,
    /// C6: a plan may ask more than is free, or than there is.
    C6Off,
    /// What a plan reserved is never given back.
    ReservationsKept,
    /// A validator's storage receipt counts as often as it is given.
    ReceiptCountedTwice,
    /// The contracts do not check the signatures of completions.
    CompletionUnchecked,
    /// The contracts do not compare a task's inputs with its predecessors' outputs.
    InputUnchecked,
    /// A designated node may take for ever to plan.
    GenerationNeverDue,
    /// A plan may take for ever to run.
    ExecutionNeverDue,
    /// A request outlives its own deadline.
    RequestNeverDue,
    /// A transaction counts as often as it comes.
    ReplayAccepted,
    /// Tasks that are done are forgotten with the plan that they were done under.
    DoneForgotten,
    /// A stale plan is a fault.
    StaleIsFault,
    /// An agent takes bytes of another digest for those that it wanted.
    BlobUnchecked,
    /// An agent believes completions that their nodes did not sign.
    HeardUnchecked,
    /// Only the first finalizer ever finalizes.
    NoTakeOver,
    /// After a restart a node does not know what it signed before.
    CompletionsForgotten,
    /// An agent signs for bytes that are not durable yet.
    ReceiptEarly,
}

impl Mutant {
    /// Every mutant.
    pub const ALL: [Self; 21] = [
        Self::C1Off,
        Self::C2Off,
        Self::C3Off,
        Self::C4Off,
        Self::C5Off,
        Self::C6Off,
        Self::ReservationsKept,
        Self::ReceiptCountedTwice,
        Self::CompletionUnchecked,
        Self::InputUnchecked,
        Self::GenerationNeverDue,
        Self::ExecutionNeverDue,
        Self::RequestNeverDue,
        Self::ReplayAccepted,
        Self::DoneForgotten,
        Self::StaleIsFault,
        Self::BlobUnchecked,
        Self::HeardUnchecked,
        Self::NoTakeOver,
        Self::CompletionsForgotten,
        Self::ReceiptEarly,
    ];
}

/// Whether the code under test shall leave this out: never, in a build without the feature.
#[cfg(not(feature = "mutants"))]
#[must_use]
pub const fn mutated(_mutant: Mutant) -> bool {
    false
}

#[cfg(feature = "mutants")]
mod current {
    use super::Mutant;
    use std::cell::Cell;

    thread_local! {
        static CURRENT: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Whether the code under test shall leave this out.
    #[must_use]
    pub fn mutated(mutant: Mutant) -> bool {
        CURRENT.get() == Some(mutant)
    }

    /// Leaves one thing out on this thread from now on, or nothing any more.
    pub fn set(mutant: Option<Mutant>) {
        CURRENT.set(mutant);
    }

    /// Leaves one thing out on this thread until the guard is dropped.
    #[must_use]
    pub fn mutate(mutant: Mutant) -> Mutated {
        set(Some(mutant));
        Mutated(())
    }

    /// Ends a mutation when it is dropped.
    #[derive(Debug)]
    pub struct Mutated(());

    impl Drop for Mutated {
        fn drop(&mut self) {
            set(None);
        }
    }
}

#[cfg(feature = "mutants")]
pub use current::{Mutated, mutate, mutated, set};
