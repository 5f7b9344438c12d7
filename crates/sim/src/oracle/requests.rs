//! Requests by the events of the final blocks: only the transitions of PROTOCOL §4 (S4), at
//! most one plan for a designation (S2), each signed by the node designated for that number
//! (S3), nobody honest charged (S9), and an end for everything (L1).

use super::{
    Violation,
    chain::{ChainView, Final},
};
use std::collections::{BTreeMap, BTreeSet};
use trustmesh_types::{
    Payload, PublicKey, RequestId, SignedTransaction, events::Event, genesis::Genesis,
    records::Status,
};

#[derive(Debug)]
struct Life {
    status: Status,
    /// Number and node of the newest designation; the node is gone when it ended in vain.
    designated: (u32, Option<PublicKey>),
    planned: BTreeSet<u32>,
}

struct Court<'a> {
    evil: &'a BTreeSet<PublicKey>,
    nodes: BTreeSet<PublicKey>,
    lives: BTreeMap<&'a RequestId, Life>,
    violations: Vec<Violation>,
}

/// Checks a chain.
pub(super) fn check(
    genesis: &Genesis,
    chain: &ChainView,
    evil: &BTreeSet<PublicKey>,
) -> Vec<Violation> {
    let nodes = genesis.nodes.iter().map(|node| node.key).collect();
    let mut court = Court { evil, nodes, lives: BTreeMap::new(), violations: Vec::new() };
    for block in chain.blocks() {
        court.block(block);
    }
    let open: Vec<String> = court
        .lives
        .iter()
        .filter(|(_, life)| !life.status.ended())
        .map(|(id, life)| format!("request {} is still {:?}", id.short(), life.status))
        .collect();
    open.into_iter().for_each(|what| court.complain("L1", what));
    court.violations
}

impl<'a> Court<'a> {
    fn complain(&mut self, property: &'static str, what: String) {
        self.violations.push(Violation::new(property, what));
    }

    fn block(&mut self, block: &'a Final) {
        let plans: Vec<(&SignedTransaction, &trustmesh_types::plan::Plan)> = block
            .applied()
            .filter_map(|tx| match &tx.transaction.payload {
                Payload::ConfirmSchedule(plan) => Some((tx, plan)),
                _ => None,
            })
            .collect();
        for (node, reason) in super::charges::charged(block) {
            if !self.evil.contains(&node) {
                self.complain("S9", format!("{} is charged: {reason}", node.short()));
            }
        }
        for event in &block.events {
            match event {
                Event::PlanConfirmed { request, designation } => {
                    let answering = plans.iter().filter(|(_, plan)| {
                        plan.request == *request && plan.designation == *designation
                    });
                    let signers: Vec<&SignedTransaction> = answering.map(|(tx, _)| *tx).collect();
                    self.confirmed(request, *designation, &signers);
                }
                other => self.event(other),
            }
        }
    }

    /// The life of a request, which must be known.
    fn life(&mut self, request: &'a RequestId, event: &Event) -> Option<&mut Life> {
        if !self.lives.contains_key(request) {
            let what = format!("request {} is not accepted, but has {event:?}", request.short());
            self.complain("S4", what);
        }
        self.lives.get_mut(request)
    }

    fn event(&mut self, event: &'a Event) {
        let Some(request) = event.request() else { return };
        if let Event::RequestAccepted { .. } = event {
            let life =
                Life { status: Status::Requested, designated: (0, None), planned: BTreeSet::new() };
            if self.lives.insert(request, life).is_some() {
                self.complain("S4", format!("request {} is accepted twice", request.short()));
            }
            return;
        }
        let nodes = self.nodes.clone();
        let Some(life) = self.life(request, event) else { return };
        let before = life.status;
        let (allowed, after) = match event {
            Event::Designated { designation, node, .. } => {
                let next = *designation == life.designated.0 + 1 && nodes.contains(node);
                life.designated = (*designation, Some(*node));
                (before == Status::Requested && next, before)
            }
            Event::DesignationEnded { designation, node, .. } => {
                let is_it = life.designated == (*designation, Some(*node));
                life.designated.1 = None;
                (before == Status::Requested && is_it, before)
            }
            Event::RequestWaiting { .. } => (before == Status::Requested, before),
            Event::TaskDone { .. } => (!before.ended(), before),
            Event::PlanAbandoned { designation, .. } => {
                let is_it = life.planned.last() == Some(designation);
                (before == Status::Active && is_it, Status::Requested)
            }
            Event::RequestFinalized { .. } => (before == Status::Active, Status::Finalized),
            Event::RequestFailed { .. } => (!before.ended(), Status::Failed),
            Event::RequestCancelled { .. } => (!before.ended(), Status::Cancelled),
            Event::OutputsDiffer { .. } => (!life.planned.is_empty(), before),
            _ => (before.ended(), before),
        };
        life.status = after;
        if !allowed {
            let what = format!("request {} is {before:?}, but has {event:?}", request.short());
            self.complain("S4", what);
        }
    }

    fn confirmed(
        &mut self,
        request: &'a RequestId,
        designation: u32,
        signers: &[&SignedTransaction],
    ) {
        let name = format!("the plan of request {} number {designation}", request.short());
        let Some(life) = self.lives.get_mut(request) else {
            return self.complain("S4", format!("{name} is for no accepted request"));
        };
        let (before, designated) = (life.status, life.designated);
        life.status = Status::Active;
        let fresh = life.planned.insert(designation);
        if before != Status::Requested {
            self.complain("S4", format!("{name} is confirmed while the request is {before:?}"));
        }
        if !fresh || signers.len() > 1 {
            self.complain("S2", format!("{name} is confirmed more than once"));
        }
        let [tx] = signers else {
            return self.complain("S3", format!("{name} stands in no transaction"));
        };
        let signer = tx.transaction.signer;
        if designated != (designation, Some(signer)) || tx.verify().is_err() {
            let what = format!("{name} is by {}, designated is {designated:?}", signer.short());
            self.complain("S3", what);
        }
    }
}
