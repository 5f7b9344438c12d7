//! What a data directory's files are when their node stops, so that a change while it was down
//! is noticed before anything is read from them.
//!
//! The engine and the store check what they read, but the engine takes a damaged end of the
//! votes for a write that a crash cut short, and drops it: the node would then have forgotten
//! what it signed. A node that stops in order therefore writes down length and digest of each
//! file. Invariants: the seal is gone before anything is written after a start, so it never
//! speaks of older files; none is written when stopping took too long or a file could not be
//! read. After a crash there is none, and the engine's own checks are all there is.

use super::{ARTIFACTS, GuardError, io, parts::Layout, write_atomic};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{ErrorKind, Read as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use trustmesh_types::Digest;

const NAME: &str = "seal.json";
/// Format of the seal.
const FORMAT: u32 = 1;
/// What says nothing of what the node holds: the seal itself, the lock, the engine's lock; and
/// artifacts, gigabytes that are checked whenever they are used and fetched again if need be.
const LEFT_OUT: [&str; 4] = [NAME, "lock", ".hold", ARTIFACTS];
/// For reading all files when the node stops; what is left then has its length noted alone.
/// Small files come first: the votes are small.
const READING_MAX: Duration = Duration::from_secs(2);
/// A file is read in pieces, and counts as its pieces' digests: no file is held in memory.
const PIECE_BYTES: usize = 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seal {
    format: u32,
    files: BTreeMap<PathBuf, Sealed>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Sealed {
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    digest: Option<Digest>,
}

/// Checks the files against the seal, if there is one, and breaks it. Files that came later
/// are no matter, and who does not vote may have lost the ledger.
pub(crate) fn open(data: &Path, layout: &Layout) -> Result<(), GuardError> {
    let altered = |path: &Path, what: String| GuardError::Altered {
        path: path.to_owned(),
        what,
        fetchable: path.starts_with(&layout.ledger) && !layout.is_of_votes(path),
    };
    let path = data.join(NAME);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(io("read", &path, &e)),
    };
    let seal: Seal = serde_json::from_slice(&bytes)
        .map_err(|e| altered(&path, format!("it can't be read: {e}")))?;
    if seal.format > FORMAT {
        return Err(GuardError::Newer { path: data.to_owned(), found: seal.format });
    }
    for (name, sealed) in &seal.files {
        let file = data.join(name);
        match differs(&file, sealed) {
            Ok(None) => {}
            Ok(Some(what)) => return Err(altered(&file, what)),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                if layout.validator || !file.starts_with(&layout.ledger) {
                    return Err(altered(&file, "it is missing".to_owned()));
                }
            }
            Err(e) => return Err(io("read", &file, &e)),
        }
    }
    std::fs::remove_file(&path).map_err(|e| io("remove", &path, &e))?;
    File::open(data).and_then(|folder| folder.sync_all()).map_err(|e| io("write", data, &e))
}

/// Writes down what the files are, of a node that has closed all of them.
pub(crate) fn close(data: &Path) -> Result<(), GuardError> {
    let until = Instant::now() + READING_MAX;
    let mut found = Vec::new();
    list(data, data, &mut found).map_err(|e| io("read", data, &e))?;
    found.sort_by_key(|(_, bytes)| *bytes);
    let mut files = BTreeMap::new();
    for (name, bytes) in found {
        let file = data.join(&name);
        let digest = digest(&file, Some(until)).map_err(|e| io("read", &file, &e))?;
        files.insert(name, Sealed { bytes, digest });
    }
    let path = data.join(NAME);
    let seal = serde_json::to_vec_pretty(&Seal { format: FORMAT, files })
        .map_err(|e| io("write", &path, &std::io::Error::other(e)))?;
    write_atomic(&path, &seal)
}

/// What is not as it was; nothing when all is.
fn differs(file: &Path, sealed: &Sealed) -> std::io::Result<Option<String>> {
    let bytes = std::fs::metadata(file)?.len();
    if bytes != sealed.bytes {
        return Ok(Some(format!("it has {bytes} bytes instead of {}", sealed.bytes)));
    }
    let same = match sealed.digest {
        Some(expected) => digest(file, None)? == Some(expected),
        None => true,
    };
    Ok((!same).then(|| "its checksum does not match".to_owned()))
}

