//! Which committee follows which: membership that changes while the network works.

use crate::{
    Handover, State, first_committee,
    fixture::{Net, Tx, genesis, node_info, operator, secret},
};
use proptest::prelude::*;
use trustmesh_types::{
    NetworkId, Payload, PublicKey,
    committee::Committee,
    events::Event,
    records::Standing,
    reject::RejectCode::{QuorumLost, TooSoon, UnknownMember, ValidatorCount, WrongRole},
    resources::Resources,
};

const EPOCH: u64 = 64;

fn key(n: u8) -> PublicKey {
    secret(n).public()
}

fn by_operator(payload: Payload) -> Tx {
    (operator().public(), payload)
}

fn admit(n: u8) -> Tx {
    by_operator(Payload::AdmitNode(node_info(key(n), true)))
}

fn remove(n: u8) -> Tx {
    by_operator(Payload::RemoveNode { node: key(n) })
}

fn ready(n: u8) -> Tx {
    (key(n), Payload::Ready)
}

fn sorted(of: &[u8]) -> Vec<PublicKey> {
    let mut keys: Vec<_> = of.iter().map(|n| key(*n)).collect();
    keys.sort_unstable();
    keys
}

impl Net {
    /// Empty blocks up to a height; what happened.
    fn until(&mut self, height: u64) -> Vec<Event> {
        let mut events = Vec::new();
        while self.state.height() < height {
            events.extend(self.block(1, vec![]).events);
        }
        events
    }
}

/// With a fifth validator admitted, and reporting.
fn with_fifth() -> Net {
    let mut net = Net::new();
    net.applied(vec![admit(20)]);
    net.applied(vec![net.report(20)]);
    net
}

#[test]
fn a_node_that_is_ready_votes_when_the_epoch_after_has_ended() {
    let mut net = with_fifth();
    assert!(!net.state.membership_pending(), "it has not said that it is ready");
    net.until(EPOCH);
    assert_eq!(net.state.committee().number, 0);
    net.applied(vec![ready(20)]);
    assert!(net.state.membership_pending());
    assert!(net.until(2 * EPOCH - 2).is_empty());
    assert_eq!(net.state.committees_to_come(), []);
    let events = net.until(2 * EPOCH - 1);
    let wanted =
        Committee { number: 1, first_height: 3 * EPOCH, validators: sorted(&[1, 2, 3, 4, 20]) };
    assert_eq!(events, [Event::CommitteeDecided(wanted.clone())]);
    assert_eq!(net.state.committees_to_come(), std::slice::from_ref(&wanted));
    assert_eq!(net.until(3 * EPOCH - 2), []);
    assert_eq!(net.state.committee().number, 0);
    assert_eq!(net.until(3 * EPOCH - 1), [Event::CommitteeBegan { committee: 1 }]);
    assert_eq!(net.state.committee(), &wanted);
    assert_eq!(net.state.validators(), wanted.validators);
    assert!(!net.state.membership_pending());
    assert_eq!(net.state.committee_numbered(1), Some(wanted));
    assert_eq!(net.state.committee_numbered(2), None);
}

#[test]
fn changes_of_one_epoch_are_decided_together_and_those_of_the_next_one_after() {
    let mut net = with_fifth();
    net.applied(vec![admit(21)]);
    net.applied(vec![net.report(21)]);
    net.applied(vec![ready(20), remove(1)]);
    net.until(EPOCH);
    net.applied(vec![ready(21), remove(2)]);
    net.until(2 * EPOCH);
    let numbers: Vec<_> = net.state.committees_to_come().iter().map(|it| it.number).collect();
    assert_eq!((net.state.committee().number, numbers), (1, vec![2]));
    assert_eq!(net.state.validators(), sorted(&[2, 3, 4, 20]));
    net.until(3 * EPOCH);
    assert_eq!(net.state.validators(), sorted(&[3, 4, 20, 21]));
}

