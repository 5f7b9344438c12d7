//! The store as a whole, through its public API, on real files.

use crate::{BlobKind, DataError, NEVER_EXPIRES, Order, Store, StoreConfig, Table};
use bytes::Bytes;
use std::path::PathBuf;
use tempfile::TempDir;
use trustmesh_types::Digest;

const HISTORY: Table = Table::new("history");
const HISTORY_2: Table = Table::new("history2");

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("store")
    }

    fn open(&self) -> Store {
        self.open_with(StoreConfig::default())
    }

    fn open_with(&self, config: StoreConfig) -> Store {
        Store::open(&self.path(), config).unwrap()
    }
}

fn blob(number: u32, length: usize) -> (Digest, Bytes) {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.resize(length.max(4), 0x5a);
    (Digest::of(&bytes), Bytes::from(bytes))
}

async fn put(store: &Store, number: u32, length: usize, expires: u64) -> Result<Digest, DataError> {
    let (digest, bytes) = blob(number, length);
    store.blobs().put(digest, BlobKind::Output, bytes, expires).await.map(|()| digest)
}

fn entry(key: &[u8], value: &'static [u8]) -> (Vec<u8>, Bytes) {
    (key.to_vec(), Bytes::from_static(value))
}

fn keys(entries: Vec<(Vec<u8>, Bytes)>) -> Vec<Vec<u8>> {
    entries.into_iter().map(|(key, _)| key).collect()
}

#[tokio::test]
async fn what_is_put_is_there_after_reopening() {
    let folder = Folder::new();
    let store = folder.open();
    let digest = put(&store, 1, 100_000, 7).await.unwrap();
    store.documents().put_many(HISTORY, vec![entry(b"k", b"value")]).await.unwrap();
    let before = store.usage();
    assert_eq!((before.blobs, before.blob_bytes), (1, 100_000));
    drop(store);

    let store = folder.open();
    assert_eq!(store.blobs().get(&digest).unwrap().unwrap().len(), 100_000);
    let info = store.blobs().info(&digest).unwrap().unwrap();
    assert_eq!(
        (info.kind, info.length_bytes, info.expires_unix_ms),
        (BlobKind::Output, 100_000, 7)
    );
    assert_eq!(store.documents().get(HISTORY, b"k").unwrap().unwrap(), b"value"[..]);
    assert_eq!(store.usage().bytes(), before.bytes());
    assert_eq!(store.usage().documents, 1);
    assert_eq!(store.blobs().get(&Digest::of(b"another")).unwrap(), None);
}

#[tokio::test]
async fn only_matching_bytes_are_taken() {
    let store = Folder::new();
    let store = store.open_with(StoreConfig { blob_bytes_max: 10, ..StoreConfig::default() });
    let expected = Digest::of(b"other");
    let wrong = store.blobs().put(expected, BlobKind::Input, Bytes::from_static(b"x"), 1).await;
    assert_eq!(wrong, Err(DataError::DigestMismatch { expected, got: Digest::of(b"x") }));
    assert!(matches!(put(&store, 1, 11, 1).await, Err(DataError::TooLarge { got_bytes: 11, .. })));
    assert_eq!(store.usage().commits, 0);
}

#[tokio::test]
async fn a_second_put_keeps_the_later_expiry_and_writes_only_for_it() {
    let folder = Folder::new();
    let store = folder.open();
    let expiry = |digest| store.blobs().info(&digest).unwrap().unwrap().expires_unix_ms;
    let digest = put(&store, 1, 100, 50).await.unwrap();
    put(&store, 1, 100, 40).await.unwrap();
    assert_eq!((expiry(digest), store.usage().commits), (50, 1));
    put(&store, 1, 100, 60).await.unwrap();
    assert_eq!((expiry(digest), store.usage().commits, store.usage().blobs), (60, 2, 1));
    assert_eq!(store.blobs().expire(55).await.unwrap().entries, 0);
    put(&store, 1, 100, NEVER_EXPIRES).await.unwrap();
    assert_eq!(store.blobs().expire(NEVER_EXPIRES).await.unwrap().entries, 0);
}

