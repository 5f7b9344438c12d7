//! Requests by the events of the final blocks: only the transitions of PROTOCOL §4 (S4), at
//! most one plan for a designation (S2), each signed by the node designated for that number
//! (S3).

use super::Violation;
use std::collections::{BTreeMap, BTreeSet};
use trustmesh_types::{
    Digest, Payload, PublicKey, RequestId, SignedTransaction, WorkflowId, events::Event,
    records::Status,
};

/// A request's life so far.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) status: Status,
    /// Block time of its acceptance.
    pub(super) accepted_ms: u64,
    /// Block time at which it first was Active.
    pub(super) active_ms: Option<u64>,
    /// Its input.
    pub(super) input: Digest,
    pub(super) workflow: WorkflowId,
    /// Nodes designated in vain since the exclusions were last cleared.
    pub(super) in_vain: BTreeSet<PublicKey>,
    /// Number and node of the newest designation; the node is gone when it ended in vain.
    designated: (u32, Option<PublicKey>),
    planned: BTreeSet<u32>,
}

/// The lives of all requests.
#[derive(Debug, Default)]
pub(super) struct Lives {
    all: BTreeMap<RequestId, Life>,
}

fn broken(property: &'static str, what: String) -> Result<(), Violation> {
    Err(Violation::new(property, what))
}

impl Lives {
    pub(super) fn of(&self, request: &RequestId) -> Option<&Life> {
        self.all.get(request)
    }

    /// Those that have not ended.
    pub(super) fn open(&self) -> impl Iterator<Item = (&RequestId, &Life)> {
        self.all.iter().filter(|(_, life)| !life.status.ended())
    }

    /// The transaction `tx` brought a request.
    pub(super) fn accepted(
        &mut self,
        request: RequestId,
        tx: Option<&SignedTransaction>,
        at_ms: u64,
    ) -> Result<(), Violation> {
        let Some(Payload::SubmitRequest(submission)) = tx.map(|tx| &tx.transaction.payload) else {
            let what = format!("request {} is accepted by no transaction", request.short());
            return broken("S4", what);
        };
        let life = Life {
            status: Status::Requested,
            accepted_ms: at_ms,
            active_ms: None,
            input: submission.body.input,
            workflow: submission.body.workflow.clone(),
            in_vain: BTreeSet::new(),
            designated: (0, None),
            planned: BTreeSet::new(),
        };
        match self.all.insert(request, life) {
            None => Ok(()),
            Some(_) => broken("S4", format!("request {} is accepted twice", request.short())),
        }
    }

    /// A plan becomes Active; `tx` is the transaction that says so.
    pub(super) fn confirmed(
        &mut self,
        request: &RequestId,
        designation: u32,
        tx: Option<&SignedTransaction>,
        at_ms: u64,
    ) -> Result<(), Violation> {
        let name = format!("the plan of request {} number {designation}", request.short());
        let Some(life) = self.all.get_mut(request) else {
            return broken("S4", format!("{name} is for no accepted request"));
        };
        let (before, designated) = (life.status, life.designated);
        life.status = Status::Active;
        life.active_ms.get_or_insert(at_ms);
        life.in_vain.clear();
        let fresh = life.planned.insert(designation);
        if before != Status::Requested {
            return broken("S4", format!("{name} is confirmed while the request is {before:?}"));
        }
        if !fresh {
            return broken("S2", format!("{name} is confirmed more than once"));
        }
        let Some(tx) = tx else {
            return broken("S3", format!("{name} stands in no transaction"));
        };
        let signer = tx.transaction.signer;
        if designated != (designation, Some(signer)) || tx.verify().is_err() {
            let what = format!("{name} is by {}, designated is {designated:?}", signer.short());
            return broken("S3", what);
        }
        Ok(())
    }

    /// Anything else that happens to a request.
    pub(super) fn event(
        &mut self,
        request: &RequestId,
        event: &Event,
        nodes: impl Fn(&PublicKey) -> bool,
    ) -> Result<(), Violation> {
        let Some(life) = self.all.get_mut(request) else {
            let what = format!("request {} is not accepted, but has {event:?}", request.short());
            return broken("S4", what);
        };
        let before = life.status;
        let (allowed, after) = match event {
            Event::Designated { designation, node, .. } => {
                let next = *designation == life.designated.0 + 1 && nodes(node);
                life.designated = (*designation, Some(*node));
                (before == Status::Requested && next, before)
            }
            Event::DesignationEnded { designation, node, .. } => {
                let is_it = life.designated == (*designation, Some(*node));
                life.designated.1 = None;
                life.in_vain.insert(*node);
                (before == Status::Requested && is_it, before)
            }
            Event::RequestWaiting { .. } => {
                life.in_vain.clear();
                (before == Status::Requested, before)
            }
            Event::TaskDone { .. } => (!before.ended(), before),
            Event::PlanAbandoned { designation, .. } => {
                let is_it = life.planned.last() == Some(designation);
                life.in_vain.clear();
                (before == Status::Active && is_it, Status::Requested)
            }
            Event::RequestFinalized { .. } => (before == Status::Active, Status::Finalized),
            Event::RequestFailed { .. } => (!before.ended(), Status::Failed),
            Event::RequestCancelled { .. } => (!before.ended(), Status::Cancelled),
            Event::RequestRetired { .. } => (before.ended(), before),
            _ => (true, before),
        };
        life.status = after;
        if allowed {
            return Ok(());
        }
        broken("S4", format!("request {} is {before:?}, but has {event:?}", request.short()))
    }
}
