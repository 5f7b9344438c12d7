//! Fetching an artifact: from several sources at once, chunk by chunk, until what is wanted of
//! it is here.
//!
//! Sources are asked for runs of chunks; each lane takes the next run and a source that is
//! doing well. A source that sends a wrong chunk is not asked for this artifact again, and is
//! named; one that fails or falls silent is asked less, and one that is slow only when no other
//! is there. What came is durable chunk by chunk, so whoever drops the future, or dies, goes on
//! there.

use super::{
    error::ArtifactError,
    image,
    source::{Pieces, Source},
    store::ArtifactStore,
};
use bytes::BytesMut;
use futures::{StreamExt as _, future::join_all};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep, timeout},
};
use trustmesh_types::{
    Contents, Digest,
    contents::{BlobEntry, CHUNK_BYTES},
};

/// Calls under way at once.
const LANES: usize = 4;
/// Chunks that one call asks for.
const RUN_CHUNKS: u64 = 8;
/// Failures of a source after which it is left alone.
const FAILURES_MAX: u32 = 3;
/// A chunk that takes longer is slow: the rest of its run goes to whoever is faster.
const SLOW: Duration = Duration::from_secs(2);
/// Between looks whether another fetch of the same blobs has ended; and how often, at most.
const ENDS: (Duration, usize) = (Duration::from_millis(100), 1_200);
/// Rounds from an index to its manifest to its layers, and one to see that all is here.
const ROUNDS_MAX: usize = 4;

/// How much of an artifact is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All of it, to hold it for others.
    All,
    /// What runs on an architecture, as in `x86_64`.
    Platform(String),
}

/// What became of a fetch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Obtained {
    /// Sources that sent wrong bytes, and which.
    pub liars: Vec<String>,
    /// Bytes that were fetched.
    pub fetched_bytes: u64,
}

/// Told how many bytes have come, of how many that are known to be wanted.
pub type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// How to fetch.
#[derive(Clone)]
pub struct ObtainOptions {
    /// How much of the artifact is wanted.
    pub wanted: Wanted,
    /// Bytes of all its blobs, where they were named: contents with others are refused.
    pub bytes: Option<u64>,
    /// A source that sends nothing for so long has fallen silent.
    pub silence_max: Duration,
    /// A source that sends a chunk at a lower rate fails.
    pub rate_min_bytes_per_s: u64,
    /// Told of each chunk that came.
    pub progress: Progress,
}

impl ObtainOptions {
    /// Patient for 5 s, content with 16 KiB/s, and telling nobody.
    #[must_use]
    pub fn new(wanted: Wanted) -> Self {
        let silence_max = Duration::from_secs(5);
        let progress = Arc::new(|_, _| ());
        Self { wanted, bytes: None, silence_max, rate_min_bytes_per_s: 16 * 1024, progress }
    }
}

struct Standing {
    source: Arc<dyn Source>,
    failures: u32,
    /// Chunks that took too long.
    slow: u32,
    lied: bool,
    busy: usize,
    trouble: String,
}

/// Chunks of a blob to ask for.
#[derive(Debug, Clone)]
struct Run {
    entry: BlobEntry,
    chunks: std::ops::Range<u64>,
}

struct Board {
    runs: VecDeque<Run>,
    sources: Vec<Standing>,
    outcome: Obtained,
    wanted_bytes: u64,
    /// What went wrong on this node: it ends the fetch.
    own: Option<ArtifactError>,
}

struct Fetch<'a> {
    store: &'a ArtifactStore,
    contents: Digest,
    board: Mutex<Board>,
    options: &'a ObtainOptions,
}

/// Fetches what is wanted of an artifact and keeps it durably. At once when it is here.
///
/// # Errors
/// [`ArtifactError::NoSource`] when no source has all of it; else what is wrong with this
/// node's disk, or with the artifact.
pub async fn obtain(
    store: &ArtifactStore,
    contents: Digest,
    sources: Vec<Arc<dyn Source>>,
    options: &ObtainOptions,
) -> Result<Obtained, ArtifactError> {
    let stand = |source| Standing {
        source,
        failures: 0,
        slow: 0,
        lied: false,
        busy: 0,
        trouble: "not asked".to_owned(),
    };
    let board = Mutex::new(Board {
        runs: VecDeque::new(),
        sources: sources.into_iter().map(stand).collect(),
        outcome: Obtained::default(),
        wanted_bytes: 0,
        own: None,
    });
    let fetch = Fetch { store, contents, board, options };
    let all = fetch.contents().await?;
    let what = || format!("artifact {contents}");
    if let Some(said) = options.bytes.filter(|said| *said != all.bytes()) {
        let why = format!("it has {} bytes, {said} were said", all.bytes());
        return Err(ArtifactError::unusable(what(), why));
    }
    let (mut rounds, mut waits) = (0, 0);
    while rounds < ROUNDS_MAX && waits < ENDS.1 {
        let (store, of, wanted) = (store.clone(), all.clone(), options.wanted.clone());
        let (blobs, here) = blocking(move || {
            // Again in each round: what was here may have been damaged or removed since.
            store.begin(&of)?;
            let blobs = selection(&store, &of, &wanted)?;
            let here = store.has_all(&blobs);
            Ok((blobs, here))
        })
        .await?;
        if fetch.plan(&blobs) {
            rounds += 1;
            join_all((0..LANES).map(|_| fetch.lane())).await;
            fetch.check()?;
        } else if here {
            return Ok(fetch.board().outcome.clone());
        } else {
            // All chunks have come, and somebody else makes a blob of them.
            waits += 1;
            sleep(ENDS.0).await;
        }
    }
    Err(ArtifactError::unusable(what(), "it names manifests without end"))
}

