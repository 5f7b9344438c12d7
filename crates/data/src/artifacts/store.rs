//! Artifacts as files: `contents/<digest>`, `blobs/<digest>`, and `partial/<digest>` of what is
//! being fetched.
//!
//! Invariants: a file in `blobs/` was read through and has its digest, and is durable before it
//! is there; it never changes. Contents that say something else of a blob that is here are
//! refused: they lie, and who serves it must not be blamed. A blob goes when no contents name it
//! any more. Space counts what is wanted, so that what was begun can be ended. These functions
//! block for the disk.

use super::{
    error::ArtifactError,
    partial::{self, Partial},
};
use crate::checked_file::sync_directory_of;
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{ErrorKind, Write as _},
    ops::Range,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use trustmesh_types::{Contents, Digest, contents::BlobEntry};

const CONTENTS: &str = "contents";
const BLOBS: &str = "blobs";
const PARTIAL: &str = "partial";
/// Where the last damaged blob is kept for whoever wants to look at it.
const SET_ASIDE: &str = "damaged";

#[derive(Debug, Default)]
struct State {
    contents: BTreeMap<Digest, Contents>,
    /// Whole blobs, with what they were found to be; none until somebody asks for one that
    /// contents disagree about.
    whole: BTreeMap<Digest, Option<BlobEntry>>,
    partial: BTreeMap<Digest, Partial>,
    /// When contents were last begun or had a chunk come.
    used: BTreeMap<Digest, Instant>,
}

impl State {
    /// What contents say of a blob, each once.
    fn said(&self, blob: &Digest) -> Vec<&BlobEntry> {
        let mut said: Vec<&BlobEntry> = Vec::new();
        for entry in self.contents.values().filter_map(|it| it.blob(blob)) {
            if !said.contains(&entry) {
                said.push(entry);
            }
        }
        said
    }

    /// Whether a blob is here whole, and as it is said to be.
    fn has(&self, entry: &BlobEntry) -> bool {
        self.whole.get(&entry.digest).is_some_and(|it| it.as_ref() == Some(entry))
    }
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    bytes_max: u64,
    state: Mutex<State>,
    /// One artifact is begun or removed at a time.
    turn: Mutex<()>,
}

/// Artifacts on this node's disk. Clones share them.
#[derive(Debug, Clone)]
pub struct ArtifactStore(Arc<Inner>);

