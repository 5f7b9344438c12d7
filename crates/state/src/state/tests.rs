//! Genesis, snapshots, and random streams of transactions: S4, S5 and S6 of PROTOCOL §8.

use super::State;
use crate::{
    Store,
    fixture::{Net, Tx, device, execute, genesis, node_info, operator, secret},
    tables::Requests,
};
use proptest::{collection::vec, prelude::*};
use std::collections::BTreeMap;
use trustmesh_types::{
    Payload, PublicKey, RequestId, SignedTransaction, codec, genesis::GenesisError,
    records::Status, resources::Resources,
};

#[test]
fn genesis_holds_its_members_and_meets_the_same_bounds() {
    let genesis = genesis();
    let state = State::genesis(&genesis).unwrap();
    assert_eq!((state.height(), state.timestamp_ms()), (0, genesis.created_ms));
    assert_eq!(state.network(), genesis.network_id());
    assert_eq!(state.validators(), genesis.validators());
    assert_eq!((state.nodes().len(), state.members().count()), (6, 8));
    assert_eq!(state.faults_tolerated(), 1);
    assert_eq!(state.next_deadline_ms(), None);
    let key = genesis.nodes[0].key;
    let mut broken = genesis.clone();
    broken.nodes[0].p2p_address = "nowhere".into();
    assert!(
        matches!(State::genesis(&broken), Err(GenesisError::Member { key: k, .. }) if k == key)
    );
    let mut broken = genesis;
    broken.operators[0].name.clear();
    assert!(matches!(State::genesis(&broken), Err(GenesisError::Member { .. })));
}

#[test]
fn an_entry_of_the_state_is_provable() {
    let mut net = Net::new();
    let (id, tx) = net.submission("one", 10_000);
    net.one(tx).unwrap();
    let key = Store::key::<Requests>(&id);
    let proof = net.state.prove(&key);
    let record = codec::encode(&net.record(&id).unwrap());
    assert!(proof.verify(&net.state.root(), &key, Some(&record)));
    assert!(!proof.verify(&net.state.root(), &key, None));
    let none = Store::key::<Requests>(&RequestId::default());
    assert!(net.state.prove(&none).verify(&net.state.root(), &none, None));
}

#[test]
fn bytes_that_are_no_snapshot_are_refused() {
    let bytes = Net::new().state.snapshot();
    assert!(State::restore(&bytes).is_ok());
    assert!(State::restore(&[]).is_err());
    assert!(State::restore(&bytes[..bytes.len() - 1]).is_err());
    assert!(State::restore(&[1]).is_err(), "names no network");
    let mut other = bytes.clone();
    other[0] = 9;
    assert!(State::restore(&other).unwrap_err().to_string().contains("version 9"));
    let mut unknown = bytes.clone();
    unknown.extend([1, 0, 0, 0, 250, 0, 0, 0, 0]);
    assert!(State::restore(&unknown).unwrap_err().to_string().contains("of no table"));
    let mut twice = bytes.clone();
    twice.extend(&bytes[1..]);
    assert!(State::restore(&twice).unwrap_err().to_string().contains("order"));
}

/// Heights of an epoch of the random streams: several pass in one.
const EPOCH: u64 = 16;

/// What a random stream does next; numbers choose among what there is.
#[derive(Debug, Clone)]
enum Step {
    Submit(u8, u64),
    Plan(usize, usize),
    Decline(usize),
    Fail(usize),
    Finalize(usize),
    Cancel(usize),
    Report(u8),
    Member(u8, u8),
    Note,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..3_u8, 500..20_000_u64).prop_map(|(w, ms)| Step::Submit(w, ms)),
        8 => (any::<usize>(), 0..6_usize).prop_map(|(at, shift)| Step::Plan(at, shift)),
        2 => any::<usize>().prop_map(Step::Decline),
        2 => any::<usize>().prop_map(Step::Fail),
        6 => any::<usize>().prop_map(Step::Finalize),
        1 => any::<usize>().prop_map(Step::Cancel),
        2 => (1..7_u8).prop_map(Step::Report),
        3 => (0..6_u8, 1..9_u8).prop_map(|(what, n)| Step::Member(what, n)),
        1 => Just(Step::Note),
        2 => (1..3_000_u64).prop_map(Step::Wait),
    ]
}

