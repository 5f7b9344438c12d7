//! What a validator votes for and what it refuses, on blocks of a Byzantine leader: a valid
//! block changed in one place.

use super::{
    rules::{Refusal, clock_wait_ms},
    verify,
};
use crate::{
    application::LedgerApplication, block::LedgerBlock, keys::engine_public, ledger::Ledger,
    pool::Pool, proposer, runtime::ClockOffset, testing,
};
use commonware_consensus::marshal::ancestry;
use commonware_cryptography::{Digested, Digestible as _};
use commonware_runtime::{Runner as _, deterministic};
use commonware_utils::channel::mpsc;
use std::{sync::Arc, time::Duration};
use trustmesh_state::State;
use trustmesh_types::{
    Block, Digest, PublicKey, SignedTransaction, block::transactions_root,
    limits::CLOCK_AHEAD_MS_MAX,
};

/// Virtual time at which the judged block says that it was made.
const NOW_MS: u64 = 1;

struct World {
    application: LedgerApplication,
    genesis: LedgerBlock,
    state: State,
    leader: PublicKey,
}

fn world() -> World {
    let genesis = testing::genesis(4);
    let state = State::genesis(&genesis).unwrap();
    let block = LedgerBlock::new(genesis.block(state.root()));
    let application = LedgerApplication {
        ledger: Ledger::new(block.digest(), state.clone()),
        pool: Pool::default(),
        me: testing::validator(1).public(),
        idle_interval: Duration::from_secs(2),
        clock: ClockOffset::default(),
        entropy: [5; 32],
        finalized: mpsc::unbounded_channel().0,
        tip: Arc::default(),
        conduct: None,
    };
    World { application, genesis: block, state, leader: testing::validator(0).public() }
}

impl World {
    fn notes(&self, count: u64) -> Vec<SignedTransaction> {
        let key = testing::operator();
        (0..count).map(|nonce| testing::note(self.state.network(), &key, nonce)).collect()
    }

    fn valid(&self, transactions: Vec<SignedTransaction>) -> Block {
        let chosen = transactions.into_iter().map(|t| (t.id(), Arc::new(t))).collect();
        let parent = Digest(self.genesis.digest().0);
        let built = proposer::build(&self.state, parent, self.leader, NOW_MS, chosen);
        built.unwrap().0.block().as_ref().clone()
    }

    /// Whether a fresh validator votes for `block`.
    fn votes(&self, block: Block) -> bool {
        self.votes_by(0, block)
    }

    /// The same of a validator whose clock is that far ahead.
    fn votes_by(&self, ahead_ms: i64, block: Block) -> bool {
        let application = world().application;
        application.clock.set_ms(ahead_ms);
        let leader = engine_public(&self.leader).unwrap();
        let chain = [LedgerBlock::new(block), self.genesis.clone()].map(|b| {
            let digest = b.digest();
            Digested::precomputed(b, digest)
        });
        deterministic::Runner::timed(Duration::from_secs(60)).start(|context| async move {
            verify(&context, &application, (&leader, 0), ancestry::from_iter(chain)).await
        })
    }
}

/// Makes the header name the block's transactions again.
fn renamed(mut block: Block) -> Block {
    block.header.transactions_root = transactions_root(&block.transactions);
    block
}

#[test]
fn valid_blocks_get_a_vote() {
    let world = world();
    assert!(world.votes(world.valid(vec![])));
    assert!(world.votes(world.valid(world.notes(3))));
    assert!(world.votes(world.valid(world.notes(100))));
}

#[test]
fn a_validator_judges_times_by_its_own_clock() {
    let world = world();
    // Beyond what a clock at 0 waits for, within the bound of one that is ahead.
    let parent = Digest(world.genesis.digest().0);
    let built = proposer::build(&world.state, parent, world.leader, 10_000, Vec::new());
    let block = built.unwrap().0.block().as_ref().clone();
    assert!(!world.votes_by(0, block.clone()));
    assert!(world.votes_by(9_900, block));
}

#[test]
fn a_wrong_root_is_refused() {
    let world = world();
    for place in 0..2 {
        let mut block = world.valid(world.notes(3));
        let header = &mut block.header;
        *[&mut header.receipts_root, &mut header.state_root][place] = Digest([9; 32]);
        assert!(!world.votes(block), "root {place}");
    }
}

#[test]
fn a_bad_signature_is_refused_in_small_and_large_blocks() {
    let world = world();
    for count in [1, 60] {
        let mut block = world.valid(world.notes(count));
        block.transactions[0].signature.0[3] ^= 1;
        assert!(!world.votes(renamed(block)), "{count} transactions");
    }
}

#[test]
fn replayed_foreign_expired_and_strangers_transactions_are_refused() {
    let world = world();
    let (key, network) = (testing::operator(), world.state.network());
    let stranger = testing::validator(99);
    let other_network = trustmesh_types::NetworkId(Digest([1; 32]));
    let twice = vec![testing::note(network, &key, 0), testing::note(network, &key, 0)];
    let foreign = vec![testing::note(other_network, &key, 0)];
    let outsider = vec![testing::note(network, &stranger, 0)];
    let mut expired = testing::note(network, &key, 0).transaction;
    expired.valid_until_height = 0;
    for bad in [twice, foreign, outsider, vec![expired.sign(&key)]] {
        let mut block = world.valid(vec![]);
        block.transactions = bad;
        assert!(!world.votes(renamed(block)));
    }
}

#[test]
fn someone_elses_turn_and_unknown_versions_are_refused() {
    let world = world();
    let mut block = world.valid(vec![]);
    block.header.proposer = testing::validator(2).public();
    assert!(!world.votes(block));
    let mut block = world.valid(vec![]);
    block.header.version = 99;
    assert!(!world.votes(block));
}

#[test]
fn a_block_from_a_clock_slightly_ahead_is_waited_for_and_one_far_ahead_refused() {
    let world = world();
    let at = |timestamp_ms: u64| {
        let parent = Digest(world.genesis.digest().0);
        let built = proposer::build(&world.state, parent, world.leader, timestamp_ms, vec![]);
        built.unwrap().0.block().as_ref().clone()
    };
    assert!(world.votes(at(CLOCK_AHEAD_MS_MAX)));
    assert!(world.votes(at(CLOCK_AHEAD_MS_MAX + 2_000)));
    assert!(!world.votes(at(60_000)));
    let mut stale = at(5);
    stale.header.timestamp_ms = 0;
    assert!(!world.votes(stale), "not after its parent");
}

#[test]
fn the_bound_on_timestamps_is_the_protocols() {
    let now_ms = 1_000_000;
    let cases = [
        ("behind", now_ms - 1, 0, Ok(0)),
        ("at the bound", now_ms + 500, 0, Ok(0)),
        ("one over: wait", now_ms + 501, 0, Ok(1)),
        ("the longest wait", now_ms + 3_500, 0, Ok(3_000)),
        (
            "too far",
            now_ms + 3_501,
            0,
            Err(Refusal::TooFarAhead { got_ms: now_ms + 3_501, ahead_ms: 3_501 }),
        ),
        ("follows a parent that is ahead", now_ms + 9_001, now_ms + 9_000, Ok(0)),
    ];
    for (what, timestamp_ms, parent_ms, expected) in cases {
        assert_eq!(clock_wait_ms(timestamp_ms, parent_ms, now_ms), expected, "{what}");
    }
}