#[test]
fn too_few_validators_or_too_few_that_are_up_are_refused() {
    let mut net = Net::new();
    assert_eq!(net.one(remove(1)).unwrap_err().code, ValidatorCount);
    assert_eq!(net.one(remove(30)).unwrap_err().code, UnknownMember);
    let mut net = with_fifth();
    net.one(ready(20)).unwrap();
    net.one(remove(1)).unwrap();
    assert_eq!(net.one(remove(1)).unwrap_err().code, UnknownMember, "it is gone");
    // Three of five live: not enough for four either when one of them goes.
    let mut net = Net::new();
    for n in [20, 21] {
        net.applied(vec![admit(n)]);
        net.applied(vec![net.report(n)]);
        net.applied(vec![ready(n)]);
    }
    net.block(10_000_000, vec![]);
    for n in [20, 21, 3] {
        net.applied(vec![net.report(n)]);
    }
    let refused = net.one(remove(3)).unwrap_err();
    assert_eq!(refused.code, QuorumLost);
    assert!(refused.reason.contains("2 of the 5"), "{}", refused.reason);
    net.applied(vec![net.report(4), net.report(2)]);
    net.one(remove(3)).unwrap();
}

#[test]
fn only_who_is_to_vote_says_that_it_is_ready_and_not_too_often() {
    let mut net = with_fifth();
    assert_eq!(net.one(ready(5)).unwrap_err().code, WrongRole);
    assert_eq!(net.one((operator().public(), Payload::Ready)).unwrap_err().code, UnknownMember);
    net.one(ready(20)).unwrap();
    assert_eq!(net.one(ready(20)).unwrap_err().code, TooSoon);
    net.until(4 * EPOCH);
    net.one(ready(20)).unwrap();
}

#[test]
fn a_validator_that_lost_its_votes_gets_a_committee_of_the_same_members() {
    let mut net = Net::new();
    net.one(ready(2)).unwrap();
    net.until(2 * EPOCH);
    assert_eq!(net.state.committee().number, 1);
    assert_eq!(net.state.validators(), sorted(&[1, 2, 3, 4]));
}

#[test]
fn a_node_that_goes_is_barred_at_once_and_votes_to_the_end_of_its_committee() {
    let mut net = with_fifth();
    net.applied(vec![ready(20)]);
    net.until(2 * EPOCH);
    net.one(remove(1)).unwrap();
    let gone = net.state.node(&key(1)).unwrap();
    assert!(gone.quarantined && !gone.is_member());
    net.one((key(1), Payload::Note { bytes: vec![1] })).unwrap();
    net.until(4 * EPOCH);
    assert!(!net.state.validators().contains(&key(1)));
    let tx = net.sign((key(1), Payload::Note { bytes: vec![2] }));
    assert!(net.state.admit(&tx, &tx.id()).is_err(), "it is no member any more");
    // And may come back.
    net.applied(vec![admit(1)]);
    assert_eq!(net.state.node(&key(1)).unwrap().standing, Standing::Joining { replaces: None });
}

#[test]
fn a_validator_is_replaced_when_the_new_one_is_ready() {
    let mut net = Net::new();
    let new = node_info(key(20), true);
    net.one(by_operator(Payload::ReplaceNode { old: key(3), new })).unwrap();
    assert!(net.state.node(&key(3)).unwrap().is_member());
    net.applied(vec![net.report(20)]);
    net.one(ready(20)).unwrap();
    assert!(!net.state.node(&key(3)).unwrap().is_member());
    net.until(2 * EPOCH);
    assert_eq!(net.state.validators(), sorted(&[1, 2, 4, 20]));
    // A worker at once.
    let mut new = node_info(key(21), false);
    new.roles.validator = false;
    net.one(by_operator(Payload::ReplaceNode { old: key(6), new })).unwrap();
    assert!(!net.state.node(&key(6)).unwrap().is_member());
}

#[test]
fn an_operators_quarantine_takes_the_vote_and_lifting_it_gives_it_back() {
    let mut net = with_fifth();
    net.applied(vec![ready(20)]);
    net.until(2 * EPOCH);
    let bar = Payload::QuarantineNode { node: key(2), reason: "its disk fails".into() };
    net.one(by_operator(bar)).unwrap();
    assert_eq!(net.state.node(&key(2)).unwrap().standing, Standing::Barred);
    net.until(4 * EPOCH);
    assert_eq!(net.state.validators(), sorted(&[1, 3, 4, 20]));
    net.one(by_operator(Payload::LiftQuarantine { node: key(2) })).unwrap();
    net.until(6 * EPOCH);
    assert_eq!(net.state.validators(), sorted(&[1, 2, 3, 4, 20]));
}

