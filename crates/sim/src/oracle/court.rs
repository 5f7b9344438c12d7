//! The court: hears what honest nodes deliver, judges each new block once, in the order of
//! its events, and stops at the first violation.

use super::{
    Violation,
    books::Books,
    chain::{ChainView, Delivered, Final, Reader},
    charges::{self, Charge},
    deadlines::Deadlines,
    endings,
    lives::Lives,
    results,
    roster::Roster,
    transactions::Law,
};
use crate::{scenario::Scenario, world::Asked};
use std::collections::{BTreeMap, BTreeSet};
use trustmesh_state::{Finalized, State};
use trustmesh_types::{
    Digest, NetworkId, Payload, PublicKey, RequestId, SignedTransaction,
    events::Event,
    genesis::{Genesis, faults_tolerated},
    limits::PLAN_REJECTIONS_MAX,
    plan::Plan,
    receipt::Outcome,
    request::Submission,
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Court {
    network: NetworkId,
    /// Keys of the nodes, by index.
    nodes: Vec<PublicKey>,
    evil: BTreeSet<PublicKey>,
    /// Faulty validators that are tolerated.
    tolerated: usize,
    chain: ChainView,
    lives: Lives,
    books: Books,
    roster: Roster,
    law: Law,
    deadlines: Deadlines,
    /// Plans that were rejected without fault, by request, designation and signer.
    rejected: BTreeMap<(RequestId, u32, PublicKey), u8>,
    violations: Vec<Violation>,
}

/// What is known when a world closes.
pub(crate) struct Close<'a> {
    /// What was played.
    pub(crate) scenario: &'a Scenario,
    /// A state after the newest block, if an honest node has it.
    pub(crate) newest: Option<&'a State>,
    /// What devices asked and got.
    pub(crate) asked: &'a [Asked],
    /// Honest nodes that are up.
    pub(crate) up: &'a [usize],
}

/// What a block says beside its events.
struct Block<'a> {
    height: u64,
    now_ms: u64,
    reader: Reader<'a>,
    declined: BTreeSet<(RequestId, u32)>,
    charged: BTreeSet<PublicKey>,
}

impl Court {
    /// A court over a world whose evil nodes are known.
    pub(crate) fn new(genesis: &Genesis, nodes: Vec<PublicKey>, evil: BTreeSet<PublicKey>) -> Self {
        Self {
            network: genesis.network_id(),
            nodes,
            evil,
            tolerated: faults_tolerated(genesis.validators().len()),
            chain: ChainView::default(),
            lives: Lives::default(),
            books: Books::default(),
            roster: Roster::new(genesis),
            law: Law::new(genesis),
            deadlines: Deadlines::new(&genesis.parameters),
            rejected: BTreeMap::new(),
            violations: Vec::new(),
        }
    }

    /// The chain so far.
    pub(crate) const fn chain(&self) -> &ChainView {
        &self.chain
    }

    /// Whether the node of an index is evil.
    pub(crate) fn is_evil(&self, node: usize) -> bool {
        self.nodes.get(node).is_some_and(|key| self.evil.contains(key))
    }

    /// Keys of the nodes, by index.
    pub(crate) fn nodes(&self) -> &[PublicKey] {
        &self.nodes
    }

    /// What must never happen and did.
    pub(crate) fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Something that must never happen did.
    pub(crate) fn complain(&mut self, violation: Violation) {
        self.violations.push(violation);
    }

    /// Whom the ledger charged, in order.
    pub(crate) fn charges(&self) -> Vec<Charge> {
        charges::charges(&self.nodes, &self.chain)
    }

    /// Validators whose conflicting votes were reported on the ledger, by index.
    pub(crate) fn reported_voters(&self) -> BTreeSet<usize> {
        let applied = self.chain.blocks().flat_map(Final::applied);
        let voters = applied.filter_map(|tx| match &tx.transaction.payload {
            Payload::ReportVotes(votes) => self.nodes.iter().position(|node| *node == votes.voter),
            _ => None,
        });
        voters.collect()
    }

    /// Requests that have not ended, with the digests of their inputs.
    pub(crate) fn open_inputs(&self) -> Vec<(RequestId, Digest)> {
        self.lives.open().map(|(id, life)| (*id, life.input)).collect()
    }

    /// A node delivers a block. What evil nodes say that they deliver is no matter.
    pub(crate) fn deliver(&mut self, node: usize, finalized: &Finalized) {
        if self.is_evil(node) || !self.violations.is_empty() {
            return;
        }
        let judged = match self.chain.add(node, finalized) {
            Ok(Delivered::First(block)) => self.judge(&block),
            Ok(Delivered::Again) => Ok(()),
            Err(violation) => Err(violation),
        };
        self.violations.extend(judged.err());
    }

