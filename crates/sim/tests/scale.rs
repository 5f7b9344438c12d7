//! What a simulated mesh costs by its size.

#![expect(clippy::unwrap_used, reason = "a world that can't be built fails its test")]

use trustmesh_sim::{ScalePoint, ScaleSize, simulated_scale};

fn messages(point: &ScalePoint, channel: &str) -> f64 {
    point.per_block.iter().find(|flow| flow.channel == channel).unwrap().messages
}

#[test]
fn votes_grow_with_the_square_of_the_validators_and_the_overhead_hardly() {
    let of = |validators| simulated_scale(ScaleSize { validators, workers: 0 }, 4).unwrap();
    let (small, large) = (of(4), of(10));
    for point in [&small, &large] {
        assert_eq!((point.requests, point.failed), (4, 0));
        assert_eq!(point.violations, Vec::<String>::new());
        // A block takes two votes of each validator to each other; those of one that was under
        // way already may be outside.
        let n = f64::from(point.size.validators);
        assert!(messages(point, "votes") >= 1.5 * n * (n - 1.0), "{point:?}");
    }
    assert!(messages(&large, "votes") > 4.0 * messages(&small, "votes"));
    let (small, large) = (small.overhead_ms.unwrap().p50, large.overhead_ms.unwrap().p50);
    assert!(large <= 1.3 * small, "{small} ms, then {large} ms");
}

#[test]
fn a_node_gets_a_certificate_from_eight_validators_at_most() {
    let point = simulated_scale(ScaleSize { validators: 16, workers: 0 }, 2).unwrap();
    assert_eq!((point.requests, point.failed), (2, 0));
    // Two of a block, and those of turns that were passed, or of blocks under way, beside them.
    let received = messages(&point, "certificates") / 16.0;
    assert!((4.0..=3.0 * 8.0).contains(&received), "{received} a node and block");
}

#[test]
fn workers_that_do_not_vote_follow_and_requests_come_back() {
    let size = ScaleSize { validators: 4, workers: 4 };
    let point = simulated_scale(size, 3).unwrap();
    assert_eq!((point.requests, point.failed), (3, 0));
    assert_eq!(point.violations, Vec::<String>::new());
}
