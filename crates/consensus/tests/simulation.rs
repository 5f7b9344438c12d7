//! Ledgers on a simulated network: agreement, catching up, restarts, messages, determinism.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test and its helpers fail by panicking"
)]

#[expect(dead_code, reason = "each test uses a part of it")]
mod common;

use common::{World, genesis, note, operator, public, sign, validator};
use commonware_runtime::{Clock as _, Runner as _, deterministic};
use std::time::Duration;
use trustmesh_consensus::{ClockOffset, SendError, StartError, SubmitError, verify_certificate};
use trustmesh_types::{
    Digest, Payload, PublicKey, SecretKey,
    committee::Committee,
    message::{Message, Recipient},
    receipt::Outcome,
};

fn runner(seed: u64) -> deterministic::Runner {
    let config = deterministic::Config::new()
        .with_seed(seed)
        .with_cycle(Duration::from_micros(100))
        .with_timeout(Some(Duration::from_secs(600)));
    deterministic::Runner::new(config)
}

/// Four validators, a stream of transactions through all of them; gives the trace's hash and
/// the chain's roots.
fn stream(seed: u64, count: u64) -> (String, Vec<(u64, String)>) {
    runner(seed).start(|context| async move {
        let mut world = World::new(context, genesis(4, 0)).await;
        let mut nodes = Vec::new();
        for n in 0..4 {
            nodes.push(world.start(n, None).await);
        }
        let mut last = None;
        for nonce in 0..count {
            let at = &nodes[nonce as usize % 4].handle;
            let payload = if nonce % 5 == 0 {
                let device = SecretKey::from_seed([100 + nonce as u8; 32]).public();
                Payload::RegisterDevice { device, name: format!("device-{nonce}") }
            } else {
                Payload::Note { bytes: vec![nonce as u8; 64] }
            };
            let tx = sign(at, &operator(), nonce, payload);
            last = Some(at.submit(tx).await.unwrap());
            world.context.sleep(Duration::from_millis(3)).await;
        }
        let included = nodes[0].until_included(last.unwrap()).await;
        assert!(included.receipts.iter().all(|r| r.outcome == Outcome::Applied));
        let height = included.block.header.height;
        let mut chains = Vec::new();
        for node in &mut nodes[1..] {
            chains.push(node.until(height).await);
        }
        assert!(chains.iter().all(|chain| *chain == chains[0]), "one chain on every node");
        (world.context.auditor().state(), chains.remove(0))
    })
}

#[test]
fn validators_agree_and_equal_seeds_give_equal_traces() {
    let (trace, roots) = stream(7, 40);
    let again = stream(7, 40);
    assert_eq!((&trace, &roots), (&again.0, &again.1));
    assert_ne!(stream(8, 40).0, trace, "another seed gives another trace");
}

#[test]
fn certificates_prove_finality_offline_and_nothing_else() {
    runner(1).start(|context| async move {
        let mut world = World::new(context, genesis(4, 0)).await;
        let mut nodes = Vec::new();
        for n in 0..4 {
            nodes.push(world.start(n, None).await);
        }
        let id = nodes[1].handle.submit(note(&nodes[1].handle, 1)).await.unwrap();
        let block = nodes[0].until_included(id).await.block.clone();
        let handle = nodes[0].handle.clone();
        assert_eq!(handle.block(block.header.height).await.unwrap(), block);
        let certificate = handle.finalization(block.header.height).await.unwrap();

        let (network, validators) = (world.genesis.network_id(), world.genesis.validators());
        let mut rng = world.context;
        let mut check = |network, validators: &[PublicKey], digest: &Digest, bytes: &[u8]| {
            let validators = validators.to_vec();
            let committee = Committee { number: 0, first_height: 0, validators };
            verify_certificate(&mut rng, network, &committee, digest, bytes)
        };
        check(&network, &validators, &block.digest(), &certificate).unwrap();
        assert!(check(&network, &validators, &Digest([1; 32]), &certificate).is_err());
        let other = trustmesh_types::NetworkId(Digest([1; 32]));
        assert!(check(&other, &validators, &block.digest(), &certificate).is_err());
        let strangers: Vec<_> = (10..14).map(|n| validator(n).public()).collect();
        assert!(check(&network, &strangers, &block.digest(), &certificate).is_err());
        for at in 0..certificate.len() {
            let mut bad = certificate.clone();
            bad[at] ^= 1;
            assert!(check(&network, &validators, &block.digest(), &bad).is_err(), "byte {at}");
        }
    });
}