    fn judge(&mut self, block: &Final) -> Result<(), Violation> {
        self.law.block(block)?;
        self.roster.begin();
        self.count_rejected(block);
        let declines = block.applied().filter_map(|tx| match &tx.transaction.payload {
            Payload::DeclineSchedule(decline) => Some((decline.request, decline.designation)),
            _ => None,
        });
        let mut at = Block {
            height: block.block.header.height,
            now_ms: block.block.header.timestamp_ms,
            reader: block.reader(),
            declined: declines.collect(),
            charged: BTreeSet::new(),
        };
        let mut confirmed = 0;
        for event in &block.events {
            confirmed += usize::from(matches!(event, Event::PlanConfirmed { .. }));
            self.event(&mut at, event)?;
        }
        self.deadlines.check(at.height, at.now_ms)?;
        let is_plan =
            |tx: &&SignedTransaction| matches!(tx.transaction.payload, Payload::ConfirmSchedule(_));
        if block.applied().filter(is_plan).count() != confirmed {
            let what = format!("block {} applies a plan that does not become Active", at.height);
            return Err(Violation::new("S2", what));
        }
        Ok(())
    }

    fn count_rejected(&mut self, block: &Final) {
        for (tx, receipt) in block.block.transactions.iter().zip(&block.receipts) {
            if let (Payload::ConfirmSchedule(plan), Outcome::Rejected(rejection)) =
                (&tx.transaction.payload, &receipt.outcome)
                && !rejection.fault
            {
                let key = (plan.request, plan.designation, tx.transaction.signer);
                let count = self.rejected.entry(key).or_default();
                *count = count.saturating_add(1);
            }
        }
    }

    fn event(&mut self, at: &mut Block<'_>, event: &Event) -> Result<(), Violation> {
        if let Some(violation) = charges::check(&self.evil, &self.nodes, event) {
            return Err(violation);
        }
        at.charged.extend(charges::charged(event).map(|(node, _)| *node));
        self.books.change(event, at.height, &mut at.reader);
        self.members(at, event);
        let Some(request) = event.request() else { return Ok(()) };
        match event {
            Event::RequestAccepted { .. } => {
                let is_it = |payload: &Payload| matches!(payload, Payload::SubmitRequest(s) if s.body.id() == *request);
                let tx = at.reader.next(|_, payload| is_it(payload));
                if let Some(Payload::SubmitRequest(submission)) =
                    tx.map(|tx| &tx.transaction.payload)
                {
                    self.kept(submission)?;
                    self.deadlines.accepted(*request, submission.body.deadline_ms);
                }
                return self.lives.accepted(*request, tx, at.now_ms);
            }
            Event::PlanConfirmed { designation, .. } => {
                return self.confirmed(at, request, *designation);
            }
            Event::Designated { node, .. } => {
                self.check_turn(at, request, Some(node))?;
                self.deadlines.designated(request, (at.height, at.now_ms));
            }
            Event::RequestWaiting { .. } => {
                self.check_turn(at, request, None)?;
                self.deadlines.idle(request);
            }
            Event::DesignationEnded { designation, node, .. } => {
                self.ended_in_vain(at, request, *designation, node);
            }
            Event::TaskDone { task, .. } => self.books.done(request, task),
            Event::PlanAbandoned { .. } => {
                self.books.over(request);
                self.deadlines.idle(request);
            }
            Event::RequestFinalized { .. }
            | Event::RequestFailed { .. }
            | Event::RequestCancelled { .. } => {
                self.books.over(request);
                self.deadlines.ended(request);
            }
            _ => {}
        }
        let roster = &self.roster;
        self.lives.event(request, event, |node| roster.knows(node))
    }

    /// S8: more nodes than may be faulty signed to hold an accepted request's input.
    fn kept(&self, submission: &Submission) -> Result<(), Violation> {
        let body = &submission.body;
        let about = (body.id().0, body.input, body.input_bytes);
        let holders: BTreeSet<&PublicKey> = submission
            .receipts
            .iter()
            .filter(|it| (it.subject, it.digest, it.bytes) == about)
            .filter(|it| self.nodes.contains(&it.validator) && it.verify(&self.network).is_ok())
            .map(|it| &it.validator)
            .collect();
        if holders.len() > self.tolerated {
            return Ok(());
        }
        let (id, count) = (body.id().short(), holders.len());
        Err(Violation::new("S8", format!("{count} nodes hold the input of accepted request {id}")))
    }