#[test]
fn a_worker_becomes_a_validator_and_a_worker_again() {
    let mut net = Net::new();
    net.one(by_operator(Payload::ChangeNode(node_info(key(5), true)))).unwrap();
    net.one(ready(5)).unwrap();
    net.until(2 * EPOCH);
    assert_eq!(net.state.validators(), sorted(&[1, 2, 3, 4, 5]));
    let mut info = node_info(key(5), false);
    info.capacity = Resources { cpu_millis: 10, ..info.capacity };
    net.one(by_operator(Payload::ChangeNode(info))).unwrap();
    net.until(4 * EPOCH);
    assert_eq!(net.state.validators(), sorted(&[1, 2, 3, 4]));
}

/// How the ledger at the last block before a committee proves it, unsigned.
fn handover(state: &State, header: trustmesh_types::Header) -> Handover {
    let committee = state.committee().clone();
    let proof = state.prove_committee(committee.number);
    Handover { committee, header, finality: None, proof }
}

#[test]
fn a_handover_holds_only_for_its_committee_height_and_state() {
    let mut net = Net::new();
    net.one(ready(2)).unwrap();
    net.until(2 * EPOCH - 1);
    let mut header = genesis().block(net.state.root()).header;
    header.height = net.state.height();
    let network: NetworkId = net.state.network();
    let first = first_committee(&genesis());
    let why = |it: &Handover| it.verify(&network, &first).unwrap_err().to_string();
    let good = handover(&net.state, header);
    assert!(why(&good).contains("no signatures"), "{}", why(&good));
    let mut other = good.clone();
    other.committee.validators.pop();
    assert!(why(&other).contains("state"));
    let mut other = good.clone();
    other.committee.number = 2;
    assert!(why(&other).contains("number"));
    let mut other = good;
    other.header.height += 1;
    assert!(why(&other).contains("begin"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever operators and nodes ask for, committees follow each other by one, at ends of
    /// epochs, with at least four validators and a quorum, and each can be looked up.
    #[test]
    fn committees_follow_each_other_whatever_is_asked(
        steps in prop::collection::vec((0..6_u8, 1..12_u8, 0..90_u64), 1..24)
    ) {
        let mut net = Net::new();
        let mut number = 0;
        for (what, n, blocks) in steps {
            let tx = match what {
                0 => admit(n),
                1 => remove(n),
                2 => ready(n),
                3 => by_operator(Payload::QuarantineNode { node: key(n), reason: "r".into() }),
                4 => by_operator(Payload::LiftQuarantine { node: key(n) }),
                _ => by_operator(Payload::ReplaceNode {
                    old: key(n),
                    new: node_info(key(n % 11 + 1), true),
                }),
            };
            let tx = net.sign(tx);
            // Some may not transact at all by then.
            if net.state.admit(&tx, &tx.id()).is_ok() {
                let at = net.state.timestamp_ms() + 1;
                net.state = crate::fixture::execute(&net.state, at, &[tx]).state;
            }
            net.applied((1..12).filter(|n| {
                net.state.node(&key(*n)).is_some_and(|it| it.is_member())
            }).map(|n| net.report(n)).collect());
            for _ in 0..blocks {
                net.block(1, vec![]);
                let now = net.state.committee().clone();
                prop_assert!(now.number == number || now.number == number + 1);
                prop_assert!(now.first_height <= net.state.height() + 1);
                prop_assert_eq!(now.first_height % EPOCH, 0);
                number = now.number;
                prop_assert!(now.validators.len() >= 4);
                prop_assert!(net.state.committees_to_come().len() <= 2);
                prop_assert_eq!(net.state.committee_numbered(number), Some(now));
            }
        }
    }
}
