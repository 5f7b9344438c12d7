//! Sources that fail, stall, lie, or lack something; and honest ones.

use super::*;
use ::bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use proptest::prelude::*;
use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use trustmesh_types::Digest;

/// Longer than an honest source takes here, on a busy machine too.
const SILENCE_MAX: Duration = Duration::from_millis(500);

/// How a source behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Honest,
    /// Turns one bit of every range.
    Lies,
    /// Knows the contents, and serves none of it.
    Lacks,
    /// Ends every range in its middle.
    CutsOff,
    /// Begins, and never goes on.
    Stalls,
    /// Sends a byte now and then, never silent for long.
    Drips,
    /// Gives other contents than were asked for.
    OtherContents,
    /// Serves blobs and knows no contents, as a registry does.
    Registry,
}

struct Played {
    name: String,
    manner: Manner,
    contents: Contents,
    blobs: Vec<Vec<u8>>,
    served: AtomicU64,
}

impl Source for Played {
    fn name(&self) -> &str {
        &self.name
    }

    fn contents(&self, _digest: Digest) -> BoxFuture<'_, Result<Option<Bytes>, String>> {
        let bytes = match self.manner {
            Manner::Registry => Ok(None),
            Manner::OtherContents => Ok(Some(b"other".as_slice().into())),
            Manner::Lacks => Err("it has none".to_owned()),
            _ => Ok(Some(self.contents.encode().into())),
        };
        async move { bytes }.boxed()
    }

    fn blob<'a>(
        &'a self,
        _contents: Digest,
        blob: &'a BlobEntry,
        range: Range<u64>,
    ) -> BoxFuture<'a, Result<Pieces, String>> {
        let found = self.blobs.iter().find(|it| Digest::of(it) == blob.digest).unwrap();
        let mut part = found[range.start as usize..range.end as usize].to_vec();
        self.served.fetch_add(part.len() as u64, Ordering::Relaxed);
        let manner = self.manner;
        async move {
            let end = match manner {
                Manner::Lacks => return Err("it has none".to_owned()),
                Manner::CutsOff => part.len() / 2,
                Manner::Stalls => 1,
                Manner::Lies => {
                    let middle = part.len() / 2;
                    part[middle] ^= 1;
                    part.len()
                }
                _ => part.len(),
            };
            if manner == Manner::Drips {
                let drip = |byte: u8| async move {
                    tokio::time::sleep(SILENCE_MAX / 2).await;
                    Ok(Bytes::copy_from_slice(&[byte]))
                };
                return Ok(stream::iter(part).then(drip).boxed());
            }
            let pieces: Vec<Piece> =
                part[..end].chunks(100_003).map(|it| Ok(Bytes::copy_from_slice(it))).collect();
            let pieces = stream::iter(pieces);
            Ok(if manner == Manner::Stalls {
                pieces.chain(stream::pending()).boxed()
            } else {
                pieces.boxed()
            })
        }
        .boxed()
    }
}

fn sources(contents: &Contents, blobs: &[Vec<u8>], manners: &[Manner]) -> Vec<Arc<Played>> {
    let play = |(at, manner): (usize, &Manner)| {
        Arc::new(Played {
            name: format!("source-{at}"),
            manner: *manner,
            contents: contents.clone(),
            blobs: blobs.to_vec(),
            served: AtomicU64::new(0),
        })
    };
    manners.iter().enumerate().map(play).collect()
}

async fn fetch(
    store: &ArtifactStore,
    contents: &Contents,
    sources: &[Arc<Played>],
) -> Result<Obtained, ArtifactError> {
    let sources = sources.iter().map(|it| Arc::clone(it) as Arc<dyn Source>).collect();
    let options = ObtainOptions {
        silence_max: SILENCE_MAX,
        rate_min_bytes_per_s: CHUNK_BYTES,
        ..ObtainOptions::new(Wanted::All)
    };
    obtain(store, contents.digest(), sources, &options).await
}

fn blobs() -> Vec<Vec<u8>> {
    vec![bytes(20 * CHUNK + 17, 1), bytes(100, 2), bytes(CHUNK, 3)]
}

#[tokio::test]
async fn wrong_bytes_cost_their_source_the_artifact_and_are_named() {
    let (dir, blobs) = (folder(), blobs());
    let contents = artifact(&blobs);
    let store = open(dir.path());
    let sources =
        sources(&contents, &blobs, &[Manner::Lies, Manner::OtherContents, Manner::Honest]);
    let outcome = fetch(&store, &contents, &sources).await.unwrap();
    assert!(store.holds(&contents.digest()));
    let liars = outcome.liars.join("; ");
    assert!(liars.contains("source-0 sent a wrong chunk"), "{liars}");
    assert_eq!(outcome.fetched_bytes, contents.bytes());
    let again = fetch(&store, &contents, &[]).await.unwrap();
    assert_eq!(again, Obtained::default(), "what is here is not fetched");
}

#[tokio::test]
async fn contents_come_from_whoever_has_them() {
    for first in [Manner::OtherContents, Manner::Lacks, Manner::Registry] {
        let (dir, blobs) = (folder(), blobs());
        let contents = artifact(&blobs);
        let store = open(dir.path());
        let sources = sources(&contents, &blobs, &[first, Manner::Honest]);
        fetch(&store, &contents, &sources).await.unwrap();
        assert!(store.holds(&contents.digest()), "{first:?}");
    }
}

