//! What is kept, and what is not.

use super::*;
use std::os::unix::fs::FileExt as _;
use trustmesh_types::Digest;

#[test]
fn a_blob_is_there_when_its_last_chunk_is_and_after_a_restart() {
    let dir = folder();
    let blobs = [bytes(3 * CHUNK + 5, 1), bytes(10, 2)];
    let contents = artifact(&blobs);
    let (store, entry) = (open(dir.path()), BlobEntry::of(&blobs[0]));
    store.begin(&contents).unwrap();
    assert_eq!(store.missing(&entry.digest), [0, 1, 2, 3]);
    for (index, chunk) in blobs[0].chunks(CHUNK).enumerate().rev() {
        let whole = store.put_chunk(&entry, index as u64, chunk).unwrap();
        assert_eq!((whole, store.holds_blob(&entry.digest)), (index == 0, index == 0));
    }
    assert!(!store.holds(&contents.digest()));
    store.put_blob(&BlobEntry::of(&blobs[1]), &blobs[1]).unwrap();
    assert!(store.holds(&contents.digest()));
    let again = open(dir.path());
    assert!(again.holds(&contents.digest()));
    assert_eq!(again.contents(&contents.digest()), Some(contents));
    let part = again.read(&entry.digest, 5..CHUNK_BYTES + 7).unwrap();
    assert_eq!(part, blobs[0][5..CHUNK + 7]);
    assert!(again.read(&entry.digest, 0..entry.bytes + 1).is_err());
}

#[test]
fn what_was_half_fetched_goes_on_where_it_stopped() {
    let dir = folder();
    let blobs = [bytes(4 * CHUNK, 3)];
    let (contents, entry) = (artifact(&blobs), BlobEntry::of(&blobs[0]));
    let chunk = |index: usize| &blobs[0][index * CHUNK..(index + 1) * CHUNK];
    let store = open(dir.path());
    store.begin(&contents).unwrap();
    for index in [0, 2, 3] {
        store.put_chunk(&entry, index as u64, chunk(index)).unwrap();
    }
    // A crash may leave anything of the last write.
    let path = dir.path().join("partial").join(entry.digest.to_string());
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(b"torn", 3 * CHUNK_BYTES + 9).unwrap();
    let again = open(dir.path());
    again.begin(&contents).unwrap();
    assert_eq!(again.missing(&entry.digest), [1, 3]);
    again.put_chunk(&entry, 1, chunk(1)).unwrap();
    assert!(again.put_chunk(&entry, 3, chunk(3)).unwrap());
    assert_eq!(again.read_whole(&entry.digest, ROOM).unwrap(), blobs[0]);
}

#[test]
fn wrong_bytes_are_named_and_not_kept() {
    let dir = folder();
    let blobs = [bytes(2 * CHUNK, 4)];
    let (contents, entry) = (artifact(&blobs), BlobEntry::of(&blobs[0]));
    let store = open(dir.path());
    assert!(matches!(
        store.put_chunk(&entry, 0, &blobs[0][..CHUNK]),
        Err(ArtifactError::Missing { .. })
    ));
    store.begin(&contents).unwrap();
    let mut other = blobs[0][..CHUNK].to_vec();
    other[7] ^= 1;
    for wrong in [other.as_slice(), &blobs[0][..CHUNK - 1], &[]] {
        let error = store.put_chunk(&entry, 0, wrong).unwrap_err();
        assert!(matches!(error, ArtifactError::WrongChunk { index: 0, .. }), "{error}");
    }
    assert!(matches!(store.put_chunk(&entry, 2, &[]), Err(ArtifactError::Missing { .. })));
    assert_eq!(store.missing(&entry.digest), [0, 1]);
}

#[test]
fn contents_that_lie_about_chunks_leave_no_blob() {
    let dir = folder();
    let (honest, other) = (bytes(2 * CHUNK, 5), bytes(2 * CHUNK, 6));
    let mut lie = BlobEntry::of(&other);
    lie.digest = Digest::of(&honest);
    let contents = Contents::new(lie.digest, vec![lie.clone()]).unwrap();
    let store = open(dir.path());
    store.begin(&contents).unwrap();
    store.put_chunk(&lie, 0, &other[..CHUNK]).unwrap();
    let error = store.put_chunk(&lie, 1, &other[CHUNK..]).unwrap_err();
    assert_eq!(error, ArtifactError::WrongBlob { expected: lie.digest, got: Digest::of(&other) });
    assert!(!store.holds_blob(&lie.digest));
    // The blob of that digest may still come, by contents that don't lie.
    let true_contents = artifact(std::slice::from_ref(&honest));
    keep(&store, &true_contents, std::slice::from_ref(&honest));
    assert_eq!(store.read_whole(&lie.digest, ROOM).unwrap(), honest);
}

#[test]
fn a_blob_goes_with_the_last_artifact_that_names_it() {
    let dir = folder();
    let (shared, one, two) = (bytes(CHUNK + 1, 7), bytes(5, 8), bytes(6, 9));
    let first = artifact(&[one.clone(), shared.clone()]);
    let second = artifact(&[two.clone(), shared.clone()]);
    let store = open(dir.path());
    keep(&store, &first, &[one, shared.clone()]);
    keep(&store, &second, std::slice::from_ref(&two));
    assert!(store.holds(&second.digest()), "what was there is not wanted again");
    assert_eq!(store.usage().0, (CHUNK + 1 + 5 + 6) as u64);
    store.remove(&first.digest()).unwrap();
    assert!(store.holds(&second.digest()) && !store.holds(&first.digest()));
    store.remove(&second.digest()).unwrap();
    store.remove(&second.digest()).unwrap();
    assert_eq!(store.usage().0, 0);
    for part in ["blobs", "contents", "partial"] {
        let left = std::fs::read_dir(dir.path().join(part)).unwrap().count();
        assert_eq!(left, 0, "{part}");
    }
}