#[tokio::test]
async fn expiry_removes_what_is_due_and_writes_nothing_otherwise() {
    let folder = Folder::new();
    let store = folder.open();
    let puts: Vec<_> = (0..1_030)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { put(&store, number, 10, 100).await.unwrap() })
        })
        .collect();
    for task in puts {
        task.await.unwrap();
    }
    let kept = put(&store, 5_000, 10, 101).await.unwrap();
    let commits = store.usage().commits;
    assert_eq!(store.blobs().expire(99).await.unwrap().entries, 0);
    assert_eq!(store.usage().commits, commits, "nothing was due");
    assert_eq!(store.blobs().expire(100).await.unwrap().entries, 1_024);
    assert_eq!(store.blobs().expire(100).await.unwrap().entries, 6);
    assert_eq!((store.usage().blobs, store.usage().blob_bytes), (1, 10));
    let removed = store.blobs().remove(vec![kept, Digest::of(b"none")]).await.unwrap();
    assert_eq!((removed.entries, removed.bytes, store.usage().bytes()), (1, 10, 0));
}

#[tokio::test]
async fn concurrent_puts_share_commits() {
    let folder = Folder::new();
    let store = folder.open();
    let tasks: Vec<_> = (0..200)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { put(&store, number, 1_000, 1).await.unwrap() })
        })
        .collect();
    for task in tasks {
        let digest = task.await.unwrap();
        assert!(store.blobs().get(&digest).unwrap().is_some());
    }
    let usage = store.usage();
    assert_eq!((usage.blobs, usage.writes), (200, 200));
    assert!(usage.commits <= 100, "{} commits", usage.commits);
}

#[tokio::test]
async fn a_full_store_refuses_and_takes_again_once_there_is_room() {
    let folder = Folder::new();
    let store = folder.open_with(StoreConfig { bytes_max: 1_000, ..StoreConfig::default() });
    let first = put(&store, 1, 600, 1).await.unwrap();
    let full = DataError::StoreFull { needed_bytes: 500, used_bytes: 600, max_bytes: 1_000 };
    assert_eq!(put(&store, 2, 500, 1).await, Err(full));
    assert_eq!(put(&store, 1, 600, 2).await, Ok(first), "a blob that is there needs no room");
    store.blobs().remove(vec![first]).await.unwrap();
    put(&store, 2, 500, 1).await.unwrap();
    let large = vec![(b"k".to_vec(), Bytes::from(vec![0; 600]))];
    let refused = store.documents().put_many(HISTORY, large).await;
    assert!(matches!(refused, Err(DataError::StoreFull { .. })));
}

#[tokio::test]
async fn a_refused_write_does_not_disturb_the_others_of_its_commit() {
    let folder = Folder::new();
    let store = folder.open_with(StoreConfig { bytes_max: 1_000, ..StoreConfig::default() });
    let (small, large) = tokio::join!(put(&store, 1, 100, 1), put(&store, 2, 5_000, 1));
    let last = put(&store, 3, 100, 1).await.unwrap();
    assert!(matches!(large, Err(DataError::StoreFull { .. })));
    for digest in [small.unwrap(), last] {
        assert!(store.blobs().get(&digest).unwrap().is_some());
    }
    assert_eq!(store.usage().blob_bytes, 200);
}

#[tokio::test]
async fn larger_than_the_queue_still_goes_through() {
    let folder = Folder::new();
    let store = folder.open_with(StoreConfig { queue_bytes_max: 100, ..StoreConfig::default() });
    let (one, two) = tokio::join!(put(&store, 1, 10_000, 1), put(&store, 2, 10_000, 1));
    assert!(one.is_ok() && two.is_ok());
}