impl Step {
    /// The transaction, and how long after the last block the next one comes.
    fn make(&self, net: &mut Net, ids: &mut Vec<RequestId>) -> (Option<Tx>, u64) {
        let pick = |at: usize| ids.get(at.checked_rem(ids.len())?).copied();
        let tx = match *self {
            Self::Submit(which, lifetime_ms) => {
                let name = ["one", "diamond", "three"][usize::from(which)];
                let (id, tx) = net.submission(name, lifetime_ms);
                ids.push(id);
                Some(tx)
            }
            Self::Plan(at, shift) => pick(at).and_then(|id| net.plan(&id, shift)),
            Self::Decline(at) => pick(at).and_then(|id| net.decline(&id)),
            Self::Fail(at) => pick(at).and_then(|id| net.failure(&id)),
            Self::Finalize(at) => pick(at).and_then(|id| net.finalization(&id)),
            Self::Cancel(at) => {
                pick(at).map(|request| (device().public(), Payload::CancelRequest { request }))
            }
            Self::Report(n) => Some(net.report(n)),
            Self::Member(what, n) => Some(member(what, n)),
            Self::Note => Some((operator().public(), Payload::Note { bytes: vec![1] })),
            Self::Wait(ms) => return (None, ms),
        };
        (tx, 10)
    }
}

/// An order about a node, or its word that it is ready; some are refused.
fn member(what: u8, n: u8) -> Tx {
    let node = secret(n).public();
    let payload = match what {
        0 => Payload::AdmitNode(node_info(node, true)),
        1 => Payload::RemoveNode { node },
        2 => Payload::QuarantineNode { node, reason: "at random".into() },
        3 => Payload::LiftQuarantine { node },
        4 => Payload::ChangeNode(node_info(node, n.is_multiple_of(2))),
        _ => return (node, Payload::Ready),
    };
    (operator().public(), payload)
}

/// Committees follow each other by one, begin at ends of epochs, have at least four
/// validators, and each stays.
fn check_committees(state: &State) {
    let mut number = 0;
    let now = [state.committee()];
    for committee in now.into_iter().chain(state.committees_to_come()) {
        assert!(committee.validators.len() >= 4);
        assert!(committee.first_height.is_multiple_of(EPOCH));
        assert!(number == 0 || committee.number == number + 1);
        assert_eq!(state.committee_numbered(committee.number).as_ref(), Some(committee));
        number = committee.number;
    }
    assert!(state.committee().first_height <= state.height() + 1);
    assert_eq!(state.committee_numbered(number + 1), None);
}

/// S4: what may follow what, from block to block. A record that is gone had ended.
fn may_follow(before: Option<Status>, after: Option<Status>) -> bool {
    use Status::{Active, Cancelled, Failed, Finalized, Requested};
    match (before, after) {
        (None, None | Some(Requested)) => true,
        // Within the block of its acceptance a request can only be passed on or fail.
        (None, Some(_)) => false,
        (Some(before), Some(after)) if before == after => true,
        (Some(Requested), Some(Active | Failed | Cancelled)) => true,
        (Some(Active), Some(Requested | Finalized | Failed | Cancelled)) => true,
        (Some(before), None) => before.ended(),
        _ => false,
    }
}

/// S6: each node's reservation is the sum over Active plans, and within its capacity.
fn check_reservations(state: &State) {
    let mut sums: BTreeMap<PublicKey, Resources> = BTreeMap::new();
    for record in state.requests() {
        let plan = record.plan.as_ref();
        let held = plan.into_iter().flat_map(|p| &p.reserved);
        for (node, amount) in held {
            assert_eq!(record.status, Status::Active, "only Active plans hold anything");
            let sum = sums.entry(*node).or_default();
            *sum = sum.plus(*amount);
        }
    }
    for node in state.nodes() {
        let held = sums.get(&node.info.key).copied().unwrap_or_default();
        assert_eq!(node.load.reserved, held);
        assert!(held.fits(&node.info.capacity));
    }
}