    /// What an event changes about nodes.
    fn members(&mut self, at: &mut Block<'_>, event: &Event) {
        match event {
            Event::NodeAdmitted { node } => {
                let is_it =
                    |payload: &Payload| matches!(payload, Payload::AdmitNode(i) if i.key == *node);
                let tx = at.reader.next(|_, payload| is_it(payload));
                if let Some(Payload::AdmitNode(info)) = tx.map(|tx| &tx.transaction.payload) {
                    self.roster.admitted(info);
                }
            }
            Event::ResourcesReported { node } => {
                let tx = at.reader.next(|tx, payload| {
                    tx.transaction.signer == *node && matches!(payload, Payload::ReportResources(_))
                });
                if let Some(Payload::ReportResources(report)) = tx.map(|tx| &tx.transaction.payload)
                {
                    self.roster.reported(node, report, at.now_ms);
                }
            }
            Event::ResourcesExpired { node } => self.roster.expired(node),
            Event::NodeQuarantined { node, .. } => self.roster.quarantined(node, true),
            Event::QuarantineLifted { node } => self.roster.quarantined(node, false),
            Event::ParametersChanged => {
                let is_it = |payload: &Payload| matches!(payload, Payload::SetParameters(_));
                let tx = at.reader.next(|_, payload| is_it(payload));
                if let Some(Payload::SetParameters(change)) = tx.map(|tx| &tx.transaction.payload) {
                    self.roster.parameters(&change.parameters);
                    self.deadlines.parameters(&change.parameters);
                }
            }
            _ => {}
        }
    }

    /// S1: the ledger designates whom this court would, or nobody when nobody is left.
    fn check_turn(
        &self,
        at: &Block<'_>,
        request: &RequestId,
        named: Option<&PublicKey>,
    ) -> Result<(), Violation> {
        let Some(life) = self.lives.of(request) else { return Ok(()) };
        let own = self.roster.turn(&self.books, &life.in_vain, at.now_ms);
        if own.as_ref() == named {
            return Ok(());
        }
        let short = |node: Option<&PublicKey>| node.map_or("nobody".to_owned(), PublicKey::short);
        let what = format!(
            "block {} designates {} for request {}, it is the turn of {}",
            at.height,
            short(named),
            request.short(),
            short(own.as_ref())
        );
        Err(Violation::new("S1", what))
    }

    /// A designation ended without a plan: by a word of its node, or by its silence, which
    /// counts as a miss.
    fn ended_in_vain(
        &mut self,
        at: &Block<'_>,
        request: &RequestId,
        designation: u32,
        node: &PublicKey,
    ) {
        let rejected = self.rejected.get(&(*request, designation, *node)).copied().unwrap_or(0);
        let spoke = at.declined.contains(&(*request, designation))
            || at.charged.contains(node)
            || rejected >= PLAN_REJECTIONS_MAX;
        if !spoke {
            self.roster.missed(node);
        }
    }

    fn confirmed(
        &mut self,
        at: &mut Block<'_>,
        request: &RequestId,
        designation: u32,
    ) -> Result<(), Violation> {
        let is_it = |plan: &Plan| plan.request == *request && plan.designation == designation;
        let tx = at
            .reader
            .next(|_, payload| matches!(payload, Payload::ConfirmSchedule(plan) if is_it(plan)));
        self.lives.confirmed(request, designation, tx, at.now_ms)?;
        let (Some(tx), Some(life)) = (tx, self.lives.of(request)) else { return Ok(()) };
        let Payload::ConfirmSchedule(plan) = &tx.transaction.payload else { return Ok(()) };
        self.books.check(plan, &life.workflow)?;
        let takes_ms = self.books.takes_ms(plan, &life.workflow);
        self.deadlines.active(request, at.now_ms, takes_ms);
        self.roster.planned(&tx.transaction.signer);
        for (node, sum) in self.books.confirmed(plan, &life.workflow, at.height) {
            if !sum.fits(&self.roster.capacity(&node)) {
                let (node, height) = (node.short(), at.height);
                let what = format!("{sum} are reserved on {node} at block {height}");
                return Err(Violation::new("S6", what));
            }
        }
        Ok(())
    }

    /// The last word, when a world closes: what can only be said of the whole.
    pub(crate) fn close(&mut self, close: &Close<'_>) {
        if !self.violations.is_empty() {
            return;
        }
        let mut found: Vec<Violation> = Vec::new();
        if let Some(newest) = close.newest {
            found.extend(self.books.compare(newest));
            found.extend(self.compare_statuses(newest));
        }
        let known = |request: &RequestId| self.lives.of(request).is_some();
        let honest = |node: usize| !self.is_evil(node);
        found.extend(results::check_accepted(close.asked, known, honest));
        found.extend(results::check(&self.network, &self.chain, &self.evil, close.asked));
        found.extend(endings::check(&self.lives, &self.chain, close));
        self.violations.extend(found);
    }

    /// S4: each request is where its events brought it.
    fn compare_statuses(&self, newest: &State) -> Option<Violation> {
        newest.requests().find_map(|record| {
            let own = self.lives.of(&record.id).map(|life| life.status);
            let what = || {
                let (id, theirs) = (record.id.short(), record.status);
                format!("the ledger holds request {id} {theirs:?}, by its events it is {own:?}")
            };
            (own != Some(record.status)).then(|| Violation::new("S4", what()))
        })
    }
}
