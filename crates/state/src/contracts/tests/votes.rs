//! Reports of conflicting votes.

use super::{refuses, takes};
use crate::fixture::{Net, Tx, operator, secret};
use trustmesh_types::{
    Digest, NetworkId, Payload, SecretKey, Signature,
    events::Event,
    reject::RejectCode::{BadSignature, InvalidValue, NoConflict, UnknownMember, WrongRole},
    votes::{ConflictingVotes, Round, Vote},
};

const VIEW: u64 = 9;
const ROUND: Round = (0, VIEW);

fn notarized(payload: u8) -> Vote {
    let signature = Signature([0; 64]);
    Vote::Notarize { parent_view: 8, payload: Digest([payload; 32]), signature }
}

fn votes(key: &SecretKey, network: &NetworkId, one: Vote, other: Vote) -> ConflictingVotes {
    let [one, other] = [one, other].map(|vote| vote.sign(key, network, ROUND));
    ConflictingVotes::new(key.public(), ROUND, one, other)
}

fn by(signer: &SecretKey, votes: ConflictingVotes) -> Tx {
    (signer.public(), Payload::ReportVotes(votes))
}

#[test]
fn a_validators_conflicting_votes_are_taken_from_any_node_and_from_nobody_else() {
    let net = Net::new();
    let network = net.state.network();
    let good = votes(&secret(2), &network, notarized(1), notarized(2));
    let nullify = Vote::Nullify { signature: Signature([0; 64]) };
    let finalize =
        Vote::Finalize { parent_view: 8, payload: Digest([1; 32]), signature: Signature([0; 64]) };
    takes(
        &net,
        vec![
            ("by a validator", by(&secret(1), good.clone())),
            ("by a worker", by(&secret(5), good.clone())),
            ("by the voter itself", by(&secret(2), good.clone())),
            ("in the last round", by(&secret(1), votes(&secret(2), &network, nullify, finalize))),
        ],
    );
    refuses(&net, vec![("by an operator", by(&operator(), good), WrongRole)]);
}

#[test]
fn what_proves_nothing_is_refused_and_charges_nobody() {
    let net = Net::new();
    let network = net.state.network();
    let good = votes(&secret(2), &network, notarized(1), notarized(2));
    let mut forged = good.clone();
    forged.voter = secret(3).public();
    let other_network = NetworkId(Digest([1; 32]));
    refuses(
        &net,
        vec![
            (
                "a worker's votes",
                by(&secret(1), votes(&secret(5), &network, notarized(1), notarized(2))),
                UnknownMember,
            ),
            (
                "one vote twice",
                by(&secret(1), votes(&secret(2), &network, notarized(1), notarized(1))),
                InvalidValue,
            ),
            ("in another's name", by(&secret(1), forged), BadSignature),
            ("of another view", by(&secret(1), ConflictingVotes { view: 8, ..good }), BadSignature),
            (
                "of another network",
                by(&secret(1), votes(&secret(2), &other_network, notarized(1), notarized(2))),
                BadSignature,
            ),
        ],
    );
}

#[test]
fn a_view_is_charged_for_once_and_older_ones_no_more() {
    let mut net = Net::new();
    let network = net.state.network();
    let conflicting = |view: u64| {
        let [one, other] = [1, 2].map(|n| notarized(n).sign(&secret(2), &network, (0, view)));
        by(&secret(1), ConflictingVotes::new(secret(2).public(), (0, view), one, other))
    };
    let executed = net.block(10, vec![conflicting(VIEW)]);
    let voter = secret(2).public();
    let charged = |event: &Event| matches!(event, Event::Fault { node, .. } if *node == voter);
    assert_eq!(executed.events.iter().filter(|event| charged(event)).count(), 1);
    assert!(net.state.knows_votes(&voter, ROUND) && !net.state.knows_votes(&voter, (0, VIEW + 1)));
    let again =
        [("the same", conflicting(VIEW), NoConflict), ("an older", conflicting(8), NoConflict)];
    refuses(&net, again.to_vec());
    takes(&net, vec![("a newer", conflicting(VIEW + 1))]);
}