#[test]
fn a_killed_node_goes_on_where_it_was_and_catches_up() {
    runner(2).start(|context| async move {
        let mut world = World::new(context, genesis(4, 0)).await;
        let mut nodes = Vec::new();
        for n in 0..4 {
            nodes.push(world.start(n, None).await);
        }
        let mut first = Vec::new();
        for nonce in 0..5 {
            let id = nodes[0].handle.submit(note(&nodes[0].handle, nonce)).await.unwrap();
            let included = nodes[3].until_included(id).await;
            first.push(included.block.header.height);
        }
        let dealt_with = *first.last().unwrap();
        nodes.remove(3).task.abort();

        let mut height = 0;
        for nonce in 5..15 {
            let id = nodes[0].handle.submit(note(&nodes[0].handle, nonce)).await.unwrap();
            height = nodes[0].until_included(id).await.block.header.height;
        }
        assert!(height > dealt_with + 5);

        let mut back = world.start(3, Some(dealt_with)).await;
        assert_eq!(back.streams.state.height(), dealt_with);
        let roots = back.until(height).await;
        let heights: Vec<u64> = roots.iter().map(|(height, _)| *height).collect();
        assert_eq!(heights, (dealt_with + 1..=height).collect::<Vec<_>>(), "each once, in order");
        let block = nodes[0].handle.block(height).await.unwrap();
        assert_eq!(roots.last().unwrap().1, block.header.state_root.to_string());

        // It takes transactions again, and votes: the chain goes on without another node.
        nodes.remove(2).task.abort();
        let id = back.handle.submit(note(&back.handle, 99)).await.unwrap();
        nodes[1].until_included(id).await;
    });
}

#[test]
fn a_whole_network_stops_and_starts_again_with_its_state() {
    runner(3).start(|context| async move {
        let mut world = World::new(context, genesis(4, 0)).await;
        let mut nodes = Vec::new();
        for n in 0..4 {
            nodes.push(world.start(n, None).await);
        }
        let first = note(&nodes[0].handle, 1);
        let id = nodes[0].handle.submit(first.clone()).await.unwrap();
        for node in &mut nodes {
            node.until_included(id).await;
        }
        let mut heights = Vec::new();
        for node in &nodes {
            node.handle.shutdown().await;
            heights.push(node.handle.status().height);
        }
        let refused = nodes[0].handle.submit(note(&nodes[0].handle, 2)).await;
        assert_eq!(refused, Err(SubmitError::Stopping));
        drop(nodes);

        let mut nodes = Vec::new();
        for (n, height) in heights.into_iter().enumerate() {
            let node = world.start(n, None).await;
            assert!(node.streams.state.height() + 16 >= height);
            nodes.push(node);
        }
        // The state is the old one: what is on the ledger is not taken a second time.
        let outcome = nodes[0].handle.submit(first).await;
        assert!(matches!(outcome, Err(SubmitError::Inadmissible { .. })), "{outcome:?}");
        let id = nodes[1].handle.submit(note(&nodes[1].handle, 3)).await.unwrap();
        for node in &mut nodes {
            node.until_included(id).await;
        }
    });
}

#[test]
fn a_node_that_does_not_vote_follows_and_may_submit() {
    runner(4).start(|context| async move {
        let mut world = World::new(context, genesis(4, 1)).await;
        let mut nodes = Vec::new();
        for n in 0..5 {
            nodes.push(world.start(n, None).await);
        }
        let follower = nodes.pop().unwrap();
        assert!(!follower.handle.status().validator && nodes[0].handle.status().validator);
        let id = follower.handle.submit(note(&follower.handle, 1)).await.unwrap();
        let mut follower = follower;
        let included = follower.until_included(id).await;
        assert_eq!(nodes[0].until_included(id).await.state.root(), included.state.root());
    });
}