impl ArtifactStore {
    /// Opens or makes a store in a directory of its own. What was half fetched and is wanted by
    /// no contents is dropped.
    ///
    /// # Errors
    /// [`ArtifactError::Io`].
    pub fn open(dir: &Path, bytes_max: u64) -> Result<Self, ArtifactError> {
        for part in [CONTENTS, BLOBS, PARTIAL] {
            let path = dir.join(part);
            fs::create_dir_all(&path).map_err(|e| ArtifactError::io("make", &path, &e))?;
        }
        let mut state = State::default();
        for (digest, path) in named(&dir.join(CONTENTS))? {
            let read = fs::read(&path).ok().filter(|bytes| Digest::of(bytes) == digest);
            match read.and_then(|bytes| Contents::decode(&bytes).ok()) {
                Some(contents) => drop(state.contents.insert(digest, contents)),
                // Cut off by a crash: it is fetched again when it is wanted.
                None => remove(&path)?,
            }
        }
        let wanted = |digest: &Digest| state.contents.values().any(|c| c.blob(digest).is_some());
        for (digest, path) in named(&dir.join(BLOBS))? {
            let length = fs::metadata(&path).map(|meta| meta.len()).unwrap_or(0);
            let said = state.said(&digest);
            let found = match said.as_slice() {
                [entry] if entry.bytes == length => Some(Some((*entry).clone())),
                [_, _, ..] if said.iter().any(|entry| entry.bytes == length) => Some(None),
                _ => None,
            };
            match found {
                Some(entry) => drop(state.whole.insert(digest, entry)),
                None => remove(&path)?,
            }
        }
        for (digest, path) in named(&dir.join(PARTIAL))? {
            if state.whole.contains_key(&digest) || !wanted(&digest) {
                remove(&path)?;
            }
        }
        let (state, turn) = (Mutex::new(state), Mutex::default());
        Ok(Self(Arc::new(Inner { dir: dir.to_owned(), bytes_max, state, turn })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, part: &str, digest: &Digest) -> PathBuf {
        self.0.dir.join(part).join(digest.to_string())
    }

    /// Makes room for an artifact and remembers what belongs to it; of blobs that were half
    /// fetched before, chunks that are right count.
    ///
    /// # Errors
    /// [`ArtifactError::Full`], `Unusable` when they lie about a blob that is here, or `Io`.
    pub fn begin(&self, contents: &Contents) -> Result<(), ArtifactError> {
        let _turn = self.turn();
        let digest = contents.digest();
        for entry in contents.blobs() {
            self.agree(entry)?;
        }
        let known = self.state().contents.contains_key(&digest);
        if !known {
            let used_bytes = self.wanted_bytes(None);
            let with = self.wanted_bytes(Some(contents));
            if with > self.0.bytes_max {
                let needed_bytes = with.saturating_sub(used_bytes);
                let max_bytes = self.0.bytes_max;
                return Err(ArtifactError::Full { needed_bytes, used_bytes, max_bytes });
            }
            write_durably(&self.file(CONTENTS, &digest), &contents.encode())?;
        }
        {
            // Known from here on, whatever goes wrong: what is made for it goes with it.
            let mut state = self.state();
            state.contents.insert(digest, contents.clone());
            state.used.insert(digest, Instant::now());
        }
        contents.blobs().iter().try_for_each(|entry| self.begin_blob(entry))
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.0.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What of a blob is here.
    fn begin_blob(&self, entry: &BlobEntry) -> Result<(), ArtifactError> {
        let here = {
            let state = self.state();
            state.whole.contains_key(&entry.digest)
                || state.partial.get(&entry.digest).is_some_and(|it| it.is_of(entry))
        };
        if here {
            return Ok(());
        }
        // In place of another one, whose chunks are not this blob's.
        let partial = Partial::resume(self.file(PARTIAL, &entry.digest), entry)?;
        let is_whole = partial.is_whole();
        self.state().partial.insert(entry.digest, partial);
        if is_whole { self.finish(entry) } else { Ok(()) }
    }

    /// That a blob that is here whole is what is said of it.
    fn agree(&self, entry: &BlobEntry) -> Result<(), ArtifactError> {
        let known = {
            let state = self.state();
            state.has(entry) || !state.whole.contains_key(&entry.digest)
        };
        if known {
            return Ok(());
        }
        let path = self.path(&entry.digest)?;
        let length = fs::metadata(&path).map_err(|e| ArtifactError::io("read", &path, &e))?.len();
        if length != entry.bytes || !Partial::resume(path, entry)?.is_whole() {
            let why = "its contents say something else of it than is so: who published them lies";
            return Err(ArtifactError::unusable(format!("blob {}", entry.digest), why));
        }
        self.state().whole.insert(entry.digest, Some(entry.clone()));
        Ok(())
    }

    /// Bytes of all blobs that some contents name, `more` among them; each counts once.
    fn wanted_bytes(&self, more: Option<&Contents>) -> u64 {
        let state = self.state();
        let all = state.contents.values().chain(more).flat_map(Contents::blobs);
        let distinct: BTreeMap<Digest, u64> = all.map(|b| (b.digest, b.bytes)).collect();
        distinct.values().fold(0, |sum, bytes| sum.saturating_add(*bytes))
    }

    /// The chunks of a blob that are not here, of contents that were begun.
    #[must_use]
    pub fn missing(&self, blob: &Digest) -> Vec<u64> {
        self.state().partial.get(blob).map(|it| it.missing().collect()).unwrap_or_default()
    }

    /// Keeps a chunk, if it is right. True when the blob is whole with it.
    ///
    /// # Errors
    /// [`ArtifactError::WrongChunk`], `WrongBlob`, `Missing` when it was not begun, or `Io`.
    pub fn put_chunk(
        &self,
        entry: &BlobEntry,
        index: u64,
        bytes: &[u8],
    ) -> Result<bool, ArtifactError> {
        let blob = entry.digest;
        let missing = ArtifactError::Missing { what: "chunk", digest: blob };
        let Some((range, expected)) = entry.chunk(index) else { return Err(missing) };
        let got = Digest::of(bytes);
        if got != expected || bytes.len() as u64 != range.end.saturating_sub(range.start) {
            return Err(ArtifactError::WrongChunk { blob, index, expected, got });
        }
        let begun = {
            let state = self.state();
            let begun = state.partial.get(&blob).filter(|it| it.is_of(entry));
            begun.map(|it| it.path().to_owned()).ok_or_else(|| state.has(entry))
        };
        let path = match begun {
            Ok(path) => path,
            Err(true) => return Ok(true),
            Err(false) => return Err(missing),
        };
        partial::write(&path, range.start, bytes)?;
        let last = {
            let mut state = self.state();
            let State { contents, partial, used, .. } = &mut *state;
            let of = contents.iter().filter(|(_, it)| it.blob(&blob).is_some());
            used.extend(of.map(|(digest, _)| (*digest, Instant::now())));
            partial.get_mut(&blob).filter(|it| it.is_of(entry)).is_some_and(|it| it.mark(index))
        };
        if last {
            self.finish(entry)?;
        }
        Ok(last)
    }

    /// All chunks are there: the blob is checked whole and moved to its place.
    fn finish(&self, entry: &BlobEntry) -> Result<(), ArtifactError> {
        let (from, to) = (self.file(PARTIAL, &entry.digest), self.file(BLOBS, &entry.digest));
        // A single chunk's digest is the blob's.
        if entry.chunk_count() > 1 {
            let got = partial::digest(&from)?;
            if got != entry.digest {
                self.state().partial.remove(&entry.digest);
                remove(&from)?;
                return Err(ArtifactError::WrongBlob { expected: entry.digest, got });
            }
        }
        let sync = || -> std::io::Result<()> {
            let file = File::options().write(true).open(&from)?;
            file.set_len(entry.bytes)?;
            file.sync_all()?;
            fs::rename(&from, &to)
        };
        sync().map_err(|e| ArtifactError::io("keep", &to, &e))?;
        sync_directory_of(&to).map_err(|e| durable(&to, &e))?;
        let mut state = self.state();
        state.partial.remove(&entry.digest);
        state.whole.insert(entry.digest, Some(entry.clone()));
        Ok(())
    }

    /// Keeps a blob that is in memory.
    ///
    /// # Errors
    /// As [`Self::put_chunk`].
    pub fn put_blob(&self, entry: &BlobEntry, bytes: &[u8]) -> Result<(), ArtifactError> {
        for index in self.missing(&entry.digest) {
            let Some((range, _)) = entry.chunk(index) else { break };
            let (start, end) = (usize::try_from(range.start), usize::try_from(range.end));
            let part = start.ok().zip(end.ok()).and_then(|(start, end)| bytes.get(start..end));
            self.put_chunk(entry, index, part.unwrap_or_default())?;
        }
        Ok(())
    }

    /// Whether a blob is here whole.
    #[must_use]
    pub fn holds_blob(&self, blob: &Digest) -> bool {
        self.state().whole.contains_key(blob)
    }

    /// Whether all blobs of an artifact are here.
    #[must_use]
    pub fn holds(&self, contents: &Digest) -> bool {
        let state = self.state();
        let found = state.contents.get(contents);
        found.is_some_and(|it| it.blobs().iter().all(|blob| state.has(blob)))
    }

    /// Whether some blobs are here whole, each as it is said to be.
    pub(super) fn has_all(&self, blobs: &[BlobEntry]) -> bool {
        let state = self.state();
        blobs.iter().all(|blob| state.has(blob))
    }

    /// The contents of an artifact that was begun.
    #[must_use]
    pub fn contents(&self, digest: &Digest) -> Option<Contents> {
        self.state().contents.get(digest).cloned()
    }

    /// The artifacts that were begun, by their contents, with the time since they were or a
    /// chunk of them came.
    #[must_use]
    pub fn list(&self) -> Vec<(Digest, Duration)> {
        let state = self.state();
        let known: Vec<(Digest, Option<Instant>)> =
            state.contents.keys().map(|it| (*it, state.used.get(it).copied())).collect();
        drop(state);
        let age = |(digest, used): (Digest, Option<Instant>)| {
            let file = || fs::metadata(self.file(CONTENTS, &digest)).and_then(|m| m.modified());
            let written = || file().ok().and_then(|at| at.elapsed().ok()).unwrap_or_default();
            (digest, used.map_or_else(written, |at| at.elapsed()))
        };
        known.into_iter().map(age).collect()
    }

    /// Where a whole blob lies.
    ///
    /// # Errors
    /// [`ArtifactError::Missing`].
    pub fn path(&self, blob: &Digest) -> Result<PathBuf, ArtifactError> {
        if self.holds_blob(blob) {
            return Ok(self.file(BLOBS, blob));
        }
        Err(ArtifactError::Missing { what: "blob", digest: *blob })
    }

    /// A part of a whole blob as it lies on disk. Who gets it checks its chunks.
    ///
    /// # Errors
    /// [`ArtifactError::Missing`] or `Io`, past the end for instance.
    pub fn read(&self, blob: &Digest, range: Range<u64>) -> Result<Bytes, ArtifactError> {
        let path = self.path(blob)?;
        let io = |error: std::io::Error| ArtifactError::io("read", &path, &error);
        let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0);
        let mut bytes = vec![0; length];
        File::open(&path)
            .and_then(|file| file.read_exact_at(&mut bytes, range.start))
            .map_err(io)?;
        Ok(bytes.into())
    }

    /// A whole blob of at most `bytes_max` bytes, checked.
    ///
    /// # Errors
    /// [`ArtifactError::Missing`], `Damaged`, `Io`, or `Unusable` when it is larger.
    pub fn read_whole(&self, blob: &Digest, bytes_max: u64) -> Result<Bytes, ArtifactError> {
        let path = self.path(blob)?;
        let length = fs::metadata(&path).map_err(|e| ArtifactError::io("read", &path, &e))?.len();
        if length > bytes_max {
            let why = format!("it has {length} bytes, at most {bytes_max} are allowed");
            return Err(ArtifactError::unusable(format!("blob {blob}"), why));
        }
        let bytes = self.read(blob, 0..length)?;
        if Digest::of(&bytes) != *blob {
            return Err(self.set_aside(blob));
        }
        Ok(bytes)
    }

    /// Reads a whole blob through and checks it.
    ///
    /// # Errors
    /// [`ArtifactError::Damaged`] when it has changed: it then counts as missing.
    pub fn check(&self, blob: &Digest) -> Result<(), ArtifactError> {
        if partial::digest(&self.path(blob)?)? == *blob {
            return Ok(());
        }
        Err(self.set_aside(blob))
    }

    /// A damaged blob is moved away, so that it is fetched again.
    fn set_aside(&self, blob: &Digest) -> ArtifactError {
        let (from, to) = (self.file(BLOBS, blob), self.0.dir.join(SET_ASIDE));
        if let Err(error) = fs::rename(&from, &to) {
            return ArtifactError::io("set aside", &from, &error);
        }
        let mut state = self.state();
        state.whole.remove(blob);
        // Begun anew, whoever wants it finds what is missing.
        state.partial.remove(blob);
        ArtifactError::Damaged { digest: *blob }
    }

    /// Removes an artifact, and its blobs that no other one names.
    ///
    /// # Errors
    /// [`ArtifactError::Io`].
    pub fn remove(&self, contents: &Digest) -> Result<(), ArtifactError> {
        self.remove_unused(contents, Instant::now()).map(drop)
    }

    /// The same, unless somebody began it again, or a chunk of it came, after an instant: then
    /// it stays. False when it stays.
    ///
    /// # Errors
    /// [`ArtifactError::Io`].
    pub fn remove_unused(&self, contents: &Digest, since: Instant) -> Result<bool, ArtifactError> {
        let _turn = self.turn();
        let gone = {
            let mut state = self.state();
            if state.used.get(contents).is_some_and(|at| *at > since) {
                return Ok(false);
            }
            state.used.remove(contents);
            state.contents.remove(contents)
        };
        let Some(gone) = gone else { return Ok(true) };
        remove(&self.file(CONTENTS, contents))?;
        for entry in gone.blobs() {
            let blob = &entry.digest;
            {
                let mut state = self.state();
                if state.contents.values().any(|other| other.blob(blob).is_some()) {
                    continue;
                }
                state.whole.remove(blob);
                state.partial.remove(blob);
            }
            remove(&self.file(BLOBS, blob))?;
            remove(&self.file(PARTIAL, blob))?;
        }
        Ok(true)
    }

    /// Bytes of what is here or wanted, and the limit.
    #[must_use]
    pub fn usage(&self) -> (u64, u64) {
        (self.wanted_bytes(None), self.0.bytes_max)
    }
}

fn durable(path: &Path, error: &crate::DataError) -> ArtifactError {
    let reason = error.to_string();
    ArtifactError::Io { action: "make durable", path: path.to_owned(), reason }
}

/// Files of a directory that are named by a digest; others are none of ours.
fn named(dir: &Path) -> Result<Vec<(Digest, PathBuf)>, ArtifactError> {
    let io = |error: std::io::Error| ArtifactError::io("list", dir, &error);
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let digest = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        found.extend(digest.map(|digest| (digest, path)));
    }
    Ok(found)
}

fn remove(path: &Path) -> Result<(), ArtifactError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(ArtifactError::io("remove", path, &error))
        }
        _ => Ok(()),
    }
}

/// Writes a small file such that a crash leaves none or all of it.
fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), ArtifactError> {
    let temporary = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|e| ArtifactError::io("write", path, &e))?;
    sync_directory_of(path).map_err(|e| durable(path, &e))
}
