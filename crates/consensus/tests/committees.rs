//! Committees that follow each other while blocks are made, in the simulator: nodes that join,
//! leave, and come back without their votes; late ones that have to catch up over the change.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test and its helpers fail by panicking"
)]

#[expect(dead_code, reason = "each test uses a part of it")]
mod common;

use common::{Node, World, genesis, operator, public, sign, validator};
use commonware_runtime::{Runner as _, deterministic};
use std::time::Duration;
use trustmesh_consensus::{Handle, StateSnapshot, engine_public};
use trustmesh_state::follow_handovers;
use trustmesh_types::{
    Digest, Payload, PublicKey, SecretKey,
    genesis::Genesis,
    records::NodeRoles,
    resources::{ResourceReport, Resources, Snapshot},
};

const EPOCH: u64 = 16;

fn small_epochs(validators: usize, others: usize) -> Genesis {
    let mut genesis = genesis(validators, others);
    genesis.parameters.epoch_blocks = EPOCH;
    genesis.parameters.idle_interval_ms = 200;
    genesis.parameters.leader_timeout_ms = 1_000;
    genesis
}

fn run(seed: u64, test: impl AsyncFnOnce(deterministic::Context)) {
    let config = deterministic::Config::new()
        .with_seed(seed)
        .with_cycle(Duration::from_micros(100))
        .with_timeout(Some(Duration::from_secs(600)));
    deterministic::Runner::new(config).start(async |context| test(context).await);
}

async fn say(handle: &Handle, key: &SecretKey, nonce: u64, payload: Payload) {
    handle.submit(sign(handle, key, nonce, payload)).await.unwrap();
}

/// Every node says that it is up.
async fn report_all(handle: &Handle, nodes: &[usize]) {
    for n in nodes {
        let newest = Snapshot { taken_ms: 0, foreign: Resources::ZERO };
        let report = ResourceReport { newest, batch_root: Digest::default(), batch_len: 1 };
        say(handle, &validator(*n), 1_000 + *n as u64, Payload::ReportResources(report)).await;
    }
}

/// Takes blocks at all nodes until a committee votes; gives the first one's handovers.
async fn until_committee(nodes: &mut [Node], number: u64) {
    for node in nodes.iter_mut() {
        while node.handle.status().committee < number {
            node.next().await;
        }
    }
}

fn validators(of: &[usize]) -> Vec<PublicKey> {
    let mut keys: Vec<_> = of.iter().map(|n| public(*n)).collect();
    keys.sort_unstable();
    keys
}

async fn start_all(world: &mut World, nodes: std::ops::Range<usize>) -> Vec<Node> {
    let mut all = Vec::new();
    for n in nodes {
        all.push(world.start(n, None).await);
    }
    all
}

/// A world of validators and others, of five in all, of which the first so many run; all are
/// said to be up.
async fn begun(
    context: deterministic::Context,
    (validators, others): (usize, usize),
    running: usize,
) -> (World, Vec<Node>) {
    let mut world = World::new(context, small_epochs(validators, others)).await;
    let mut nodes = start_all(&mut world, 0..running).await;
    report_all(&nodes[0].handle, &[0, 1, 2, 3, 4]).await;
    for node in &mut nodes {
        node.until(2).await;
    }
    (world, nodes)
}

/// Node 4 becomes a validator: a worker of genesis that changes its role and is ready.
async fn promote(node: &Handle, at: usize) {
    let mut info = node.state().node(&public(at)).unwrap().info;
    info.roles = NodeRoles::ALL;
    say(node, &operator(), 1, Payload::ChangeNode(info)).await;
    say(node, &validator(at), 2, Payload::Ready).await;
}

#[test]
fn a_worker_becomes_a_validator_and_the_committee_goes_on_with_it() {
    run(1, async |context| {
        let (world, mut nodes) = begun(context, (4, 1), 5).await;
        let first = nodes[0].handle.clone();
        promote(&first, 4).await;
        world.track(1, |_| true);
        until_committee(&mut nodes, 1).await;
        assert_eq!(first.state().validators(), validators(&[0, 1, 2, 3, 4]));
        let from = first.status().height;
        // All five make blocks, and all follow.
        let mut proposers = std::collections::BTreeSet::new();
        for node in &mut nodes {
            loop {
                let next = node.next().await;
                if next.block.header.height > from {
                    proposers.insert(next.block.header.proposer);
                }
                if next.block.header.height >= from + 12 {
                    break;
                }
            }
        }
        assert_eq!(proposers.len(), 5);
        assert!(nodes[4].handle.status().votes);
        for node in &nodes {
            let handovers = node.handle.handovers();
            let committees = follow_handovers(&world.genesis, &handovers).unwrap();
            assert_eq!(committees[1].validators, validators(&[0, 1, 2, 3, 4]));
        }
    });
}

#[test]
fn a_node_that_slept_over_two_changes_catches_up_and_votes_again() {
    run(2, async |context| {
        let (mut world, mut nodes) = begun(context, (5, 0), 5).await;
        let first = nodes[0].handle.clone();
        let asleep = nodes.pop().unwrap();
        asleep.task.abort();
        let _ = asleep.task.await;
        for number in 1..=2 {
            say(&first, &validator(number), 50, Payload::Ready).await;
            until_committee(&mut nodes, number as u64).await;
        }
        let target = first.status().height;
        let mut late = world.start(4, None).await;
        late.until(target).await;
        assert_eq!(late.handle.status().committee, 2);
        assert!(late.handle.status().votes);
        let handovers = late.handle.handovers();
        assert_eq!(follow_handovers(&world.genesis, &handovers).unwrap().len(), 3);
    });
}

