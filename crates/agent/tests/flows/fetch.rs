//! Fetching a blob from nodes that say they hold it (PROTOCOL §7): sources that lie, have
//! none or fall silent are passed over, and no source is asked without end.
//!
//! In each, nodes 1, 2, … ask node 0 to keep an output, and so are its sources in turn.

use super::common::{
    Mesh, ONE,
    script::{asked, receipts, refusals, sends, stores, warned},
    task_id,
};
use trustmesh_agent::{Effect, Input};
use trustmesh_types::{Digest, RequestId, evidence::Completion, message::Message};

/// A source that has not answered by then is passed over.
const FETCH_MS: u64 = 600;
/// The largest piece.
const PIECE_BYTES: usize = 256 * 1024;

struct Case {
    mesh: Mesh,
    data: Vec<u8>,
    digest: Digest,
}

impl Case {
    /// The first source has just been asked.
    fn of(sources: usize, bytes: usize) -> Self {
        let data: Vec<u8> = (0..bytes).map(|at| (at % 251) as u8).collect();
        let digest = Digest::of(&data);
        let mut case = Self { mesh: Mesh::quiet(ONE), data, digest };
        for source in 1..=sources {
            let effects = case.keep(source, bytes as u64);
            assert_eq!(effects.contains(&Effect::Load { digest }), source == 1);
        }
        if sources > 0 {
            let effects = case.mesh.loaded_none(0, digest);
            case.assert_asked(&effects, 1, 0);
        }
        case
    }

    /// A source asks for a receipt for the blob, of a length that it names.
    fn keep(&mut self, source: usize, bytes: u64) -> Vec<Effect> {
        let completion = Completion {
            request: RequestId(Digest([1; 32])),
            designation: 1,
            task: task_id("a"),
            node: self.mesh.key(source),
            inputs: Vec::new(),
            output: self.digest,
            output_bytes: bytes,
            duration_us: 1,
        };
        let completion = completion.sign(&self.mesh.secret(source), &self.mesh.state.network());
        self.mesh.tell(0, source, Message::StoreOutput { completion, data: None })
    }

    #[track_caller]
    fn assert_asked(&self, effects: &[Effect], source: usize, offset: usize) {
        assert_eq!(asked(effects, &self.digest), [(self.mesh.key(source), offset as u64)]);
    }

    /// A source answers with what it holds from an offset on.
    fn honest(&mut self, source: usize, offset: usize) -> Vec<Effect> {
        let end = (offset + PIECE_BYTES).min(self.data.len());
        let bytes = self.data[offset..end].to_vec();
        self.piece(source, self.data.len(), offset, bytes)
    }

    /// The same, with one bit turned.
    fn lie(&mut self, source: usize, offset: usize) -> Vec<Effect> {
        let end = (offset + PIECE_BYTES).min(self.data.len());
        let mut bytes = self.data[offset..end].to_vec();
        bytes[0] ^= 1;
        self.piece(source, self.data.len(), offset, bytes)
    }

    fn piece(&mut self, from: usize, total: usize, offset: usize, bytes: Vec<u8>) -> Vec<Effect> {
        let (digest, total, offset) = (self.digest, total as u64, offset as u64);
        self.mesh.tell(0, from, Message::Piece { digest, total, offset, bytes })
    }

    fn none(&mut self, source: usize) -> Vec<Effect> {
        let digest = self.digest;
        self.mesh.tell(0, source, Message::NoBlob { digest })
    }

    #[track_caller]
    fn assert_here(&self, effects: &[Effect]) {
        let stored = stores(effects);
        assert_eq!(stored.len(), 1);
        assert_eq!((stored[0].0, stored[0].1.as_ref()), (self.digest, self.data.as_slice()));
    }
}

#[test]
fn a_source_with_wrong_bytes_is_passed_over_and_the_next_is_asked() {
    let mut case = Case::of(2, 1_000);
    let effects = case.lie(1, 0);
    assert!(warned(&effects) && stores(&effects).is_empty());
    case.assert_asked(&effects, 2, 0);
    let effects = case.honest(2, 0);
    case.assert_here(&effects);
    assert!(!warned(&effects));
}

#[test]
fn a_source_that_has_none_is_passed_over_at_once() {
    let mut case = Case::of(3, 1_000);
    let effects = case.none(1);
    case.assert_asked(&effects, 2, 0);
    let effects = case.none(2);
    case.assert_asked(&effects, 3, 0);
    let effects = case.honest(3, 0);
    case.assert_here(&effects);
}

#[test]
fn only_the_source_asked_last_is_listened_to() {
    let mut case = Case::of(3, 1_000);
    let effects = case.none(2);
    assert!(asked(&effects, &case.digest).is_empty(), "the first was asked");
    let effects = case.honest(3, 0);
    assert!(stores(&effects).is_empty());
    let effects = case.none(1);
    case.assert_asked(&effects, 2, 0);
    let effects = case.lie(1, 0);
    assert!(sends(&effects).is_empty() && !warned(&effects), "too late to matter");
    let effects = case.honest(2, 0);
    case.assert_here(&effects);
}

#[test]
fn a_silent_source_is_passed_over_after_its_time_and_not_earlier() {
    let mut case = Case::of(2, 1_000);
    let effects = case.mesh.wake(0, FETCH_MS - 1);
    assert!(asked(&effects, &case.digest).is_empty());
    let effects = case.mesh.wake(0, 1);
    case.assert_asked(&effects, 2, 0);
}