/// Contents that name the same blob and say something else of its chunks.
fn lie(truth: &Contents, about: &[u8], said: &[u8]) -> Contents {
    let entries = truth.blobs().iter().cloned().map(|entry| {
        let mut lie = BlobEntry::of(said);
        lie.digest = entry.digest;
        if entry.digest == Digest::of(about) { lie } else { entry }
    });
    Contents::new(truth.root(), entries.collect()).unwrap()
}

#[test]
fn contents_that_lie_about_a_blob_that_is_here_are_refused() {
    let (dir, shared) = (folder(), bytes(2 * CHUNK, 20));
    let truth = artifact(std::slice::from_ref(&shared));
    let other = bytes(2 * CHUNK, 21);
    for lie in [lie(&truth, &shared, &other), lie(&truth, &shared, &shared[..CHUNK])] {
        // Whoever comes first, the lie has no part in what is true.
        let store = open(&dir.path().join(lie.digest().to_string()));
        store.begin(&lie).unwrap();
        keep(&store, &truth, std::slice::from_ref(&shared));
        assert!(store.holds(&truth.digest()) && !store.holds(&lie.digest()));
        let error = store.begin(&lie).unwrap_err();
        assert!(error.to_string().contains("who published them lies"), "{error}");
        store.remove(&lie.digest()).unwrap();
        store.begin(&lie).unwrap_err();
        assert_eq!(store.list().len(), 1, "nothing is made for it");
        let folder = dir.path().join(lie.digest().to_string()).join("contents");
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1);
        let again = open(&dir.path().join(lie.digest().to_string()));
        again.begin(&truth).unwrap();
        assert!(again.holds(&truth.digest()));
        assert!(again.begin(&lie).is_err());
        assert!(!again.holds(&lie.digest()));
    }
}

#[test]
fn what_was_begun_again_since_stays() {
    let (dir, blobs) = (folder(), [bytes(CHUNK + 1, 22)]);
    let (contents, entry) = (artifact(&blobs), BlobEntry::of(&blobs[0]));
    let store = open(dir.path());
    let mut since = std::time::Instant::now();
    store.begin(&contents).unwrap();
    assert!(!store.remove_unused(&contents.digest(), since).unwrap());
    since = std::time::Instant::now();
    store.put_chunk(&entry, 0, &blobs[0][..CHUNK]).unwrap();
    assert!(!store.remove_unused(&contents.digest(), since).unwrap());
    assert!(store.remove_unused(&contents.digest(), std::time::Instant::now()).unwrap());
    assert_eq!(store.list().len(), 0);
}

#[test]
fn more_than_there_is_room_for_is_refused_before_it_is_fetched() {
    let dir = folder();
    let store = ArtifactStore::open(dir.path(), 100).unwrap();
    let (small, large) = (vec![bytes(60, 10)], vec![bytes(41, 11)]);
    keep(&store, &artifact(&small), &small);
    let error = store.begin(&artifact(&large)).unwrap_err();
    let expected = ArtifactError::Full { needed_bytes: 41, used_bytes: 60, max_bytes: 100 };
    assert_eq!(error, expected);
    assert!(store.contents(&artifact(&large).digest()).is_none());
    store.remove(&artifact(&small).digest()).unwrap();
    keep(&store, &artifact(&large), &large);
}

#[test]
fn a_byte_that_changed_on_disk_is_found_and_fetched_again() {
    let dir = folder();
    let blobs = [bytes(2 * CHUNK, 12)];
    let (contents, blob) = (artifact(&blobs), Digest::of(&blobs[0]));
    let store = open(dir.path());
    keep(&store, &contents, &blobs);
    store.check(&blob).unwrap();
    let path = store.path(&blob).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&[blobs[0][CHUNK] ^ 1], CHUNK_BYTES).unwrap();
    assert_eq!(store.check(&blob), Err(ArtifactError::Damaged { digest: blob }));
    assert!(!store.holds(&contents.digest()));
    keep(&store, &contents, &blobs);
    store.check(&blob).unwrap();
}

#[test]
fn files_that_are_none_of_ours_are_left_and_cut_ones_dropped() {
    let dir = folder();
    let blobs = [bytes(10, 13)];
    let contents = artifact(&blobs);
    let store = open(dir.path());
    keep(&store, &contents, &blobs);
    let blob = store.path(&Digest::of(&blobs[0])).unwrap();
    std::fs::write(dir.path().join("contents").join("readme"), "x").unwrap();
    std::fs::write(dir.path().join("blobs").join(Digest([7; 32]).to_string()), "x").unwrap();
    std::fs::write(&blob, "cut").unwrap();
    let again = open(dir.path());
    assert!(!again.holds(&contents.digest()));
    assert_eq!(again.list().len(), 1);
    assert_eq!(std::fs::read_dir(dir.path().join("blobs")).unwrap().count(), 0);
    std::fs::write(dir.path().join("contents").join(contents.digest().to_string()), "x").unwrap();
    assert_eq!(open(dir.path()).list().len(), 0);
}