#[tokio::test]
async fn a_source_that_drips_delays_and_does_not_stop_a_fetch() {
    let (dir, blobs) = (folder(), blobs());
    let contents = artifact(&blobs);
    let sources = sources(&contents, &blobs, &[Manner::Drips, Manner::Honest, Manner::Drips]);
    // Silent never: without a bound on the rate, each chunk would take days.
    tokio::time::timeout(Duration::from_secs(60), fetch(&open(dir.path()), &contents, &sources))
        .await
        .expect("it ends")
        .unwrap();
}

#[tokio::test]
async fn contents_of_another_length_than_was_said_are_not_begun() {
    let (dir, blobs) = (folder(), blobs());
    let contents = artifact(&blobs);
    let store = open(dir.path());
    let honest = sources(&contents, &blobs, &[Manner::Honest]).remove(0);
    let options = ObtainOptions { bytes: Some(1), ..ObtainOptions::new(Wanted::All) };
    let error = obtain(&store, contents.digest(), vec![honest], &options).await.unwrap_err();
    assert!(error.to_string().contains("1 were said"), "{error}");
    assert_eq!(store.usage().0, 0, "no room is made for it");
}

#[tokio::test]
async fn what_was_removed_meanwhile_is_fetched_and_not_taken_as_held() {
    let (dir, blobs) = (folder(), blobs());
    let contents = artifact(&blobs);
    let store = open(dir.path());
    let honest = sources(&contents, &blobs, &[Manner::Honest]);
    fetch(&store, &contents, &honest).await.unwrap();
    store.remove(&contents.digest()).unwrap();
    assert!(fetch(&store, &contents, &[]).await.is_err());
    fetch(&store, &contents, &honest).await.unwrap();
    assert!(store.holds(&contents.digest()));
}

#[tokio::test]
async fn several_sources_share_the_work() {
    let (dir, blobs) = (folder(), blobs());
    let contents = artifact(&blobs);
    let store = open(dir.path());
    let sources = sources(&contents, &blobs, &[Manner::Honest; 3]);
    fetch(&store, &contents, &sources).await.unwrap();
    let served: Vec<u64> = sources.iter().map(|it| it.served.load(Ordering::Relaxed)).collect();
    assert_eq!(served.iter().sum::<u64>(), contents.bytes(), "nothing comes twice");
    assert!(served.iter().all(|bytes| *bytes > 0), "{served:?}");
}

#[tokio::test]
async fn when_nobody_has_all_of_it_each_is_named_with_its_trouble() {
    let (dir, blobs) = (folder(), blobs());
    let contents = artifact(&blobs);
    let store = open(dir.path());
    let manners = [Manner::CutsOff, Manner::Stalls, Manner::Lies, Manner::Lacks];
    let sources = sources(&contents, &blobs, &manners);
    let error = fetch(&store, &contents, &sources).await.unwrap_err().to_string();
    for part in [
        "source-0: it ended too early",
        "source-1: it fell silent",
        "source-2: sent",
        "source-3: it has none",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let none = fetch(&open(folder().path()), &contents, &[]).await.unwrap_err().to_string();
    assert!(none.contains("no source is known"), "{none}");
}

#[tokio::test]
async fn what_has_no_room_is_not_begun() {
    let (dir, blobs) = (folder(), blobs());
    let contents = artifact(&blobs);
    let store = ArtifactStore::open(dir.path(), CHUNK_BYTES).unwrap();
    let sources = sources(&contents, &blobs, &[Manner::Honest]);
    let error = fetch(&store, &contents, &sources).await.unwrap_err();
    assert!(matches!(error, ArtifactError::Full { .. }), "{error}");
    assert_eq!(sources[0].served.load(Ordering::Relaxed), 0);
}

fn manner() -> impl Strategy<Value = Manner> {
    use Manner::{CutsOff, Honest, Lacks, Lies, OtherContents, Registry, Stalls};
    prop::sample::select(vec![Honest, Lies, Lacks, CutsOff, Stalls, OtherContents, Registry])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    /// However sources behave, and wherever a fetch is broken off: it ends with all of it when
    /// one source is honest, and what was fetched once is not fetched again from it.
    #[test]
    fn an_honest_source_is_enough(
        manners in prop::collection::vec(manner(), 0..4),
        place in 0usize..4,
        breaks in prop::collection::vec(0u64..60, 0..3),
    ) {
        let runtime = || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
        };
        let (dir, blobs) = (folder(), blobs());
        let contents = artifact(&blobs);
        let mut manners = manners;
        manners.insert(place.min(manners.len()), Manner::Honest);
        let store = open(dir.path());
        let broken = runtime();
        broken.block_on(async {
            for millis in breaks {
                let sources = sources(&contents, &blobs, &manners);
                let limit = Duration::from_millis(millis);
                // Broken off wherever it stands.
                let _ = tokio::time::timeout(limit, fetch(&store, &contents, &sources)).await;
            }
        });
        // What writes still is waited for: nobody else does when the store is opened again.
        drop(broken);
        runtime().block_on(async {
            let again = open(dir.path());
            let sources = sources(&contents, &blobs, &manners);
            fetch(&again, &contents, &sources).await.unwrap();
            assert!(again.holds(&contents.digest()));
            for blob in &blobs {
                assert_eq!(again.read_whole(&Digest::of(blob), ROOM).unwrap(), blob.as_slice());
            }
        });
    }
}