fn check_open(state: &State) {
    let mut by_deadline: Vec<_> = state.open_requests().map(|r| r.id).collect();
    by_deadline.sort();
    let open: Vec<_> = state.requests().filter(|r| !r.status.ended()).map(|r| r.id).collect();
    assert_eq!(by_deadline, open);
    let counted = state.device(&device().public()).map_or(0, |d| d.open_requests);
    assert_eq!(usize::try_from(counted).unwrap(), open.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn random_streams_keep_what_must_always_hold(
        steps in vec(step(), 1..60),
        restore_at in 0..60_usize,
    ) {
        let mut short = genesis();
        short.parameters.epoch_blocks = EPOCH;
        let mut net = Net::of(&short);
        let start = net.state.clone();
        let mut requests = Vec::new();
        let mut stream: Vec<(u64, Vec<SignedTransaction>)> = Vec::new();
        let mut roots = Vec::new();
        let mut statuses: BTreeMap<RequestId, Option<Status>> = BTreeMap::new();
        let mut restored = None;
        for (at, step) in steps.iter().enumerate() {
            if at == restore_at {
                restored = Some((at, State::restore(&net.state.snapshot()).unwrap()));
            }
            let (tx, after_ms) = step.make(&mut net, &mut requests);
            let mut txs: Vec<_> = tx.into_iter().map(|tx| net.sign(tx)).collect();
            // Who was removed may say nothing.
            txs.retain(|tx| net.state.admit(tx, &tx.id()).is_ok());
            let timestamp_ms = net.state.timestamp_ms() + after_ms;
            let executed = execute(&net.state, timestamp_ms, &txs);
            net.state = executed.state;
            stream.push((timestamp_ms, txs));
            roots.push(net.state.root());
            for id in &requests {
                let before = statuses.get(id).copied().flatten();
                let after = net.record(id).map(|r| r.status);
                prop_assert!(may_follow(before, after), "{before:?} then {after:?}");
                statuses.insert(*id, after);
            }
            check_reservations(&net.state);
            check_open(&net.state);
            check_committees(&net.state);
        }
        // S5: the same blocks give the same roots, from a snapshot too.
        let replay = |mut state: State, from: usize| {
            for (at, (timestamp_ms, txs)) in stream.iter().enumerate().skip(from) {
                state = execute(&state, *timestamp_ms, txs).state;
                assert_eq!(state.root(), roots[at], "block {at}");
            }
            state
        };
        let again = replay(start, 0);
        prop_assert_eq!(again.snapshot(), net.state.snapshot());
        if let Some((at, state)) = restored {
            replay(state, at);
        }
        let restored = State::restore(&net.state.snapshot()).unwrap();
        prop_assert_eq!(restored.root(), net.state.root());
        prop_assert_eq!(restored.height(), net.state.height());
        // L1, here: with time alone every request ends and its record goes.
        for _ in 0..40 {
            net.block(5_000, vec![]);
        }
        prop_assert_eq!(net.state.requests().count(), 0);
        check_reservations(&net.state);
    }
}

#[test]
fn a_request_lives_to_its_result() {
    let mut net = Net::new();
    let (id, tx) = net.submission("diamond", 10_000);
    net.one(tx).unwrap();
    net.one(net.plan(&id, 0).unwrap()).unwrap();
    assert_eq!(net.record(&id).unwrap().status, Status::Active);
    net.one(net.finalization(&id).unwrap()).unwrap();
    assert_eq!(net.record(&id).unwrap().status, Status::Finalized);
    assert_eq!(net.state.open_requests().count(), 0);
}

/// Other builds and machines must come to this very root (S5). It changes only with the
/// protocol.
#[test]
fn the_root_of_a_fixed_stream() {
    let mut net = Net::new();
    let (id, tx) = net.submission("diamond", 10_000);
    net.one(tx).unwrap();
    net.one(net.plan(&id, 1).unwrap()).unwrap();
    net.one(net.finalization(&id).unwrap()).unwrap();
    let (second, tx) = net.submission("three", 2_000);
    net.one(tx).unwrap();
    net.one(net.decline(&second).unwrap()).unwrap();
    net.one((secret(3).public(), Payload::Note { bytes: b"golden".to_vec() })).unwrap();
    net.block(4_000, vec![]);
    assert_eq!(net.state.root().to_string(), GOLDEN_ROOT);
}

const GOLDEN_ROOT: &str = "5e855c1ba43e40c8491971384c286377dac5e7bd2fca66f213be10088f5b0529";
