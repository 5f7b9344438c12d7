//! Evidence made of the engine's own conflicting votes: it verifies as it is and not with any
//! bit changed; what proves nothing is no evidence.

use crate::{
    keys::{self, engine_public, ledger_public},
    testing,
    votes::{conflict, revote},
};
use commonware_codec::Encode as _;
use commonware_consensus::{
    simplex::{
        scheme::ed25519::Scheme,
        types::{
            Activity, ConflictingFinalize, ConflictingNotarize, Finalize, Notarize, Nullify,
            NullifyFinalize, Proposal, Vote,
        },
    },
    types::{Epoch, Round, View},
};
use commonware_cryptography::{certificate::Scheme as _, ed25519, sha256};
use commonware_utils::ordered::Set;
use trustmesh_types::{
    Digest, NetworkId, codec,
    votes::{ConflictingVotes, NoConflict, Vote as LedgerVote},
};

const VIEW: u64 = 300;
const COMMITTEE: u64 = 3;

struct Bench {
    network: NetworkId,
    validators: Set<ed25519::PublicKey>,
    scheme: Scheme,
}

fn bench() -> Bench {
    let genesis = testing::genesis(4);
    let network = genesis.network_id();
    let validators = keys::participants(&genesis.validators()).unwrap();
    let scheme = keys::scheme(&network, validators.clone(), Some(&testing::validator(2)));
    assert!(scheme.me().is_some());
    Bench { network, validators, scheme }
}

fn round() -> Round {
    Round::new(Epoch::new(COMMITTEE), View::new(VIEW))
}

fn proposal(parent: u64, payload: u8) -> Proposal<sha256::Digest> {
    Proposal::new(round(), View::new(parent), sha256::Digest([payload; 32]))
}

impl Bench {
    fn notarize(&self, parent: u64, payload: u8) -> Notarize<Scheme, sha256::Digest> {
        Notarize::sign(&self.scheme, proposal(parent, payload)).unwrap()
    }

    fn finalize(&self, parent: u64, payload: u8) -> Finalize<Scheme, sha256::Digest> {
        Finalize::sign(&self.scheme, proposal(parent, payload)).unwrap()
    }

    fn nullify(&self) -> Nullify<Scheme> {
        Nullify::sign::<sha256::Digest>(&self.scheme, round()).unwrap()
    }

    /// The three kinds that the engine reports.
    fn reported(&self) -> Vec<Activity<Scheme, sha256::Digest>> {
        vec![
            Activity::ConflictingNotarize(ConflictingNotarize::new(
                self.notarize(299, 1),
                self.notarize(299, 2),
            )),
            Activity::ConflictingNotarize(ConflictingNotarize::new(
                self.notarize(299, 1),
                self.notarize(0, 1),
            )),
            Activity::ConflictingFinalize(ConflictingFinalize::new(
                self.finalize(299, 2),
                self.finalize(299, 1),
            )),
            Activity::NullifyFinalize(NullifyFinalize::new(self.nullify(), self.finalize(0, 1))),
        ]
    }

    fn evidence(&self) -> Vec<ConflictingVotes> {
        let all = self.reported();
        all.iter()
            .map(|activity| conflict(activity, COMMITTEE, &self.validators).unwrap())
            .collect()
    }
}

#[test]
fn the_engines_own_conflicting_votes_verify() {
    let bench = bench();
    for votes in bench.evidence() {
        assert_eq!(votes.verify(&bench.network), Ok(()));
        let round = (COMMITTEE, VIEW);
        assert_eq!((votes.voter, votes.round()), (testing::validator(2).public(), round));
    }
    let single = Activity::Notarize(bench.notarize(299, 1));
    assert_eq!(conflict(&single, COMMITTEE, &bench.validators), None);
}

#[test]
fn a_wrong_bit_anywhere_is_refused() {
    let bench = bench();
    for votes in bench.evidence() {
        let good = codec::encode(&votes);
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << (at % 8);
            // What still decodes must not verify.
            if let Ok(bad) = codec::decode::<ConflictingVotes>("votes", &bytes, 1_024) {
                assert!(bad.verify(&bench.network).is_err(), "byte {at} of {votes:?}");
            }
        }
        let other = NetworkId(Digest([1; 32]));
        assert_eq!(votes.verify(&other), Err(NoConflict::Signature));
    }
}

#[test]
fn two_equal_votes_are_refused() {
    let bench = bench();
    for votes in bench.evidence() {
        for same in [&votes.first, &votes.second] {
            let (same, round) = (same.clone(), votes.round());
            let twice = ConflictingVotes::new(votes.voter, round, same.clone(), same);
            assert_eq!(twice.verify(&bench.network), Err(NoConflict::Compatible));
        }
    }
}

#[test]
fn a_vote_cast_again_is_what_the_engine_itself_would_sign() {
    let bench = bench();
    let key = testing::validator(2);
    let payload = Digest([9; 32]);
    let change = |view: u64, vote: LedgerVote| match vote {
        LedgerVote::Notarize { parent_view, signature, .. } if view == VIEW => {
            Some(LedgerVote::Notarize { parent_view, payload, signature })
        }
        _ => None,
    };
    // On the wire the committee's number goes before the vote.
    let sent = |vote: Vote<Scheme, sha256::Digest>| {
        [[COMMITTEE as u8].as_slice(), vote.encode().as_ref()].concat()
    };
    let vote = sent(Vote::Notarize(bench.notarize(299, 1)));
    let again = revote(&bench.network, &key, &vote, &change).unwrap();
    assert_eq!(again, sent(Vote::Notarize(bench.notarize(299, 9))));

    let nullify = sent(Vote::Nullify(bench.nullify()));
    assert_eq!(revote(&bench.network, &key, &nullify, &change), None);
    assert_eq!(revote(&bench.network, &key, b"garbage", &change), None);
}

#[test]
fn validators_are_named_by_their_own_keys() {
    let bench = bench();
    let expected = engine_public(&testing::validator(2).public()).unwrap();
    let voter = bench.evidence()[0].voter;
    assert_eq!(ledger_public(&expected), voter);
}