#[test]
fn a_validator_that_is_removed_follows_until_it_is_out_and_the_others_go_on() {
    run(3, async |context| {
        let (world, mut nodes) = begun(context, (5, 0), 5).await;
        let first = nodes[0].handle.clone();
        let gone = Payload::RemoveNode { node: public(4) };
        say(&first, &operator(), 1, gone).await;
        until_committee(&mut nodes, 1).await;
        assert_eq!(first.state().validators(), validators(&[0, 1, 2, 3]));
        assert!(!nodes[4].handle.status().validator);
        world.connect(4, false).await;
        nodes.truncate(4);
        let from = first.status().height;
        for node in &mut nodes {
            node.until(from + 8).await;
        }
    });
}

#[test]
fn a_wiped_validator_follows_first_and_votes_in_a_committee_that_it_never_voted_in() {
    run(4, async |context| {
        let mut world = World::new(context, small_epochs(4, 0)).await;
        let mut nodes = start_all(&mut world, 0..3).await;
        let first = nodes[0].handle.clone();
        report_all(&first, &[0, 1, 2, 3]).await;
        for node in &mut nodes {
            node.until(3).await;
        }
        // Its data is gone: it starts with nothing, as node 3 has never run here.
        world.wiped.insert(3);
        let mut wiped = world.start(3, None).await;
        wiped.until(first.status().height).await;
        let status = wiped.handle.status();
        assert!(status.validator && !status.votes, "it only follows");
        let ready = sign(&wiped.handle, &validator(3), 9, Payload::Ready);
        wiped.handle.announce(ready).await.unwrap();
        nodes.push(wiped);
        until_committee(&mut nodes, 1).await;
        let back = &nodes[3].handle;
        assert!(back.status().votes && !back.votes_unknown());
        // With another one down the network needs its vote.
        let down = nodes.remove(2);
        down.task.abort();
        let _ = down.task.await;
        let from = first.status().height;
        for node in &mut nodes {
            node.until(from + 8).await;
        }
        // It stays so over a restart.
        let again = nodes.pop().unwrap();
        again.task.abort();
        let _ = again.task.await;
        let mut again = world.start(3, None).await;
        assert!(!again.handle.votes_unknown());
        again.until(first.status().height + 4).await;
    });
}

#[test]
fn a_network_that_stops_over_a_change_goes_on_from_its_disks() {
    run(5, async |context| {
        let mut world = World::new(context, small_epochs(4, 0)).await;
        let mut nodes = start_all(&mut world, 0..4).await;
        let first = nodes[0].handle.clone();
        report_all(&first, &[0, 1, 2, 3]).await;
        for node in &mut nodes {
            node.until(2).await;
        }
        say(&first, &validator(1), 5, Payload::Ready).await;
        // Just when the committee is to begin, and some blocks later.
        for stop_at in [2 * EPOCH - 1, 2 * EPOCH + 3] {
            for node in &mut nodes {
                while node.handle.status().height < stop_at {
                    node.next().await;
                }
            }
            for node in nodes.drain(..) {
                node.task.abort();
                let _ = node.task.await;
            }
            nodes = start_all(&mut world, 0..4).await;
        }
        for node in &mut nodes {
            node.until(2 * EPOCH + 10).await;
            assert_eq!(node.handle.status().committee, 1);
        }
        assert!(engine_public(&public(0)).is_ok());
    });
}

#[test]
fn a_new_node_goes_on_from_a_snapshot_and_only_from_a_sound_one() {
    run(6, async |context| {
        let (mut world, mut nodes) = begun(context, (5, 0), 4).await;
        let first = nodes[0].handle.clone();
        say(&first, &validator(1), 5, Payload::Ready).await;
        until_committee(&mut nodes, 1).await;
        let snapshot = first.snapshot().await.unwrap();
        let height = snapshot.verify(&mut rng(&world), &world.genesis).unwrap();
        assert!(height >= 2 * EPOCH - 1);
        let bent: [fn(&mut StateSnapshot); 5] = [
            |it| it.state.truncate(100),
            |it| *it.state.last_mut().unwrap() ^= 1,
            |it| it.certificate[40] ^= 1,
            |it| it.block.header.timestamp_ms += 1,
            |it| it.handovers.clear(),
        ];
        for bend in bent {
            let mut bad = snapshot.clone();
            bend(&mut bad);
            assert!(bad.verify(&mut rng(&world), &world.genesis).is_err());
        }
        // It gets no block from before.
        world.snapshot = Some(snapshot);
        let mut late = world.start(4, None).await;
        assert_eq!(late.handle.status().height, height);
        assert_eq!(late.handle.status().committee, 1);
        let next = late.next().await.block.header.height;
        assert_eq!(next, height + 1);
        late.until(first.status().height + 2).await;
        assert!(late.handle.block(height - 1).await.is_none());
        // And goes on from its disk.
        late.task.abort();
        let _ = late.task.await;
        let mut again = world.start(4, None).await;
        assert!(again.handle.status().height >= height);
        again.until(first.status().height + 4).await;
        let known = again.handle.handovers();
        assert_eq!(follow_handovers(&world.genesis, &known).unwrap().len(), 2);
    });
}

fn rng(world: &World) -> impl rand_core::CryptoRng {
    use commonware_runtime::Supervisor as _;
    world.context.child("rng")
}