#[test]
fn a_cut_off_minority_waits_and_follows_when_it_is_back() {
    runner(5).start(|context| async move {
        let mut world = World::new(context, genesis(4, 0)).await;
        let mut nodes = Vec::new();
        for n in 0..4 {
            nodes.push(world.start(n, None).await);
        }
        world.connect(3, false).await;
        // Submitted while cut off: it is sent again until it gets through.
        let stranded = nodes[3].handle.submit(note(&nodes[3].handle, 50)).await.unwrap();
        for nonce in 0..10 {
            let id = nodes[0].handle.submit(note(&nodes[0].handle, nonce)).await.unwrap();
            nodes[0].until_included(id).await;
        }
        world.connect(3, true).await;
        let included = nodes[0].until_included(stranded).await;
        nodes[3].until(included.block.header.height).await;
    });
}

#[test]
fn what_can_not_be_included_is_refused_with_a_reason() {
    runner(6).start(|context| async move {
        let mut world = World::new(context, genesis(4, 0)).await;
        let mut nodes = Vec::new();
        for n in 0..4 {
            nodes.push(world.start(n, None).await);
        }
        let handle = nodes[0].handle.clone();
        let good = note(&handle, 1);
        let mut forged = note(&handle, 2);
        forged.signature.0[0] ^= 1;
        let stranger = sign(&handle, &validator(99), 3, Payload::Note { bytes: vec![] });
        let outcomes = handle.submit_many(vec![good.clone(), forged, stranger, good]).await;
        assert!(outcomes[0].is_ok());
        assert!(matches!(outcomes[1], Err(SubmitError::Signature { .. })));
        assert!(matches!(outcomes[2], Err(SubmitError::Inadmissible { .. })));
        assert!(matches!(outcomes[3], Err(SubmitError::Repeated { .. })));
        nodes[2].until_included(*outcomes[0].as_ref().unwrap()).await;
    });
}

#[test]
fn messages_reach_whom_they_are_for() {
    runner(9).start(|context| async move {
        let mut world = World::new(context, genesis(4, 0)).await;
        let mut nodes = Vec::new();
        for n in 0..4 {
            nodes.push(world.start(n, None).await);
        }
        let asked = |n: u8| Message::NoBlob { digest: Digest([n; 32]) };
        nodes[0].handle.send(Recipient::Node(public(2)), asked(1)).unwrap();
        nodes[1].handle.send(Recipient::Validators, asked(2)).unwrap();
        nodes[1].handle.send(Recipient::Validators, asked(3)).unwrap();
        let mut got = Vec::new();
        for _ in 0..3 {
            got.push(nodes[2].streams.messages.recv().await.unwrap());
        }
        got.sort_by_key(|(from, _)| (*from != public(0), *from));
        assert_eq!(got[0], (public(0), asked(1)));
        assert_eq!(got[1..], [(public(1), asked(2)), (public(1), asked(3))]);
        assert_eq!(nodes[0].streams.messages.recv().await.unwrap(), (public(1), asked(2)));

        let huge = Message::Piece {
            digest: Digest([0; 32]),
            total: 1 << 20,
            offset: 0,
            bytes: vec![0; 1 << 20],
        };
        let outcome = nodes[0].handle.send(Recipient::Node(public(1)), huge);
        assert!(matches!(outcome, Err(SendError::TooLarge { .. })));
    });
}

#[test]
fn storage_of_another_network_is_refused() {
    runner(10).start(|context| async move {
        let mut world = World::new(context, genesis(4, 0)).await;
        let node = world.start(0, None).await;
        node.handle.shutdown().await;
        let mut other = world.genesis.clone();
        other.name = "another".to_owned();
        let network = trustmesh_consensus::simulated_network(
            &world.oracle,
            &trustmesh_consensus::engine_public(&public(0)).unwrap(),
        )
        .await
        .unwrap();
        let options = trustmesh_consensus::Options {
            genesis: other,
            key: validator(0),
            partition: "n0".to_owned(),
            delivered_height: None,
            votes_unknown: false,
            snapshot: None,
            clock: ClockOffset::default(),
        };
        let outcome = trustmesh_consensus::start_sim(world.context, options, network).await;
        assert!(matches!(outcome, Err(StartError::WrongNetwork { .. })));
    });
}
