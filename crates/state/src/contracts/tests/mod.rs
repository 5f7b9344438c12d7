//! Refusals of the basic contracts, from both sides.

mod applications;
mod conditions;
mod membership;
mod policies;
mod protocol;
mod rest;
mod succession;
mod votes;

use crate::fixture::{Net, Tx};
use trustmesh_types::reject::RejectCode;

/// Every case is refused with its code and a sentence, changes no entry but the block's own,
/// and charges nobody.
fn refuses(net: &Net, cases: Vec<(&str, Tx, RejectCode)>) {
    for (what, tx, code) in cases {
        let mut net = net.clone();
        let members: Vec<_> = net.state.members().collect();
        let executed = net.block(10, vec![tx]);
        match &executed.receipts[0].outcome {
            trustmesh_types::receipt::Outcome::Rejected(rejection) => {
                assert_eq!((rejection.code, rejection.fault), (code, false), "{what}: {rejection}");
                assert!(rejection.reason.len() > 10, "{what}");
            }
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(members, net.state.members().collect::<Vec<_>>(), "{what}");
        assert!(executed.events.is_empty(), "{what}: {:?}", executed.events);
    }
}

/// Every case is applied.
fn takes(net: &Net, cases: Vec<(&str, Tx)>) {
    for (what, tx) in cases {
        assert_eq!(net.clone().one(tx), Ok(()), "{what}");
    }
}