#[tokio::test]
async fn documents_scan_in_order_within_their_table() {
    let folder = Folder::new();
    let store = folder.open();
    let documents = store.documents();
    let entries = [&b"a1"[..], b"a2", b"a3", b"b1", b""].map(|key| entry(key, b"v")).to_vec();
    documents.put_many(HISTORY, entries).await.unwrap();
    documents.put_many(HISTORY_2, vec![entry(b"a1", b"other")]).await.unwrap();

    let scan =
        |prefix: &[u8], limit, order| keys(documents.scan(HISTORY, prefix, limit, order).unwrap());
    assert_eq!(scan(b"", 9, Order::Ascending), [&b""[..], b"a1", b"a2", b"a3", b"b1"]);
    assert_eq!(scan(b"a", 2, Order::Ascending), [b"a1", b"a2"]);
    assert_eq!(scan(b"a", 2, Order::Descending), [b"a3", b"a2"]);
    assert!(scan(b"c", 9, Order::Ascending).is_empty());
    let range =
        |from: &[u8], to: &[u8], order| keys(documents.range(HISTORY, from, to, 2, order).unwrap());
    assert_eq!(range(b"a2", b"b1", Order::Ascending), [b"a2", b"a3"]);
    assert_eq!(range(b"", b"b1", Order::Descending), [b"a3", b"a2"]);
    assert!(range(b"b", b"a", Order::Ascending).is_empty());
    assert_eq!(documents.get(HISTORY_2, b"a1").unwrap().unwrap(), b"other"[..]);

    let pruned = documents.prune(HISTORY, b"a3", 2).await.unwrap();
    assert_eq!(pruned.entries, 2);
    assert_eq!(scan(b"", 9, Order::Ascending), [b"a2", b"a3", b"b1"]);
    let removed = documents.remove(HISTORY, vec![b"b1".to_vec(), b"none".to_vec()]).await.unwrap();
    assert_eq!(removed.entries, 1);
    let commits = store.usage().commits;
    assert_eq!(documents.prune(HISTORY, b"a0", 9).await.unwrap().entries, 0);
    assert_eq!((store.usage().commits, store.usage().documents), (commits, 3));
}

#[tokio::test]
async fn a_prefix_of_the_highest_bytes_scans_too() {
    let folder = Folder::new();
    let documents = folder.open().documents();
    let entries =
        vec![entry(&[0xff, 0xff], b"1"), entry(&[0xff, 0xff, 1], b"2"), entry(b"a", b"3")];
    documents.put_many(HISTORY, entries).await.unwrap();
    let found = documents.scan(HISTORY, &[0xff, 0xff], 9, Order::Ascending).unwrap();
    assert_eq!(found.len(), 2);
}

#[tokio::test]
async fn replacing_a_document_replaces_its_bytes_in_the_count() {
    let folder = Folder::new();
    let store = folder.open();
    let documents = store.documents();
    let twice = vec![entry(b"k", b"first"), entry(b"k", b"12345678")];
    documents.put_many(HISTORY, twice).await.unwrap();
    let stored_key_bytes = b"history\0k".len() as u64;
    assert_eq!(store.usage().document_bytes, stored_key_bytes + 8);
    documents.put_many(HISTORY, vec![entry(b"k", b"1")]).await.unwrap();
    let usage = store.usage();
    assert_eq!((usage.documents, usage.document_bytes), (1, stored_key_bytes + 1));
    assert_eq!(documents.get(HISTORY, b"k").unwrap().unwrap(), b"1"[..]);
    let many = vec![entry(b"k", b"v"); 4_097];
    assert!(matches!(
        documents.put_many(HISTORY, many).await,
        Err(DataError::TooLarge { what: "the list of documents", .. })
    ));
    let long = documents.put_many(HISTORY, vec![entry(&[1; 2_000], b"v")]).await;
    assert!(matches!(long, Err(DataError::TooLarge { what: "the document's key", .. })));
}

#[test]
fn golden_document_key() {
    assert_eq!(HISTORY.key(b"I\x40"), b"history\0I@");
}

#[test]
fn files_that_are_no_store_are_refused() {
    let folder = Folder::new();
    let text = b"not a database, but long enough to look at its first bytes".repeat(200);
    std::fs::write(folder.path(), text).unwrap();
    let refused = Store::open(&folder.path(), StoreConfig::default());
    assert!(matches!(refused, Err(DataError::Corrupt { .. })), "{refused:?}");

    let foreign = folder.0.path().join("foreign");
    let database = redb::Database::create(&foreign).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(redb::TableDefinition::<u8, u8>::new("theirs")).unwrap();
    write.commit().unwrap();
    drop(database);
    let refused = Store::open(&foreign, StoreConfig::default()).unwrap_err();
    assert!(refused.to_string().contains("tables are not a node's"), "{refused}");

    let missing = folder.0.path().join("no such folder").join("store");
    let refused = Store::open(&missing, StoreConfig::default());
    assert!(matches!(refused, Err(DataError::Io { .. })), "{refused:?}");
}

