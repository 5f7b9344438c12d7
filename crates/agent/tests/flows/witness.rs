//! Proofs of misbehaviour in agreement go onto the ledger, each misdeed once.

use super::common::{CHAIN, Mesh};
use trustmesh_agent::{Effect, Input};
use trustmesh_types::{
    Digest, Payload, Signature,
    votes::{ConflictingVotes, Vote},
};

fn votes(mesh: &Mesh, view: u64, payload: u8) -> ConflictingVotes {
    let (key, network) = (mesh.secret(2), mesh.state.network());
    let [one, other] = [0, payload].map(|n| {
        let signature = Signature([0; 64]);
        let vote = Vote::Notarize { parent_view: 1, payload: Digest([n; 32]), signature };
        vote.sign(&key, &network, (0, view))
    });
    ConflictingVotes::new(key.public(), (0, view), one, other)
}

fn reports(effects: &[Effect]) -> Vec<&ConflictingVotes> {
    let reports = effects.iter().filter_map(|effect| match effect {
        Effect::Transact(Payload::ReportVotes(votes)) => Some(votes),
        _ => None,
    });
    reports.collect()
}

#[test]
fn each_misdeed_is_reported_once_however_many_proofs_there_are() {
    let mut mesh = Mesh::quiet(CHAIN);
    let first = votes(&mesh, 5, 1);
    let effects = mesh.step(0, Input::Misbehaviour(first.clone()));
    assert_eq!(reports(&effects), [&first]);
    for again in [first, votes(&mesh, 5, 2)] {
        let effects = mesh.step(0, Input::Misbehaviour(again));
        assert!(reports(&effects).is_empty());
    }
    let later = votes(&mesh, 6, 1);
    let effects = mesh.step(0, Input::Misbehaviour(later.clone()));
    assert_eq!(reports(&effects), [&later]);
}

#[test]
fn memory_of_what_was_reported_is_bounded() {
    let mut mesh = Mesh::quiet(CHAIN);
    let mut count = 0;
    for view in (0..1_500).chain(0..1_500) {
        let votes = votes(&mesh, view, 1);
        count += reports(&mesh.step(0, Input::Misbehaviour(votes))).len();
    }
    assert!((1_500..=3_000).contains(&count), "{count}");
}
