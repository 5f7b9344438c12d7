//! What nodes hold on disk, by part: lengths of files without their holes, in bytes. A store's
//! file is made longer at once than it is written.

use serde::Serialize;
use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

/// Unit of the blocks that a file is told to take.
const BLOCK_BYTES: u64 = 512;

/// What a node holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Footprint {
    /// Everything.
    pub total_bytes: u64,
    /// The engine's journal of votes.
    pub votes_bytes: u64,
    /// Whole blocks.
    pub blocks_bytes: u64,
    /// Certificates of whole blocks.
    pub certificates_bytes: u64,
    /// What the engine holds of the newest views.
    pub cache_bytes: u64,
    /// Snapshots of the state.
    pub snapshots_bytes: u64,
    /// The node's store: blobs, history, headers of pruned blocks.
    pub store_bytes: u64,
}

impl Footprint {
    /// Of a node's data directory. Files that go meanwhile count as gone.
    pub fn of(data: &Path) -> Self {
        let mut found = Self::default();
        found.add_folder(data, data);
        found
    }

    /// The most of each part that any node holds.
    pub fn most(nodes: impl IntoIterator<Item = Self>) -> Self {
        nodes.into_iter().fold(Self::default(), |a, b| Self {
            total_bytes: a.total_bytes.max(b.total_bytes),
            votes_bytes: a.votes_bytes.max(b.votes_bytes),
            blocks_bytes: a.blocks_bytes.max(b.blocks_bytes),
            certificates_bytes: a.certificates_bytes.max(b.certificates_bytes),
            cache_bytes: a.cache_bytes.max(b.cache_bytes),
            snapshots_bytes: a.snapshots_bytes.max(b.snapshots_bytes),
            store_bytes: a.store_bytes.max(b.store_bytes),
        })
    }

    fn add_folder(&mut self, data: &Path, folder: &Path) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let Ok(kind) = entry.metadata() else { continue };
            let path = entry.path();
            if kind.is_dir() {
                self.add_folder(data, &path);
            } else {
                let place = path.strip_prefix(data).unwrap_or(&path).to_string_lossy();
                self.add(&place, kind.len().min(kind.blocks() * BLOCK_BYTES));
            }
        }
    }

    fn add(&mut self, place: &str, bytes: u64) {
        self.total_bytes += bytes;
        let parts = [
            ("-votes", &mut self.votes_bytes),
            ("-cache-", &mut self.cache_bytes),
            ("-snapshots", &mut self.snapshots_bytes),
            ("-blocks-", &mut self.blocks_bytes),
            ("-finalizations-", &mut self.certificates_bytes),
            ("store.redb", &mut self.store_bytes),
        ];
        if let Some((_, part)) = parts.into_iter().find(|(mark, _)| place.contains(mark)) {
            *part += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn files_are_counted_with_their_part_and_without_their_holes() {
        let folder = tempfile::tempdir().unwrap();
        let write = |place: &str, pages: usize| {
            let path = folder.path().join(place);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut file = fs::File::create(path).unwrap();
            file.write_all(&vec![1; pages * 4_096]).unwrap();
            file.sync_all().unwrap();
            file
        };
        write("store.redb", 1).set_len(1 << 30).unwrap();
        write("ledger/ledger-votes/00", 2);
        write("ledger/ledger-blocks-values/00", 4);
        write("ledger/ledger-finalizations-keys/00", 8);
        write("ledger/ledger-marshal-cache-cache-0-finalizations-key/00", 16);
        write("ledger/ledger-snapshots/00", 32);
        write("network", 64);
        let expected = Footprint {
            total_bytes: 127 * 4_096,
            votes_bytes: 2 * 4_096,
            blocks_bytes: 4 * 4_096,
            certificates_bytes: 8 * 4_096,
            cache_bytes: 16 * 4_096,
            snapshots_bytes: 32 * 4_096,
            store_bytes: 4_096,
        };
        let found = Footprint::of(folder.path());
        assert_eq!(found, expected);
        assert_eq!(Footprint::most([Footprint::default(), found]), expected);
    }
}
