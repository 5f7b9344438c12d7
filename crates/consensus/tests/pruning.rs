//! Old blocks go: what stays, what a restart and a node that was away need.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test and its helpers fail by panicking"
)]
#![expect(dead_code, reason = "not every test needs every helper")]

mod common;

use common::{Node, World, genesis, note};
use commonware_runtime::{Clock as _, Runner as _, Supervisor as _, deterministic};
use std::time::Duration;
use trustmesh_consensus::{limits::BLOCKS_PER_SECTION, verify_certificate};
use trustmesh_state::first_committee;

/// Between two blocks: so that snapshots are as far apart in time as in blocks.
const PACE: Duration = Duration::from_millis(240);

fn runner(seed: u64) -> deterministic::Runner {
    let config = deterministic::Config::new()
        .with_seed(seed)
        .with_cycle(Duration::from_millis(1))
        .with_timeout(Some(Duration::from_secs(1_200)));
    deterministic::Runner::new(config)
}

/// Brings notes onto the ledger, each in a block of its own, and takes the blocks everywhere;
/// gives the last one's height.
async fn grow(world: &World, nodes: &mut [Node], notes: std::ops::Range<u64>) -> u64 {
    let mut height = 0;
    for nonce in notes {
        let id = nodes[0].handle.submit(note(&nodes[0].handle, nonce)).await.unwrap();
        for node in &mut *nodes {
            height = node.until_included(id).await.block.header.height;
        }
        world.context.sleep(PACE).await;
    }
    height
}

#[test]
fn old_blocks_go_and_neither_a_restart_nor_a_node_that_was_away_needs_them() {
    runner(21).start(|context| async move {
        let section = BLOCKS_PER_SECTION.get();
        let mut world = World::new(context, genesis(4, 0)).await;
        let mut nodes = Vec::new();
        for n in 0..4 {
            nodes.push(world.start(n, None).await);
        }
        let early = grow(&world, &mut nodes, 0..300).await;
        assert_eq!(nodes[0].handle.prunable(u64::MAX), 1, "a restart may need all of them");
        nodes[0].handle.prune(u64::MAX);
        assert!(nodes[0].handle.block(1).await.is_some());

        let away = grow(&world, &mut nodes, 300..1_200).await;
        assert!(early < away && away > section);
        nodes.remove(3).task.abort();
        let height = grow(&world, &mut nodes, 1_200..2_000).await;
        for node in &nodes {
            node.handle.prune(u64::MAX);
            assert_eq!(node.handle.oldest(), section, "whole sections below the snapshots");
        }
        world.context.sleep(PACE).await;
        for node in &nodes {
            assert!(node.handle.block(section - 1).await.is_none());
            assert!(node.handle.finalization(section - 1).await.is_none());
        }

        // What is kept is still proven.
        let block = nodes[1].handle.block(section + 5).await.unwrap();
        let certificate = nodes[1].handle.finalization(section + 5).await.unwrap();
        let (id, committee) = (world.genesis.network_id(), first_committee(&world.genesis));
        let mut rng = world.context.child("rng");
        verify_certificate(&mut rng, &id, &committee, &block.digest(), &certificate).unwrap();

        // A restart goes on where it was, and knows what it has.
        nodes.remove(0).task.abort();
        let back = world.start(0, Some(height)).await;
        assert!(back.streams.state.height() + 16 > height);
        assert_eq!(back.handle.oldest(), section);
        nodes.insert(0, back);

        // One that was away since before finds all that it lacks.
        let mut last = world.start(3, Some(away)).await;
        let roots = last.until(height).await;
        let state_root = nodes[1].handle.block(height).await.unwrap().header.state_root;
        assert_eq!(roots.last().unwrap().1, state_root.to_string());
        nodes.push(last);
        grow(&world, &mut nodes, 2_000..2_010).await;
    });
}
