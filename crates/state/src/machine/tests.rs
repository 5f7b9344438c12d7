//! Block validity, selection, replay and rollback.

use crate::{
    Invalid, InvalidBlock, NODE_SHARE_TRANSACTIONS_MAX, Proposal, SHARE_TRANSACTIONS_MAX, State,
    fixture::{Net, Tx, device, execute, ids, operator, secret},
};
use trustmesh_types::{NetworkId, Payload, PublicKey, SignedTransaction, limits, receipt::Outcome};

fn note(signer: PublicKey) -> Tx {
    (signer, Payload::Note { bytes: vec![1] })
}

fn run(state: &State, txs: &[SignedTransaction]) -> Result<(), InvalidBlock> {
    let timestamp_ms = state.timestamp_ms() + 1;
    let proposer = secret(1).public();
    let proposal = Proposal { proposer, timestamp_ms, transactions: txs, ids: &ids(txs) };
    state.execute(&proposal).map(drop)
}

#[test]
fn transactions_that_no_block_may_hold() {
    let mut net = Net::new();
    let good = net.sign(note(device().public()));
    let (here, next) = (net.state.network(), net.state.height() + 1);
    let max = net.state.height() + net.state.parameters().transaction_lifetime_blocks;
    let edit = |change: &dyn Fn(&mut trustmesh_types::Transaction)| {
        let mut tx = good.clone();
        change(&mut tx.transaction);
        tx
    };
    let stranger = secret(99).public();
    let other = NetworkId::default();
    let cases = [
        ("good", edit(&|_| ()), None),
        ("version", edit(&|t| t.version = 9), Some(Invalid::Version { got: 9 })),
        ("network", edit(&|t| t.network = other), Some(Invalid::Network { got: other, here })),
        ("last height", edit(&|t| t.valid_until_height = next), None),
        (
            "expired",
            edit(&|t| t.valid_until_height = next - 1),
            Some(Invalid::Expired { valid_until: next - 1, next }),
        ),
        ("furthest", edit(&|t| t.valid_until_height = max), None),
        (
            "too far",
            edit(&|t| t.valid_until_height = max + 1),
            Some(Invalid::LivesTooLong { valid_until: max + 1, max }),
        ),
        (
            "stranger",
            edit(&|t| t.signer = stranger),
            Some(Invalid::UnknownSigner { signer: stranger }),
        ),
    ];
    for (what, tx, expected) in cases {
        assert_eq!(net.state.admit(&tx, &tx.id()).err(), expected, "{what}");
        let block = run(&net.state, &[good.clone(), tx.clone()]);
        match expected {
            _ if tx.id() == good.id() => assert_eq!(
                block,
                Err(InvalidBlock::Transaction {
                    index: 1,
                    reason: Invalid::Replayed { id: good.id() },
                }),
                "{what}: twice in a block"
            ),
            None => assert_eq!(block, Ok(()), "{what}"),
            Some(reason) => {
                assert_eq!(block, Err(InvalidBlock::Transaction { index: 1, reason }), "{what}");
            }
        }
    }
}

#[test]
fn a_transaction_counts_once_until_it_expires() {
    let mut net = Net::new();
    let tx = net.sign(note(device().public()));
    let replayed = Err(Invalid::Replayed { id: tx.id() });
    let last = tx.transaction.valid_until_height;
    net.state = execute(&net.state, net.state.timestamp_ms() + 1, std::slice::from_ref(&tx)).state;
    while net.state.height() < last {
        assert_eq!(net.state.admit(&tx, &tx.id()), replayed);
        net.block(10, vec![]);
    }
    let next = net.state.height() + 1;
    let expired = Err(Invalid::Expired { valid_until: last, next });
    assert_eq!(net.state.admit(&tx, &tx.id()), expired);
    net.block(10, vec![]);
    assert_eq!(net.state.store().iter::<crate::tables::Seen>().count(), 0, "all forgotten");
}

#[test]
fn a_revoked_device_is_no_member_and_a_new_one_is_from_the_next_block_on() {
    let mut net = Net::new();
    let (operator, newcomer) = (operator().public(), secret(70).public());
    let register = Payload::RegisterDevice { device: newcomer, name: "new".into() };
    let together: Vec<_> =
        [(operator, register), note(newcomer)].into_iter().map(|tx| net.sign(tx)).collect();
    let reason = Invalid::UnknownSigner { signer: newcomer };
    assert_eq!(
        run(&net.state, &together),
        Err(InvalidBlock::Transaction { index: 1, reason: reason.clone() })
    );
    net.state = execute(&net.state, net.state.timestamp_ms() + 1, &together[..1]).state;
    net.one(note(newcomer)).unwrap();
    net.one((operator, Payload::RevokeDevice { device: newcomer })).unwrap();
    let tx = net.sign(note(newcomer));
    assert_eq!(net.state.admit(&tx, &tx.id()), Err(reason));
}

