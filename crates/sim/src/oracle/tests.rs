//! Chains that no ledger makes: what the court must say of each.

use super::{Court, Violation};
use crate::{scenario::Scenario, workflows, world::Cast};
use std::{collections::BTreeSet, sync::Arc};
use trustmesh_state::{Finalized, State};
use trustmesh_types::{
    Block, Digest, Header, Payload, PublicKey, Receipt, RequestId, SecretKey, SignedTransaction,
    Transaction,
    block::BLOCK_VERSION,
    events::Event,
    plan::{Assignment, Plan},
    receipt::Outcome,
    reject::{RejectCode, Rejection},
    request::{Endpoint, RequestBody, StorageReceipt, Submission},
    resources::{ResourceReport, Resources, Snapshot},
    transaction::TRANSACTION_VERSION,
};

/// A chain that is made up.
struct Story {
    cast: Cast,
    state: State,
    court: Court,
    height: u64,
    parent: Digest,
}

fn story(evil: &[usize]) -> Story {
    let cast = Cast::new(&Scenario::new("story", 4, vec![workflows::chain()], 1), 7);
    let keys: Vec<PublicKey> = cast.nodes.iter().map(SecretKey::public).collect();
    let evil: BTreeSet<PublicKey> = evil.iter().map(|node| keys[*node]).collect();
    let court = Court::new(&cast.genesis, keys, evil);
    let state = State::genesis(&cast.genesis).unwrap();
    Story { cast, state, court, height: 0, parent: Digest::default() }
}

impl Story {
    fn key(&self, node: usize) -> PublicKey {
        self.cast.nodes[node].public()
    }

    fn tx(&self, node: usize, payload: Payload) -> SignedTransaction {
        Transaction {
            version: TRANSACTION_VERSION,
            network: self.cast.network,
            signer: self.key(node),
            valid_until_height: 100,
            nonce: self.height,
            payload,
        }
        .sign(&self.cast.nodes[node])
    }

    fn block(&self, transactions: Vec<SignedTransaction>, events: Vec<Event>) -> Finalized {
        let receipt = |tx: &SignedTransaction| Receipt {
            transaction: tx.id(),
            signer: tx.transaction.signer,
            outcome: Outcome::Applied,
        };
        let receipts = transactions.iter().map(receipt).collect();
        let header = Header {
            version: BLOCK_VERSION,
            height: self.height + 1,
            parent: self.parent,
            timestamp_ms: self.cast.genesis.created_ms + self.height + 1,
            proposer: self.key(0),
            transactions_root: Digest::default(),
            receipts_root: Digest::default(),
            state_root: self.state.root(),
        };
        let block = Arc::new(Block { header, transactions });
        Finalized { block, receipts, events, state: self.state.clone() }
    }

    /// Node 1 delivers the next block.
    fn goes_on(&mut self, transactions: Vec<SignedTransaction>, events: Vec<Event>) {
        let block = self.block(transactions, events);
        self.court.deliver(1, &block);
        self.height += 1;
        self.parent = block.block.digest();
    }

    /// Every node says that nothing else runs on it, node 2 that a little does.
    fn report(&mut self) {
        let reports = (0..4).map(|node| {
            let cpu_millis = u64::from(node == 0) * 100;
            let foreign = Resources { cpu_millis, ..Resources::ZERO };
            let newest = Snapshot { taken_ms: 1, foreign };
            let batch_root = Digest::default();
            let report = ResourceReport { newest, batch_root, batch_len: 1 };
            self.tx(node, Payload::ReportResources(report))
        });
        let reports = reports.collect();
        let events = (0..4).map(|node| Event::ResourcesReported { node: self.key(node) });
        let events = events.collect();
        self.goes_on(reports, events);
    }

    /// A request is accepted, and a node designated.
    fn request(&mut self, node: usize) -> RequestId {
        let device = &self.cast.devices[0];
        let body = RequestBody {
            network: self.cast.network,
            device: device.public(),
            nonce: 1,
            workflow: workflows::chain().id,
            input: Digest::default(),
            input_bytes: 1,
            result_key: Digest::default(),
            endpoint: Endpoint::Pull,
            persist: false,
            deadline_ms: u64::MAX,
        };
        let (request, signature) = (body.id(), body.sign(device));
        let sign = |key| {
            StorageReceipt::sign(key, &self.cast.network, request.0, body.input, body.input_bytes)
        };
        let receipts = self.cast.nodes.iter().take(2).map(sign).collect();
        let submission = Submission { body, signature, receipts };
        let tx = self.tx(0, Payload::SubmitRequest(submission));
        let designated = Event::Designated { request, designation: 1, node: self.key(node) };
        self.goes_on(vec![tx], vec![Event::RequestAccepted { request }, designated]);
        request
    }

