//! The judge: what must always hold, by rules of its own, read off blocks and effects
//! (PROTOCOL §8). The first thing that is broken stays.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use trustmesh_agent::Delivery;
use trustmesh_types::{
    Digest, PublicKey, RequestId, TaskId, codec,
    events::Event,
    evidence::SignedCompletion,
    records::{RequestRecord, Status},
};

/// What must never happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Broken {
    /// S2: a second plan became Active for a designation, or for an Active request, or one for
    /// a past designation.
    SecondPlan,
    /// S3: an Active plan was signed by another node than the designated one.
    ForeignPlan,
    /// S3: an Active plan breaks C3, C4 or C5.
    BadPlan,
    /// S4: a transition that PROTOCOL §4 does not have.
    Transition,
    /// S6: a node's reservation is not the sum of what Active plans hold there, or is more
    /// than it has.
    Reservations,
    /// S7: a result that is not what the ledger finalized.
    Result,
    /// S8: fewer than f+1 validators hold an input or a result, or one signed for bytes
    /// that it does not hold.
    TooFewHolders,
    /// S9: an honest node was charged with a fault.
    HonestCharged,
    /// A fault was recorded, and its node still has a designation.
    StillDesignated,
    /// L1: a deadline passed and did not fire.
    DeadlineMissed,
    /// L1: the clock stands and a request has not ended.
    Endless,
    /// L1: nothing but the evil node was in the way, and a request did not end well.
    NotFinalized,
    /// L1: all tasks were completed in time, and the plan was abandoned.
    NotTakenOver,
    /// L1: more execution attempts than allowed.
    Attempts,
    /// A task that was done is open again.
    DoneLost,
    /// A finalized request's completions are forged, by others than its plan's nodes, or
    /// ran on other inputs than their predecessors' outputs.
    BadEvidence,
    /// An honest node brought a completion to the ledger that is forged.
    Believed,
    /// A node signed two completions of a task under one designation.
    TwoCompletions,
    /// A node said in its own name what is not on its disk.
    NotDurable,
    /// A node keeps bytes under a digest that is not theirs.
    WrongBytes,
    /// A transaction was taken a second time.
    Replayed,
    /// A block of valid transactions was refused.
    BlockRefused,
    /// Agents go on and on at one moment.
    Restless,
}

/// What the judge remembers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch {
    /// Whom each designation named, by the events.
    pub(crate) designated: Arc<BTreeMap<(RequestId, u32), PublicKey>>,
    confirmed: BTreeSet<(RequestId, u32)>,
    status: BTreeMap<RequestId, Status>,
    signed: BTreeMap<(usize, RequestId, u32, TaskId), Digest>,
    /// Requests that the ledger refused.
    pub(crate) refused: BTreeSet<RequestId>,
    /// Whether somebody was charged with a fault.
    pub(crate) charged: bool,
    /// Whether an Active plan came to nothing.
    pub(crate) abandoned: bool,
    /// Whether a request waited for a designee.
    pub(crate) waited: bool,
    /// What was broken first.
    pub(crate) broken: Option<Broken>,
}

impl Watch {
    /// Something is broken.
    pub(crate) fn report(&mut self, broken: Broken) {
        self.broken.get_or_insert(broken);
    }

    /// A plan became Active.
    pub(crate) fn confirmed(&mut self, id: RequestId, designation: u32, signer: &PublicKey) {
        let first = self.confirmed.insert((id, designation));
        let last = self.designated.range((id, 0)..=(id, u32::MAX)).next_back();
        let current = last.is_some_and(|((_, number), _)| *number == designation);
        if !first || !current || self.status.get(&id) != Some(&Status::Requested) {
            self.report(Broken::SecondPlan);
        }
        if self.designated.get(&(id, designation)) != Some(signer) {
            self.report(Broken::ForeignPlan);
        }
    }

    /// What happened in a block, in order.
    pub(crate) fn happened(&mut self, event: &Event) {
        let step = match event {
            Event::RequestAccepted { request } => (*request, None, Status::Requested),
            Event::PlanConfirmed { request, .. } => {
                (*request, Some(Status::Requested), Status::Active)
            }
            Event::PlanAbandoned { request, .. } => {
                self.abandoned = true;
                (*request, Some(Status::Active), Status::Requested)
            }
            Event::RequestFinalized { request } => {
                (*request, Some(Status::Active), Status::Finalized)
            }
            Event::RequestFailed { request, .. } => {
                let from = self.status.get(request).copied().filter(|s| !s.ended());
                (*request, Some(from.unwrap_or(Status::Requested)), Status::Failed)
            }
            Event::Designated { request, designation, node } => {
                Arc::make_mut(&mut self.designated).insert((*request, *designation), *node);
                return;
            }
            Event::RequestWaiting { .. } => {
                self.waited = true;
                return;
            }
            Event::Fault { .. } => {
                self.charged = true;
                return;
            }
            _ => return,
        };
        let (id, from, to) = step;
        if self.status.insert(id, to) != from {
            self.report(Broken::Transition);
        }
    }

    /// A node signed a completion of its own.
    pub(crate) fn completed(&mut self, at: usize, signed: &SignedCompletion) {
        let completion = &signed.completion;
        let of = (at, completion.request, completion.designation, completion.task.clone());
        let digest = Digest::of(&codec::encode(completion));
        if self.signed.insert(of, digest).is_some_and(|before| before != digest) {
            self.report(Broken::TwoCompletions);
        }
    }

    /// A node hands out a result.
    pub(crate) fn delivered(&mut self, record: Option<&RequestRecord>, delivery: &Delivery) {
        let finalized = record.filter(|r| r.status == Status::Finalized);
        let right = delivery.outputs.iter().all(|(task, data)| {
            let named = finalized.and_then(|r| r.completion(task));
            named.is_some_and(|it| it.completion.output == Digest::of(data))
        });
        if !right {
            self.report(Broken::Result);
        }
    }
}