#[test]
fn a_file_in_use_is_refused() {
    let folder = Folder::new();
    let _store = folder.open();
    let second = Store::open(&folder.path(), StoreConfig::default());
    assert!(matches!(second, Err(DataError::InUse { .. })), "{second:?}");
}

/// What a crash leaves: the file as it is while the store is still open.
#[tokio::test]
async fn a_file_copied_while_open_has_every_acknowledged_write() {
    let folder = Folder::new();
    let store = folder.open();
    let mut kept = Vec::new();
    for number in 0..20 {
        kept.push(put(&store, number, 3_000, 1).await.unwrap());
    }
    let copy = Folder::new();
    std::fs::copy(folder.path(), copy.path()).unwrap();
    let recovered = copy.open();
    for digest in kept {
        assert!(recovered.blobs().get(&digest).unwrap().is_some());
    }
    assert_eq!(recovered.usage().blobs, 20);
}

/// Whatever byte of the file changes, a blob is right, missing or an error.
#[tokio::test]
async fn a_lazy_write_is_seen_at_once_and_reaches_the_disk_with_the_next_other() {
    let folder = Folder::new();
    let store = folder.open();
    let on_disk = || {
        let copy = Folder::new();
        std::fs::copy(folder.path(), copy.path()).unwrap();
        copy.open().documents().get(HISTORY, b"lazy").unwrap()
    };
    store.documents().put_lazily(HISTORY, vec![entry(b"lazy", b"value")]).await.unwrap();
    let seen = store.documents().get(HISTORY, b"lazy").unwrap();
    assert_eq!(seen.as_deref(), Some(b"value".as_slice()));
    assert_eq!((store.usage().commits, store.usage().writes), (0, 1));
    assert_eq!(on_disk(), None);
    put(&store, 1, 10, NEVER_EXPIRES).await.unwrap();
    assert_eq!(on_disk(), seen);
}

#[tokio::test]
async fn a_batch_is_written_whole_or_not_at_all() {
    let folder = Folder::new();
    let store = folder.open_with(StoreConfig { bytes_max: 1_000, ..StoreConfig::default() });
    let batch = |length: usize| {
        let (digest, bytes) = blob(1, length);
        let batch = store.batch().blob(digest, BlobKind::Output, bytes, 9).unwrap();
        (digest, batch.documents(HISTORY, vec![entry(b"k", b"value")]).unwrap().write())
    };
    let (digest, write) = batch(990);
    assert!(matches!(write.await, Err(DataError::StoreFull { .. })));
    assert_eq!(store.blobs().info(&digest).unwrap(), None);
    assert_eq!(store.usage().bytes(), 0);
    let (digest, write) = batch(500);
    write.await.unwrap();
    assert!(store.blobs().get(&digest).unwrap().is_some());
    assert!(store.documents().get(HISTORY, b"k").unwrap().is_some());
    assert_eq!(store.usage().commits, 1);
}

#[tokio::test]
async fn a_flipped_byte_never_gives_a_wrong_answer() {
    let folder = Folder::new();
    let store = folder.open();
    let mut kept = Vec::new();
    for number in 0..8 {
        kept.push((put(&store, number, 20_000, 1).await.unwrap(), blob(number, 20_000).1));
    }
    drop(store);
    let whole = std::fs::read(folder.path()).unwrap();
    let mut errors = 0;
    for at in (0..whole.len()).step_by(whole.len() / 60) {
        let copy = Folder::new();
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        std::fs::write(copy.path(), damaged).unwrap();
        let Ok(store) = Store::open(&copy.path(), StoreConfig::default()) else {
            errors += 1;
            continue;
        };
        for (digest, bytes) in &kept {
            match store.blobs().get(digest) {
                Ok(Some(found)) => assert_eq!(found, bytes, "byte {at}"),
                Ok(None) => {}
                Err(_) => errors += 1,
            }
        }
    }
    assert!(errors > 0, "no flip was noticed");
}
