//! The node's store: one file of a database engine. The input is a list of changes to a sound
//! file; opening and reading it must give what was kept, or an error.
//!
//! An input is changes of `offset (u24, big-endian), length (u8), bytes`; one of length 0 cuts
//! the file there.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};
use trustmesh_data::{BlobKind, NEVER_EXPIRES, Order, Store, StoreConfig, Table};
use trustmesh_types::Digest;

const TABLE: Table = Table::new("history");
/// Documents in the sound file.
const DOCUMENTS: u8 = 32;
/// Changes of one input.
const CHANGES_MAX: usize = 16;

struct Ground {
    folder: tempfile::TempDir,
    sound: Vec<u8>,
}

fn blob() -> (Digest, Vec<u8>) {
    let bytes = b"an output".repeat(700);
    (Digest::of(&bytes), bytes)
}

/// The engine panics on some damaged pages, which the store turns into an error. libFuzzer
/// ends the process at any panic, so its hook is replaced; what nothing catches still ends it.
fn ground() -> &'static Ground {
    static GROUND: OnceLock<Ground> = OnceLock::new();
    GROUND.get_or_init(|| {
        std::panic::set_hook(Box::new(|_| {}));
        let folder = tempfile::tempdir().expect("a folder for the store");
        let path = folder.path().join("sound.redb");
        write_sound(&path);
        let sound = std::fs::read(&path).expect("the file just written");
        Ground { folder, sound }
    })
}

fn write_sound(path: &Path) {
    let store = Store::open(path, config()).expect("a new store");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let (digest, bytes) = blob();
        let entries = (0..DOCUMENTS).map(|n| (vec![n], vec![n; usize::from(n)].into()));
        let batch = store.batch().documents(TABLE, entries.collect()).expect("small documents");
        let batch = batch.blob(digest, BlobKind::Output, bytes.into(), NEVER_EXPIRES);
        batch.expect("a small blob").write().await.expect("room for them");
    });
}

fn config() -> StoreConfig {
    StoreConfig { bytes_max: 1 << 20, cache_bytes: 1 << 20, ..StoreConfig::default() }
}

/// One input.
///
/// # Panics
/// When the store gives out what was never kept.
pub fn run(data: &[u8]) {
    let ground = ground();
    let mut file = ground.sound.clone();
    let mut rest = data;
    for _ in 0..CHANGES_MAX {
        let Some(([a, b, c, length], after)) = rest.split_first_chunk::<4>() else { break };
        let offset = u32::from_be_bytes([0, *a, *b, *c]) as usize % file.len().max(1);
        let Some((bytes, after)) = after.split_at_checked(usize::from(*length)) else { break };
        rest = after;
        if bytes.is_empty() {
            file.truncate(offset);
            continue;
        }
        let end = (offset + bytes.len()).min(file.len());
        file[offset..end].copy_from_slice(&bytes[..end - offset]);
    }
    let path: PathBuf = ground.folder.path().join("changed.redb");
    std::fs::write(&path, &file).expect("a file to open");
    let Ok(store) = Store::open(&path, config()) else { return };
    if let Ok(entries) = store.documents().scan(TABLE, &[], 1_000, Order::Ascending) {
        for (key, value) in entries {
            let [n] = key[..] else { panic!("a key that was never written: {key:?}") };
            assert_eq!(value, vec![n; usize::from(n)], "another document than was written");
        }
    }
    let (digest, bytes) = blob();
    if let Ok(Some(found)) = store.blobs().get(&digest) {
        assert_eq!(found, bytes, "a blob that is not its digest's");
    }
    let _ = (store.blobs().info(&digest), store.usage());
}
