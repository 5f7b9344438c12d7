//! What a data directory holds that can't be made anew: the node's votes on the ledger, and
//! the store with what it has signed for.
//!
//! Invariant: a part that was there once is there at every start, or the node does not start.
//! A validator that has lost its votes could vote twice for one height, which is what
//! agreement does not forgive; a node without its store could sign another output for a task.

use super::{GuardError, Marker, io, write};
use crate::stop::Stop;
use serde::{Deserialize, Serialize};
use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    time::Duration,
};

/// Between two looks for parts that are not made yet: votes come with the first blocks.
const INTERVAL: Duration = Duration::from_secs(1);

/// The parts that were there once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Made {
    store: bool,
    ledger: bool,
    votes: bool,
}

/// Where the parts are.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// The store's file.
    pub store: PathBuf,
    /// The ledger's directory.
    pub ledger: PathBuf,
    /// How the directories of the votes begin, in the ledger's: each committee has its own.
    pub votes: PathBuf,
    /// Whether the node votes; one that does not can fetch a lost ledger again.
    pub validator: bool,
}

impl Layout {
    /// Whether there is anything of a ledger.
    pub(crate) fn has_ledger(&self) -> Result<bool, GuardError> {
        holds_any(&self.ledger)
    }

    /// Whether a file is of the votes.
    pub(crate) fn is_of_votes(&self, path: &Path) -> bool {
        let of_ledger = path.strip_prefix(&self.ledger).ok();
        let directory = of_ledger.and_then(|rest| rest.components().next());
        let begins = self.votes.file_name().map(std::ffi::OsStr::as_encoded_bytes);
        directory.zip(begins).is_some_and(|(directory, begins)| {
            directory.as_os_str().as_encoded_bytes().starts_with(begins)
        })
    }
}

/// Notes which parts there are.
#[derive(Debug)]
pub(crate) struct Parts {
    path: PathBuf,
    marker: Marker,
    layout: Layout,
}

impl Parts {
    /// The parts of a directory whose marker is at `path`, unless one of them is lost.
    pub(super) fn checked(
        path: PathBuf,
        marker: Marker,
        layout: Layout,
    ) -> Result<Self, GuardError> {
        let there = look(&layout)?;
        let lost = |path: &Path, holds| Err(GuardError::Lost { path: path.to_owned(), holds });
        let made = marker.made;
        if made.store && !there.store {
            return lost(&layout.store, "its results and completions");
        }
        // One that came later may vote too: it has if there were votes.
        let votes = layout.validator || made.votes;
        if votes && made.ledger && !there.ledger {
            return lost(&layout.ledger, "its votes");
        }
        if votes && made.votes && !there.votes {
            return lost(&layout.votes, "its votes");
        }
        Ok(Self { path, marker, layout })
    }

    /// Whether the directory was made for a node that had never run.
    pub(crate) const fn prepared(&self) -> bool {
        self.marker.prepared
    }

    /// Whether there were votes when the directory was last looked at.
    pub(crate) const fn has_votes(&self) -> bool {
        self.marker.made.votes
    }

    /// Notes the parts that there are now; gives whether all are.
    pub(crate) fn note(&mut self) -> Result<bool, GuardError> {
        let (there, before) = (look(&self.layout)?, self.marker.made);
        let made = Made {
            store: before.store || there.store,
            ledger: before.ledger || there.ledger,
            votes: before.votes || there.votes,
        };
        if made != before {
            write(&self.path, &Marker { made, ..self.marker.clone() })?;
            self.marker.made = made;
        }
        Ok(made == Made { store: true, ledger: true, votes: true })
    }

    /// Notes parts until all are there or the node stops.
    pub(crate) async fn watch(mut self, stop: Stop) {
        loop {
            match self.note() {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "the parts of the data directory can't be noted")
                }
            }
            tokio::select! {
                () = stop.requested() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }
}