#[test]
fn blocks_that_no_validator_votes_for() {
    let mut net = Net::new();
    let parent_ms = net.state.timestamp_ms();
    let tx = net.sign(note(device().public()));
    let txs = [tx];
    let good = Proposal {
        proposer: secret(4).public(),
        timestamp_ms: parent_ms + 1,
        transactions: &txs,
        ids: &ids(&txs),
    };
    assert!(net.state.execute(&good).is_ok());
    let timestamp = Proposal { timestamp_ms: parent_ms, ..good };
    let proposer = Proposal { proposer: secret(5).public(), ..good };
    let unnamed = Proposal { ids: &[], ..good };
    let invalid = |p: Proposal<'_>| net.state.execute(&p).unwrap_err();
    assert_eq!(invalid(timestamp), InvalidBlock::Timestamp { got_ms: parent_ms, parent_ms });
    assert_eq!(invalid(proposer), InvalidBlock::Proposer { proposer: secret(5).public() });
    assert_eq!(invalid(unnamed), InvalidBlock::Ids { ids: 0, transactions: 1 });
}

#[test]
fn a_signer_gets_k_in_a_valid_block_and_a_share_from_an_honest_leader() {
    let mut net = Net::new();
    let k = net.state.parameters().signer_transactions_per_block_max;
    let count = usize::try_from(k).unwrap() + 1;
    let (flood, node) = (device().public(), secret(1).public());
    let mut txs: Vec<_> = (0..count).map(|_| net.sign(note(flood))).collect();
    let reason = Invalid::TooManyOfSigner { signer: flood, max: k };
    assert_eq!(run(&net.state, &txs), Err(InvalidBlock::Transaction { index: count - 1, reason }));
    assert_eq!(run(&net.state, &txs[1..]), Ok(()));
    txs.extend((0..count).map(|_| net.sign(note(node))));
    txs.push(txs[0].clone());
    let sized = |bytes: usize| txs.iter().map(move |tx| (tx.id(), bytes, tx));
    let selected = net.state.select(sized(100));
    let share = |max: u32, from: usize| from..from + usize::try_from(max).unwrap();
    let expected: Vec<usize> =
        share(SHARE_TRANSACTIONS_MAX, 0).chain(share(NODE_SHARE_TRANSACTIONS_MAX, count)).collect();
    assert_eq!(selected, expected, "the floods are cut, nothing twice");
    let selected = net.state.select(sized(limits::BLOCK_BYTES_MAX / 2));
    assert_eq!(selected, [0, count], "a lone one may be larger than the share");
    let selected = net.state.select(sized(limits::BLOCK_BYTES_MAX / 16));
    assert_eq!(selected, [0, 1, count, count + 1, count + 2, count + 3], "by bytes");
    let chosen: Vec<_> = expected.iter().map(|at| txs[*at].clone()).collect();
    assert_eq!(run(&net.state, &chosen), Ok(()), "what is selected is valid");
}

#[test]
fn what_an_ancestor_holds_does_not_use_up_a_share() {
    let mut net = Net::new();
    let held = usize::try_from(SHARE_TRANSACTIONS_MAX).unwrap();
    let txs: Vec<_> = (0..2 * held).map(|_| net.sign(note(device().public()))).collect();
    let at_ms = net.state.timestamp_ms() + 1;
    let after = execute(&net.state, at_ms, &txs[..held]).state;
    let selected = after.select(txs.iter().map(|tx| (tx.id(), 100, tx)));
    assert_eq!(selected, (held..2 * held).collect::<Vec<_>>());
}

#[test]
fn a_refused_transaction_changes_nothing() {
    let mut net = Net::new();
    let refused =
        net.sign((device().public(), Payload::RevokeDevice { device: device().public() }));
    let at_ms = net.state.timestamp_ms() + 1;
    let with = execute(&net.state, at_ms, std::slice::from_ref(&refused));
    assert!(matches!(with.receipts[0].outcome, Outcome::Rejected(_)));
    assert!(with.events.is_empty());
    let applied = net.sign(note(device().public()));
    let also = execute(&net.state, at_ms, std::slice::from_ref(&applied));
    // The same but for which transaction is remembered.
    let entries = |state: &State| {
        state
            .store()
            .entries()
            .filter(|(key, _)| key[0] != 10)
            .map(|(k, v)| (k.to_vec(), v.to_vec()))
            .collect::<Vec<_>>()
    };
    assert_eq!(entries(&with.state), entries(&also.state));
}