#[test]
fn the_next_source_goes_on_where_a_silent_one_stopped() {
    let mut case = Case::of(2, PIECE_BYTES + 10);
    let effects = case.honest(1, 0);
    case.assert_asked(&effects, 1, PIECE_BYTES);
    let effects = case.honest(1, 0);
    assert!(sends(&effects).is_empty(), "the same piece twice");
    let effects = case.mesh.wake(0, FETCH_MS);
    case.assert_asked(&effects, 2, PIECE_BYTES);
    let effects = case.honest(2, PIECE_BYTES);
    case.assert_here(&effects);
}

#[test]
fn a_liar_that_falls_silent_does_not_spoil_an_honest_sources_bytes() {
    let mut case = Case::of(2, PIECE_BYTES + 10);
    let effects = case.lie(1, 0);
    case.assert_asked(&effects, 1, PIECE_BYTES);
    let effects = case.mesh.wake(0, FETCH_MS);
    case.assert_asked(&effects, 2, PIECE_BYTES);
    let effects = case.honest(2, PIECE_BYTES);
    assert!(stores(&effects).is_empty());
    // Either may have lied: the one that answers is asked for all of it.
    case.assert_asked(&effects, 2, 0);
    let effects = case.honest(2, 0);
    case.assert_asked(&effects, 2, PIECE_BYTES);
    let effects = case.honest(2, PIECE_BYTES);
    case.assert_here(&effects);
}

#[test]
fn a_piece_that_does_not_fit_the_blob_passes_its_source_over() {
    type Misfit = (&'static str, usize, usize, usize);
    let misfits: [Misfit; 6] = [
        ("another length", 999, 0, 999),
        ("a gap", 1_000, 1, 999),
        ("nothing", 1_000, 0, 0),
        ("more than the blob", 1_000, 0, 1_001),
        ("more than a piece", 1_000, 0, PIECE_BYTES + 1),
        ("the end of the world", 1_000, usize::MAX, 1),
    ];
    for (what, total, offset, bytes) in misfits {
        let mut case = Case::of(2, 1_000);
        let effects = case.piece(1, total, offset, vec![0; bytes]);
        assert!(warned(&effects), "{what}");
        case.assert_asked(&effects, 2, 0);
    }
}

#[test]
fn after_all_failed_it_rests_and_tries_again_ever_more_rarely() {
    let mut case = Case::of(2, 1_000);
    case.none(1);
    let effects = case.none(2);
    assert!(asked(&effects, &case.digest).is_empty(), "it rests");
    let mut rounds_ms = vec![case.mesh.now_ms];
    for _ in 0..6_000 {
        let mut effects = case.mesh.wake(0, 10);
        if asked(&effects, &case.digest).is_empty() {
            continue;
        }
        rounds_ms.push(case.mesh.now_ms);
        for source in 1..=2 {
            case.assert_asked(&effects, source, 0);
            effects = case.none(source);
        }
    }
    let rests_ms: Vec<u64> = rounds_ms.windows(2).map(|w| w[1] - w[0]).collect();
    assert!((10..=20).contains(&rests_ms.len()), "{rests_ms:?} in a minute");
    assert!(rests_ms[0] >= 300, "{rests_ms:?}");
    assert!(rests_ms.windows(2).all(|w| w[0] <= w[1]), "{rests_ms:?}");
    assert!(rests_ms.iter().all(|ms| *ms <= 5_010), "{rests_ms:?}");
    let effects = case.keep(3, 1_000);
    assert!(refusals(&effects).is_empty());
    case.mesh.wake(0, 5_000);
    case.none(1);
    let effects = case.none(2);
    case.assert_asked(&effects, 3, 0);
    let effects = case.honest(3, 0);
    case.assert_here(&effects);
}

#[test]
fn a_wrong_length_named_first_does_not_stand_in_the_way_of_the_true_one() {
    let mut case = Case::of(0, PIECE_BYTES + 10);
    let (digest, true_bytes) = (case.digest, case.data.len() as u64);
    case.keep(1, true_bytes + 1);
    let effects = case.mesh.loaded_none(0, digest);
    case.assert_asked(&effects, 1, 0);
    let effects = case.keep(2, true_bytes);
    assert!(refusals(&effects).is_empty(), "{:?}", refusals(&effects));
    // The liar's pieces are of its length; the honest source's begin anew.
    let bytes = vec![0; PIECE_BYTES];
    let effects = case.piece(1, case.data.len() + 1, 0, bytes);
    case.assert_asked(&effects, 1, PIECE_BYTES);
    let effects = case.mesh.wake(0, FETCH_MS);
    case.assert_asked(&effects, 2, PIECE_BYTES);
    let effects = case.honest(2, PIECE_BYTES);
    case.assert_asked(&effects, 2, 0);
    let effects = case.honest(2, 0);
    case.assert_asked(&effects, 2, PIECE_BYTES);
    let effects = case.honest(2, PIECE_BYTES);
    case.assert_here(&effects);
    assert_eq!(refusals(&effects).len(), 1, "the liar's length");
    let effects = case.mesh.step(0, Input::Stored { digest, result: Ok(()) });
    let to: Vec<_> = sends(&effects).into_iter().map(|(to, _)| to).collect();
    assert_eq!(to, [case.mesh.key(2)]);
    assert_eq!(receipts(&effects)[0].bytes, true_bytes);
}
