//! Artifacts on real files.

mod images;
mod obtaining;
mod packing;
mod storing;

use super::*;
use std::path::Path;
use tempfile::TempDir;
use trustmesh_types::{
    Contents,
    contents::{BlobEntry, CHUNK_BYTES},
};

const CHUNK: usize = CHUNK_BYTES as usize;
const ROOM: u64 = 1 << 30;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn open(dir: &Path) -> ArtifactStore {
    ArtifactStore::open(dir, ROOM).unwrap()
}

/// Bytes that are not the same in every chunk.
fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let word =
        |n: u64| (n ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).to_le_bytes();
    (0..).flat_map(word).take(length).collect()
}

/// An artifact of blobs, the first of which is its root, and the blobs.
fn artifact(blobs: &[Vec<u8>]) -> Contents {
    let entries: Vec<BlobEntry> = blobs.iter().map(|blob| BlobEntry::of(blob)).collect();
    Contents::new(entries[0].digest, entries).unwrap()
}

fn keep(store: &ArtifactStore, contents: &Contents, blobs: &[Vec<u8>]) {
    store.begin(contents).unwrap();
    for blob in blobs {
        store.put_blob(&BlobEntry::of(blob), blob).unwrap();
    }
}