/// Files below a folder, their names relative to `root`, and their lengths.
fn list(root: &Path, folder: &Path, into: &mut Vec<(PathBuf, u64)>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if kind.is_dir() {
            list(root, &path, into)?;
        } else if kind.is_file() {
            let name = path.strip_prefix(root).map_err(std::io::Error::other)?;
            into.push((name.to_owned(), entry.metadata()?.len()));
        }
    }
    Ok(())
}

/// A file's digest; none when there is no more time to read it.
fn digest(file: &Path, until: Option<Instant>) -> std::io::Result<Option<Digest>> {
    let mut opened = File::open(file)?;
    let (mut pieces, mut piece) = (Vec::new(), Vec::new());
    loop {
        if until.is_some_and(|until| Instant::now() >= until) {
            return Ok(None);
        }
        piece.clear();
        if opened.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut piece)? == 0 {
            return Ok(Some(Digest::of(&pieces)));
        }
        pieces.extend_from_slice(&Digest::of(&piece).0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::parts::tests::layout;

    fn open(data: &Path) -> Result<(), GuardError> {
        super::open(data, &layout(data, true))
    }

    fn data() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("ledger/ledger-votes")).unwrap();
        for (name, bytes) in [
            ("store.redb", vec![1; 3 * PIECE_BYTES / 2]),
            ("ledger/ledger-votes/01", b"vote".to_vec()),
            ("lock", Vec::new()),
        ] {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    fn flip(path: &Path, at: usize) {
        let mut bytes = std::fs::read(path).unwrap();
        bytes[at] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }

    #[test]
    fn a_seal_is_good_for_one_start() {
        let data = data();
        open(data.path()).unwrap();
        close(data.path()).unwrap();
        open(data.path()).unwrap();
        // It runs, writes, and is killed.
        flip(&data.path().join("store.redb"), 0);
        open(data.path()).unwrap();
    }

    #[test]
    fn artifacts_may_go() {
        let data = data();
        let artifacts = data.path().join(ARTIFACTS);
        std::fs::create_dir_all(artifacts.join("blobs")).unwrap();
        std::fs::write(artifacts.join("blobs/01"), b"blob").unwrap();
        close(data.path()).unwrap();
        std::fs::remove_dir_all(artifacts).unwrap();
        open(data.path()).unwrap();
    }

    #[test]
    fn every_changed_file_is_named_until_it_is_put_back() {
        let data = data();
        close(data.path()).unwrap();
        for (name, at) in [("store.redb", PIECE_BYTES + 7), ("ledger/ledger-votes/01", 3)] {
            let file = data.path().join(name);
            flip(&file, at);
            for _ in 0..2 {
                let error = open(data.path()).unwrap_err();
                assert!(matches!(&error, GuardError::Altered { path, .. } if *path == file));
                assert!(
                    error.to_string().contains("whole data directory"),
                    "neither can be fetched"
                );
            }
            flip(&file, at);
        }
        open(data.path()).unwrap();
    }

    #[test]
    fn golden_text() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), b"vote").unwrap();
        close(folder.path()).unwrap();
        let digest = Digest::of(&Digest::of(b"vote").0);
        let file = format!("{{\n      \"bytes\": 4,\n      \"digest\": \"{digest}\"\n    }}");
        let golden = format!("{{\n  \"format\": 1,\n  \"files\": {{\n    \"a\": {file}\n  }}\n}}");
        assert_eq!(std::fs::read_to_string(folder.path().join(NAME)).unwrap(), golden);
    }

    #[test]
    fn lengths_and_missing_files_count() {
        let data = data();
        let (file, aside) = (data.path().join("ledger/ledger-votes/01"), data.path().join("lock"));
        close(data.path()).unwrap();
        std::fs::rename(&file, &aside).unwrap();
        assert!(open(data.path()).unwrap_err().to_string().contains("missing"));
        super::open(data.path(), &layout(data.path(), false)).unwrap();
        std::fs::rename(&aside, &file).unwrap();
        close(data.path()).unwrap();
        std::fs::write(&file, b"votes").unwrap();
        let error = open(data.path()).unwrap_err().to_string();
        assert!(error.contains("5 bytes instead of 4"), "{error}");
        // A seal that is damaged itself says so.
        std::fs::write(&file, b"vote").unwrap();
        flip(&data.path().join(NAME), 0);
        assert!(open(data.path()).unwrap_err().to_string().contains(NAME));
    }
}