    fn plan(&mut self, node: usize, request: RequestId) {
        let assign = |(level, task): (u32, &trustmesh_types::workflow::Task)| Assignment {
            task: task.id.clone(),
            level,
            nodes: vec![self.key(0)],
        };
        let assignments = (0..).zip(&workflows::chain().tasks).map(assign).collect();
        let plan = Plan { request, designation: 1, made_at: 1, assignments };
        let tx = self.tx(node, Payload::ConfirmSchedule(plan));
        self.goes_on(vec![tx], vec![Event::PlanConfirmed { request, designation: 1 }]);
    }

    fn broken(&self) -> Option<&'static str> {
        self.court.violations().first().map(|Violation { property, .. }| *property)
    }
}

fn charge(node: PublicKey) -> Event {
    let rejection = Rejection::fault(RejectCode::NotDesignated, "as told");
    Event::Fault { node, number: 1, rejection }
}

#[test]
fn a_life_by_the_rules_is_fine() {
    let mut story = story(&[]);
    story.report();
    let request = story.request(1);
    story.plan(1, request);
    story.goes_on(vec![], vec![Event::RequestFinalized { request }]);
    assert_eq!(story.court.violations(), []);
}

#[test]
fn the_court_knows_whose_turn_it_is() {
    // Node 0 has the lowest key, but less free than the others.
    for node in [0, 2, 3] {
        let mut story = story(&[]);
        story.report();
        story.request(node);
        assert_eq!(story.broken(), Some("S1"), "node {node}");
    }
    let mut silent = story(&[]);
    silent.report();
    let request = silent.request(1);
    let ended =
        |node| Event::DesignationEnded { request, designation: 1, node, reason: String::new() };
    let next = |node| Event::Designated { request, designation: 2, node };
    let (first, third) = (silent.key(1), silent.key(2));
    silent.goes_on(vec![], vec![ended(first), next(third)]);
    assert_eq!(silent.court.violations(), []);
    let other = silent.request(2);
    assert_eq!(silent.broken(), Some("S4"), "request {other} is accepted twice");
}

#[test]
fn who_waits_is_not_who_could_be_designated() {
    let mut story = story(&[]);
    story.report();
    let request = story.request(1);
    let waits = Event::RequestWaiting { request, reason: String::new() };
    story.goes_on(vec![], vec![waits]);
    assert_eq!(story.broken(), Some("S1"));
}

#[test]
fn a_plan_is_its_designees_and_only_once() {
    let mut other = story(&[]);
    other.report();
    let request = other.request(1);
    other.plan(2, request);
    assert_eq!(other.broken(), Some("S3"));
    let mut twice = story(&[]);
    twice.report();
    let request = twice.request(1);
    twice.plan(1, request);
    twice.plan(1, request);
    assert_eq!(twice.broken(), Some("S4"));
}

#[test]
fn only_the_evil_may_be_charged() {
    for (node, expected) in [(2, None), (3, Some("S9"))] {
        let mut story = story(&[2]);
        let event = charge(story.key(node));
        story.goes_on(vec![], vec![event]);
        assert_eq!(story.broken(), expected);
    }
}

#[test]
fn no_request_ends_before_it_is_active() {
    let mut story = story(&[]);
    story.report();
    let request = story.request(1);
    story.goes_on(vec![], vec![Event::RequestFinalized { request }]);
    assert_eq!(story.broken(), Some("S4"));
}

#[test]
fn two_chains_are_one_too_many_and_so_are_other_effects_of_one_block() {
    let mut forked = story(&[3]);
    let mut fork = forked.block(vec![], vec![]);
    let mut header = fork.block.header.clone();
    header.timestamp_ms += 5;
    fork.block = Arc::new(Block { header, transactions: Vec::new() });
    forked.goes_on(vec![], vec![]);
    forked.court.deliver(3, &fork);
    assert_eq!(forked.broken(), None, "what an evil node delivers is no matter");
    forked.court.deliver(2, &fork);
    assert_eq!(forked.broken(), Some("S2"));

    let mut differs = story(&[]);
    let mut same = differs.block(vec![], vec![]);
    differs.goes_on(vec![], vec![]);
    same.events.push(Event::NodeAdmitted { node: differs.key(0) });
    differs.court.deliver(2, &same);
    assert_eq!(differs.broken(), Some("S5"));
}

#[test]
fn a_block_that_stands_on_no_other_is_seen() {
    let mut story = story(&[]);
    story.goes_on(vec![], vec![]);
    story.parent = Digest::default();
    story.goes_on(vec![], vec![]);
    assert_eq!(story.broken(), Some("S2"));
}