/// Blobs that are wanted, as far as what is here tells.
fn selection(
    store: &ArtifactStore,
    contents: &Contents,
    wanted: &Wanted,
) -> Result<Vec<BlobEntry>, ArtifactError> {
    match wanted {
        Wanted::All => Ok(contents.blobs().to_vec()),
        Wanted::Platform(arch) => image::needed(store, contents, arch),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArtifactError> + Send + 'static,
) -> Result<T, ArtifactError> {
    let gone = || ArtifactError::unusable("the work", "the node is stopping");
    spawn_blocking(work).await.unwrap_or_else(|_| Err(gone()))
}

impl Fetch<'_> {
    fn board(&self) -> MutexGuard<'_, Board> {
        // Nothing panics while it is held.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The contents, from here or from the first source that has them.
    async fn contents(&self) -> Result<Contents, ArtifactError> {
        if let Some(contents) = self.store.contents(&self.contents) {
            return Ok(contents);
        }
        let count = self.board().sources.len();
        for at in 0..count {
            let Some(source) = self.board().sources.get(at).map(|it| Arc::clone(&it.source)) else {
                break;
            };
            let asked = source.contents(self.contents);
            let trouble = match timeout(self.patience(source.as_ref()), asked).await {
                Err(_) => "no answer in time".to_owned(),
                Ok(Err(trouble)) => trouble,
                Ok(Ok(None)) => continue,
                Ok(Ok(Some(bytes))) if Digest::of(&bytes) == self.contents => {
                    return Ok(Contents::decode(&bytes)?);
                }
                Ok(Ok(Some(_))) => {
                    self.lied(at, "other contents than were asked for");
                    continue;
                }
            };
            self.failed(at, trouble);
        }
        Err(self.no_source())
    }

    fn patience(&self, source: &dyn Source) -> Duration {
        source.silence_max().unwrap_or(self.options.silence_max)
    }

    /// What is not here of some blobs is to be fetched; whether there is any.
    fn plan(&self, blobs: &[BlobEntry]) -> bool {
        let mut board = self.board();
        for entry in blobs {
            let mut missing = self.store.missing(&entry.digest).into_iter().peekable();
            while let Some(first) = missing.next() {
                let mut end = first.saturating_add(1);
                while end < first.saturating_add(RUN_CHUNKS) && missing.peek() == Some(&end) {
                    missing.next();
                    end = end.saturating_add(1);
                }
                let run = Run { entry: entry.clone(), chunks: first..end };
                board.wanted_bytes = board.wanted_bytes.saturating_add(run.bytes());
                board.runs.push_back(run);
            }
        }
        !board.runs.is_empty()
    }

    fn check(&self) -> Result<(), ArtifactError> {
        let mut board = self.board();
        if let Some(own) = board.own.take() {
            return Err(own);
        }
        let left = !board.runs.is_empty();
        drop(board);
        if left { Err(self.no_source()) } else { Ok(()) }
    }

    fn no_source(&self) -> ArtifactError {
        let board = self.board();
        let said: Vec<String> = board
            .sources
            .iter()
            .map(|it| format!("{}: {}", it.source.name(), it.trouble))
            .collect();
        let why = if said.is_empty() { "no source is known".to_owned() } else { said.join("; ") };
        ArtifactError::NoSource { contents: self.contents, why }
    }

    fn lied(&self, at: usize, how: &str) {
        let mut board = self.board();
        let Some(standing) = board.sources.get_mut(at) else { return };
        standing.lied = true;
        standing.trouble = format!("sent {how}");
        let named = format!("{} sent {how}", standing.source.name());
        if !board.outcome.liars.contains(&named) {
            board.outcome.liars.push(named);
        }
    }

    fn failed(&self, at: usize, trouble: String) {
        if let Some(standing) = self.board().sources.get_mut(at) {
            standing.failures = standing.failures.saturating_add(1);
            standing.trouble = trouble;
        }
    }

    /// The next run, and the source to ask: of those that did not lie or fail too often, the
    /// least busy, the best at the front.
    fn next(&self) -> Option<(Run, usize, Arc<dyn Source>)> {
        let mut board = self.board();
        if board.own.is_some() {
            return None;
        }
        let usable = |it: &&mut Standing| !it.lied && it.failures < FAILURES_MAX;
        let numbered = board.sources.iter_mut().enumerate();
        let (at, chosen) = numbered
            .filter(|(_, it)| usable(it))
            .min_by_key(|(_, it)| (it.slow, it.busy, it.failures))?;
        chosen.busy = chosen.busy.saturating_add(1);
        let source = Arc::clone(&chosen.source);
        let Some(run) = board.runs.pop_front() else {
            if let Some(chosen) = board.sources.get_mut(at) {
                chosen.busy = chosen.busy.saturating_sub(1);
            }
            return None;
        };
        Some((run, at, source))
    }

    /// Fetches runs until there are none, or nobody to ask.
    async fn lane(&self) {
        while let Some((run, at, source)) = self.next() {
            let left = self.fetch(&run, at, source.as_ref()).await;
            let mut board = self.board();
            if let Some(standing) = board.sources.get_mut(at) {
                standing.busy = standing.busy.saturating_sub(1);
            }
            board.runs.extend(left);
        }
    }

    /// Fetches a run from a source; gives back what is left of it.
    async fn fetch(&self, run: &Run, at: usize, source: &dyn Source) -> Option<Run> {
        let entry = &run.entry;
        let ends = entry.chunk(run.chunks.start).zip(entry.chunk(run.chunks.end.saturating_sub(1)));
        let ((first, _), (last, _)) = ends?;
        let asked = source.blob(self.contents, entry, first.start..last.end);
        let silence_max = self.patience(source);
        let mut pieces = match timeout(silence_max, asked).await {
            Ok(Ok(pieces)) => pieces,
            Ok(Err(trouble)) => {
                self.failed(at, trouble);
                return Some(run.clone());
            }
            Err(_) => {
                self.failed(at, "no answer in time".to_owned());
                return Some(run.clone());
            }
        };
        let mut rest = BytesMut::new();
        for index in run.chunks.clone() {
            let left = || Some(Run { entry: entry.clone(), chunks: index..run.chunks.end });
            let (range, _) = entry.chunk(index)?;
            let length = usize::try_from(range.end.saturating_sub(range.start)).ok()?;
            let since = Instant::now();
            let rate = self.options.rate_min_bytes_per_s.max(1);
            let time_max = silence_max + Duration::from_secs((length as u64).div_ceil(rate));
            let filled = timeout(time_max, fill(&mut rest, &mut pieces, (length, silence_max)));
            let filled = filled.await.unwrap_or_else(|_| Err("it is too slow".to_owned()));
            if let Err(trouble) = filled {
                self.failed(at, trouble);
                return left();
            }
            let is_slow = since.elapsed() > SLOW;
            let chunk = rest.split_to(length).freeze();
            let (store, of, bytes) = (self.store.clone(), entry.clone(), chunk.len() as u64);
            match blocking(move || store.put_chunk(&of, index, &chunk)).await {
                Ok(_) => self.came(bytes),
                Err(ArtifactError::WrongChunk { .. }) => {
                    let what = format!("a wrong chunk {index} of blob {}", entry.digest.short());
                    self.lied(at, &what);
                    return left();
                }
                Err(error) => {
                    self.board().own = Some(error);
                    return left();
                }
            }
            if is_slow {
                self.slow(at);
                let run =
                    Run { entry: entry.clone(), chunks: index.saturating_add(1)..run.chunks.end };
                return (!run.chunks.is_empty()).then_some(run);
            }
        }
        None
    }

    fn slow(&self, at: usize) {
        if let Some(standing) = self.board().sources.get_mut(at) {
            standing.slow = standing.slow.saturating_add(1);
        }
    }

    fn came(&self, bytes: u64) {
        let (came, wanted) = {
            let mut board = self.board();
            let came = board.outcome.fetched_bytes.saturating_add(bytes);
            board.outcome.fetched_bytes = came;
            (came, board.wanted_bytes)
        };
        (self.options.progress)(came, wanted);
    }
}

impl Run {
    fn bytes(&self) -> u64 {
        let end = self.chunks.end.saturating_mul(CHUNK_BYTES).min(self.entry.bytes);
        end.saturating_sub(self.chunks.start.saturating_mul(CHUNK_BYTES))
    }
}

/// Waits until `length` bytes have come.
async fn fill(
    rest: &mut BytesMut,
    pieces: &mut Pieces,
    (length, silence_max): (usize, Duration),
) -> Result<(), String> {
    while rest.len() < length {
        match timeout(silence_max, pieces.next()).await {
            Err(_) => return Err("it fell silent".to_owned()),
            Ok(None) => return Err("it ended too early".to_owned()),
            Ok(Some(Err(trouble))) => return Err(trouble),
            Ok(Some(Ok(piece))) => rest.extend_from_slice(&piece),
        }
    }
    Ok(())
}
