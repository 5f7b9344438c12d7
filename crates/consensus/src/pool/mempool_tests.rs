//! The mempool from its sides: bounds, turns, expiry, gossip.

use super::*;
use trustmesh_types::{
    Digest, NetworkId, Payload, SecretKey, Transaction, transaction::TRANSACTION_VERSION,
};

fn note(signer: u8, nonce: u64, valid_until_height: u64) -> (TxId, Arc<SignedTransaction>) {
    let key = SecretKey::from_seed([signer; 32]);
    let signed = Transaction {
        version: TRANSACTION_VERSION,
        network: NetworkId(Digest([0; 32])),
        signer: key.public(),
        valid_until_height,
        nonce,
        payload: Payload::Note { bytes: vec![1; 8] },
    }
    .sign(&key);
    (signed.id(), Arc::new(signed))
}

#[test]
fn one_signer_cannot_fill_it_and_inclusion_makes_room() {
    let mut pool = Mempool::default();
    let mut first = None;
    for nonce in 0..POOL_SIGNER_TRANSACTIONS_MAX as u64 {
        let (id, tx) = note(1, nonce, 10);
        first.get_or_insert(id);
        pool.insert(id, 200, tx, None).unwrap();
    }
    let (id, tx) = note(1, u64::MAX, 10);
    let refused = pool.insert(id, 200, tx.clone(), None);
    assert!(matches!(refused, Err(PoolError::SignerFull { .. })));
    assert!(matches!(pool.room(&tx.transaction.signer, 1), Err(PoolError::SignerFull { .. })));
    let (other, by_other) = note(2, 0, 10);
    pool.insert(other, 200, by_other, None).unwrap();
    pool.finalized(&[first.unwrap()], 3);
    pool.insert(id, 200, tx, None).unwrap();
}

#[test]
fn expired_transactions_leave_and_nothing_is_left_behind() {
    let mut pool = Mempool::default();
    for (nonce, until) in [(0, 5), (1, 6), (2, 7)] {
        let (id, tx) = note(1, nonce, until);
        pool.insert(id, 100, tx, Some(0)).unwrap();
    }
    pool.finalized(&[], 6);
    assert_eq!(pool.len(), 1);
    assert_eq!(pool.bytes, 100);
    pool.finalized(&[], 7);
    assert!(pool.by_id.is_empty() && pool.own.is_empty() && pool.per_signer.is_empty());
    assert_eq!(pool.bytes, 0);
}

#[test]
fn only_own_transactions_are_gossiped_again_and_not_too_soon() {
    let mut pool = Mempool::default();
    let (own, own_tx) = note(1, 0, 10);
    let (other, other_tx) = note(1, 1, 10);
    pool.insert(own, 100, own_tx, Some(1_000)).unwrap();
    pool.insert(other, 100, other_tx, None).unwrap();
    assert!(pool.due_for_gossip(999, 1_999).is_empty());
    assert_eq!(pool.due_for_gossip(1_000, 2_000).len(), 1);
    assert!(pool.due_for_gossip(1_500, 2_500).is_empty());
}

#[test]
fn one_signer_cannot_fill_it_with_bytes_either() {
    let mut pool = Mempool::default();
    let long = POOL_SIGNER_BYTES_MAX / 2;
    for nonce in 0..2 {
        let (id, tx) = note(1, nonce, 10);
        pool.insert(id, long, tx, None).unwrap();
    }
    let (id, tx) = note(1, 2, 10);
    assert!(matches!(pool.insert(id, 1, tx, None), Err(PoolError::SignerFull { .. })));
    let (id, tx) = note(2, 0, 10);
    pool.insert(id, long, tx, None).unwrap();
}

#[test]
fn signers_take_turns_and_whoever_waits_longest_begins() {
    let mut pool = Mempool::default();
    let mut place = |signer: u8, nonce: u64| {
        let (id, tx) = note(signer, nonce, 10);
        pool.insert(id, 100, tx, None).unwrap();
        id
    };
    let flood: Vec<TxId> = (0..5).map(|nonce| place(1, nonce)).collect();
    let second: Vec<TxId> = (0..2).map(|nonce| place(2, nonce)).collect();
    let third = place(3, 0);
    let turns: Vec<TxId> = pool.in_turns().map(|(_, entry)| entry.id).collect();
    let expected = [flood[0], second[0], third, flood[1], second[1], flood[2], flood[3], flood[4]];
    assert_eq!(turns, expected);
    // All of the flood is gone but what comes anew: now the second signer waits longest.
    pool.finalized(&flood, 3);
    let (late, tx) = note(1, 9, 10);
    pool.insert(late, 100, tx, None).unwrap();
    let turns: Vec<TxId> = pool.in_turns().map(|(_, entry)| entry.id).collect();
    assert_eq!(turns, [second[0], third, late, second[1]]);
}

#[test]
fn a_block_holds_a_share_of_a_flood_and_all_of_the_others_by_arrival() {
    let genesis = crate::testing::genesis(4);
    let state = State::genesis(&genesis).unwrap();
    let keys: Vec<SecretKey> = (0..3).map(crate::testing::validator).collect();
    let mut pool = Mempool::default();
    let mut place = |key: &SecretKey, nonce: u64| {
        let signed = crate::testing::note(state.network(), key, nonce);
        pool.insert(signed.id(), 200, Arc::new(signed), None).unwrap();
    };
    for nonce in 0..2_000 {
        place(&keys[0], nonce);
    }
    for nonce in 0..5 {
        place(&keys[1], nonce);
        place(&keys[2], nonce);
    }
    let chosen = pool.select(&state);
    let of = |key: &SecretKey| {
        let mine = |tx: &SignedTransaction| tx.transaction.signer == key.public();
        chosen.iter().filter(|(_, tx)| mine(tx)).map(|(_, tx)| tx.transaction.nonce).collect()
    };
    let flood: Vec<u64> = of(&keys[0]);
    let share = u64::from(trustmesh_state::NODE_SHARE_TRANSACTIONS_MAX);
    assert_eq!(flood, (0..share).collect::<Vec<_>>());
    for key in &keys[1..] {
        let all: Vec<u64> = of(key);
        assert_eq!(all, [0, 1, 2, 3, 4]);
    }
    assert_eq!(chosen[0].1.transaction.signer, keys[0].public(), "by arrival");
}
