//! A member that floods, on a simulated network: what it gets, and what others notice.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    dead_code,
    reason = "a test and its helpers fail by panicking; not every helper is used here"
)]

mod common;

use common::{World, genesis, note, operator, sign, validator};
use commonware_runtime::{Runner as _, deterministic};
use std::time::Duration;
use trustmesh_consensus::{PoolError, SubmitError, limits::SIGNER_TRANSACTIONS_PER_SECOND};
use trustmesh_state::SHARE_TRANSACTIONS_MAX;
use trustmesh_types::Payload;

/// Notes that the flooder hands to each node.
const NOTES: u64 = 400;
/// Blocks within which another's transaction is included, the one that is being made and the
/// gossip's way among them.
const BLOCKS_MAX: u64 = 4;

#[test]
fn a_member_that_floods_through_every_node_gets_its_share_and_holds_up_nobody() {
    let config = deterministic::Config::new()
        .with_seed(1)
        .with_cycle(Duration::from_micros(100))
        .with_timeout(Some(Duration::from_secs(600)));
    deterministic::Runner::new(config).start(|context| async move {
        let mut world = World::new(context, genesis(4, 0)).await;
        let mut nodes = Vec::new();
        for n in 0..4 {
            nodes.push(world.start(n, None).await);
        }
        let flooder = operator().public();
        let mut taken = 0_u64;
        for (n, node) in (0..).zip(&nodes) {
            let first = n * NOTES;
            let notes = (first..first + NOTES).map(|nonce| note(&node.handle, nonce)).collect();
            for outcome in node.handle.submit_many(notes).await {
                match outcome {
                    Ok(_) => taken += 1,
                    Err(SubmitError::Pool(PoolError::SignerRate { signer, wait_ms })) => {
                        assert!(signer == flooder && wait_ms > 0);
                    }
                    Err(other) => panic!("{other}"),
                }
            }
        }
        let burst = u64::from(SIGNER_TRANSACTIONS_PER_SECOND / 2);
        assert!((burst..=4 * burst).contains(&taken), "{taken}");

        let before = nodes[1].handle.status().height;
        let other = sign(&nodes[1].handle, &validator(0), 1, Payload::Note { bytes: vec![1] });
        let id = nodes[1].handle.submit(other).await.unwrap();
        let (mut flooded, mut included_at) = (0, None);
        while flooded < taken {
            let block = nodes[0].next().await;
            let of_flooder = |signer| signer == flooder;
            let signers = block.block.transactions.iter().map(|tx| tx.transaction.signer);
            let held = signers.filter(|signer| of_flooder(*signer)).count() as u64;
            assert!(held <= u64::from(SHARE_TRANSACTIONS_MAX), "{held} in one block");
            flooded += held;
            if block.receipts.iter().any(|receipt| receipt.transaction == id) {
                included_at = Some(block.block.header.height);
            }
        }
        let included_at = included_at.expect("the other's note came before the flood's last");
        assert!(included_at <= before + BLOCKS_MAX, "{included_at} after {before}");
    });
}
