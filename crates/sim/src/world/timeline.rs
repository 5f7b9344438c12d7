//! When plans are sent, refused and confirmed, in microseconds since the world began: what it
//! takes to detect a faulty plan, and to go on after it (paper, section VI-D).

use std::collections::{BTreeMap, VecDeque};
use trustmesh_state::Finalized;
use trustmesh_types::{Payload, PublicKey, RequestId, events::Event, plan::Plan, receipt::Outcome};

/// A plan that the ledger refused as a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Who sent it, by index.
    pub(crate) node: usize,
    /// When its sender gave it away.
    pub(crate) sent_us: u64,
    /// When the first honest node had the block that refuses it.
    pub(crate) detected_us: u64,
    /// Its request, and those whose designation its sender lost in that block.
    pub(crate) requests: Vec<RequestId>,
}

/// A designation that ended by silence.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Silent {
    /// When the first honest node had the block that designates.
    designated_us: u64,
    /// The request.
    request: RequestId,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    height: u64,
    /// Plans on their way, by sender, request and designation; a sender may repeat itself.
    sent: BTreeMap<(usize, RequestId, u32), VecDeque<u64>>,
    designated: BTreeMap<(RequestId, u32), u64>,
    confirmed: BTreeMap<RequestId, Vec<u64>>,
    pub(crate) refused: Vec<Refused>,
    silent: Vec<Silent>,
}

impl Timeline {
    /// A node sends a plan.
    pub(crate) fn sends(&mut self, at_us: u64, node: usize, plan: &Plan) {
        let key = (node, plan.request, plan.designation);
        self.sent.entry(key).or_default().push_back(at_us);
    }

    /// An honest node has a block; the first one counts.
    pub(crate) fn block(&mut self, at_us: u64, nodes: &[PublicKey], finalized: &Finalized) {
        let height = finalized.block.header.height;
        if height <= self.height {
            return;
        }
        self.height = height;
        for (tx, receipt) in finalized.block.transactions.iter().zip(&finalized.receipts) {
            if let (Payload::ConfirmSchedule(plan), Outcome::Rejected(rejection)) =
                (&tx.transaction.payload, &receipt.outcome)
                && rejection.fault
            {
                self.refuses(at_us, nodes, &tx.transaction.signer, plan, finalized);
            }
        }
        for event in &finalized.events {
            match event {
                Event::Designated { request, designation, .. } => {
                    self.designated.insert((*request, *designation), at_us);
                }
                Event::PlanConfirmed { request, .. } => {
                    self.confirmed.entry(*request).or_default().push(at_us);
                }
                Event::DesignationEnded { request, designation, reason, .. }
                    if reason.starts_with("no plan within") =>
                {
                    if let Some(designated_us) = self.designated.get(&(*request, *designation)) {
                        let silent = Silent { designated_us: *designated_us, request: *request };
                        self.silent.push(silent);
                    }
                }
                _ => {}
            }
        }
    }

    fn refuses(
        &mut self,
        detected_us: u64,
        nodes: &[PublicKey],
        signer: &PublicKey,
        plan: &Plan,
        finalized: &Finalized,
    ) {
        let Some(node) = nodes.iter().position(|node| node == signer) else { return };
        let sent = self.sent.get_mut(&(node, plan.request, plan.designation));
        let Some(sent_us) = sent.and_then(VecDeque::pop_front) else { return };
        let lost = finalized.events.iter().filter_map(|event| match event {
            Event::DesignationEnded { request, node, .. } if node == signer => Some(*request),
            _ => None,
        });
        let mut requests: Vec<RequestId> = lost.collect();
        if !requests.contains(&plan.request) {
            requests.push(plan.request);
        }
        self.refused.push(Refused { node, sent_us, detected_us, requests });
    }

    /// From the designation of a node that stayed silent until the next one's plan was Active.
    pub(crate) fn silences(&self) -> impl Iterator<Item = u64> {
        let mut last: BTreeMap<(RequestId, u64), u64> = BTreeMap::new();
        for silent in &self.silent {
            if let Some(at_us) = self.confirmed_after(&silent.request, silent.designated_us) {
                let designated_us = last.entry((silent.request, at_us)).or_default();
                *designated_us = silent.designated_us.max(*designated_us);
            }
        }
        last.into_iter().map(|((_, at_us), designated_us)| at_us.saturating_sub(designated_us))
    }

    /// When the first plan of a request became Active after a time.
    pub(crate) fn confirmed_after(&self, request: &RequestId, at_us: u64) -> Option<u64> {
        self.confirmed.get(request)?.iter().copied().find(|confirmed| *confirmed >= at_us)
    }

    /// Whether a request had an Active plan by a time.
    pub(crate) fn confirmed_by(&self, request: &RequestId, at_us: u64) -> bool {
        self.confirmed.get(request).is_some_and(|all| all.iter().any(|it| *it <= at_us))
    }
}