fn look(layout: &Layout) -> Result<Made, GuardError> {
    let store = match std::fs::metadata(&layout.store) {
        Ok(found) => found.len() > 0,
        Err(e) if e.kind() == ErrorKind::NotFound => false,
        Err(e) => return Err(io("read", &layout.store, &e)),
    };
    Ok(Made { store, ledger: holds_any(&layout.ledger)?, votes: votes(&layout.votes)? })
}

/// Whether any directory that begins like `prefix` holds something.
fn votes(prefix: &Path) -> Result<bool, GuardError> {
    let (Some(parent), Some(name)) = (prefix.parent(), prefix.file_name()) else {
        return Ok(false);
    };
    let entries = match std::fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(io("read", parent, &e)),
    };
    for entry in entries {
        let entry = entry.map_err(|e| io("read", parent, &e))?;
        let begins = entry.file_name().as_encoded_bytes().starts_with(name.as_encoded_bytes());
        if begins && holds_any(&entry.path())? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn holds_any(directory: &Path) -> Result<bool, GuardError> {
    match std::fs::read_dir(directory) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(io("read", directory, &e)),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::guard::DataGuard;
    use trustmesh_types::{Digest, NetworkId, PublicKey};

    pub(crate) fn layout(directory: &Path, validator: bool) -> Layout {
        let ledger = directory.join("ledger");
        let votes = ledger.join("ledger-votes");
        Layout { store: directory.join("store.redb"), ledger, votes, validator }
    }

    fn take(data: &Path, validator: bool) -> Result<Parts, GuardError> {
        let (network, node) = (NetworkId(Digest([1; 32])), PublicKey([1; 32]));
        let layout = layout(data, validator);
        DataGuard::take(data, &network, &node, layout).map(|(_, parts)| parts)
    }

    fn lost(outcome: Result<Parts, GuardError>, part: &Path) {
        let Err(GuardError::Lost { path, .. }) = outcome else { panic!("{outcome:?}") };
        assert_eq!(path, part);
    }

    #[test]
    fn a_part_that_was_there_once_must_be_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let at = layout(&data, true);
        let aside = folder.path().join("aside");

        // Nothing is missed before it was made.
        assert!(!take(&data, true).unwrap().note().unwrap());
        std::fs::write(&at.store, b"rows").unwrap();
        std::fs::create_dir_all(&at.votes).unwrap();
        assert!(!take(&data, true).unwrap().note().unwrap());
        std::fs::write(at.ledger.join("blocks"), b"blocks").unwrap();
        std::fs::write(at.votes.join("0001"), b"vote").unwrap();
        assert!(take(&data, true).unwrap().note().unwrap());
        take(&data, true).unwrap();

        for part in [&at.store, &at.votes, &at.ledger] {
            std::fs::rename(part, &aside).unwrap();
            lost(take(&data, true), part);
            std::fs::rename(&aside, part).unwrap();
        }
        // Another committee's votes will do.
        let next = at.ledger.join("ledger-votes-1");
        std::fs::create_dir_all(&next).unwrap();
        std::fs::rename(at.votes.join("0001"), &aside).unwrap();
        lost(take(&data, true), &at.votes);
        std::fs::rename(&aside, next.join("0001")).unwrap();
        take(&data, true).unwrap();
    }

    #[test]
    fn who_does_not_vote_may_fetch_the_ledger_again() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let at = layout(&data, false);
        std::fs::create_dir_all(&at.votes).unwrap();
        std::fs::write(&at.store, b"rows").unwrap();
        take(&data, false).unwrap().note().unwrap();
        std::fs::rename(&at.ledger, folder.path().join("aside")).unwrap();
        take(&data, false).unwrap();
        std::fs::rename(&at.store, folder.path().join("store")).unwrap();
        lost(take(&data, false), &at.store);
    }

    #[test]
    fn a_marker_without_parts_is_from_before_they_were_noted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("network.json");
        take(folder.path(), true).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut marker: serde_json::Value = serde_json::from_str(&text).unwrap();
        marker.as_object_mut().unwrap().remove("made").unwrap();
        std::fs::write(&path, marker.to_string()).unwrap();
        take(folder.path(), true).unwrap();
    }
}
