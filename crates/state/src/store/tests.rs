//! The store against a model, its root against its history, and its proofs both ways.

use super::{Store, Table, TableKey};
use proptest::{collection::vec, prelude::*};
use std::collections::BTreeMap;
use trustmesh_types::{AppId, Digest, codec};

struct Names;

impl Table for Names {
    const TAG: u8 = 200;
    const NAME: &'static str = "Names";
    type Key = AppId;
    type Value = u64;
}

struct Numbers;

impl Table for Numbers {
    const TAG: u8 = 201;
    const NAME: &'static str = "Numbers";
    type Key = (u64, Digest);
    type Value = Vec<u8>;
}

fn name() -> impl Strategy<Value = AppId> {
    "[a-c]{1,4}".prop_map(|text| AppId::new(&text).unwrap())
}

#[derive(Debug, Clone)]
enum Change {
    Put(AppId, u64),
    Remove(AppId),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (name(), 0..5_u64).prop_map(|(key, value)| Change::Put(key, value)),
        2 => name().prop_map(Change::Remove),
    ]
}

fn entries(store: &Store) -> Vec<(AppId, u64)> {
    store.iter::<Names>().collect()
}

fn build(entries: impl IntoIterator<Item = (AppId, u64)>) -> Store {
    let mut store = Store::new();
    for (key, value) in entries {
        store.put::<Names>(&key, &value);
    }
    store
}

proptest! {
    #[test]
    fn a_store_is_an_ordered_map(changes in vec(change(), 0..120), from in name()) {
        let mut store = Store::new();
        // Tables on both sides, so that reading one stops at its ends.
        store.put::<Numbers>(&(7, Digest::default()), &vec![1]);
        let mut model = BTreeMap::new();
        for change in &changes {
            let before = store.clone();
            let root_before = before.root();
            match change {
                Change::Put(key, value) => {
                    let absent = model.insert(key.clone(), *value).is_none();
                    prop_assert_eq!(store.put::<Names>(key, value), absent);
                }
                Change::Remove(key) => {
                    let present = model.remove(key).is_some();
                    prop_assert_eq!(store.remove::<Names>(key), present);
                }
            }
            prop_assert_eq!(before.root(), root_before, "a clone never changes");
            prop_assert_eq!(build(entries(&before)).root() == build(entries(&store)).root(),
                before.root() == store.root());
        }
        let expected: Vec<_> = model.clone().into_iter().collect();
        prop_assert_eq!(entries(&store), expected.clone());
        prop_assert_eq!(store.first::<Names>(), expected.first().cloned());
        let tail: Vec<_> = model.range(from.clone()..).map(|(k, v)| (k.clone(), *v)).collect();
        prop_assert_eq!(store.iter_from::<Names>(&from).collect::<Vec<_>>(), tail);
        prop_assert_eq!(store.get::<Names>(&from), model.get(&from).copied());
        prop_assert_eq!(store.contains::<Names>(&from), model.contains_key(&from));
        prop_assert_eq!(store.iter::<Numbers>().count(), 1);
    }

    #[test]
    fn the_root_does_not_know_the_order(
        entries in proptest::collection::btree_map(name(), any::<u64>(), 0..60),
        seed in any::<u64>(),
    ) {
        let mut shuffled: Vec<_> = entries.clone().into_iter().collect();
        shuffled.sort_by_key(|(key, _)| {
            Digest::of_parts(&[key.as_str().as_bytes(), &seed.to_be_bytes()])
        });
        prop_assert_eq!(build(entries).root(), build(shuffled).root());
    }

    #[test]
    fn proofs_hold_for_what_is_and_what_is_not(
        entries in proptest::collection::btree_map(name(), any::<u64>(), 0..60),
        asked in name(),
        other in any::<u64>(),
    ) {
        let store = build(entries.clone());
        let root = store.root();
        let key = Store::key::<Names>(&asked);
        let proof = store.prove(&key);
        let value = entries.get(&asked).map(codec::encode);
        prop_assert!(proof.verify(&root, &key, value.as_deref()));
        // Nothing else can be shown by it.
        prop_assert_eq!(proof.verify(&root, &key, None), value.is_none());
        let wrong = codec::encode(&other);
        prop_assert!(value.as_ref() == Some(&wrong) || !proof.verify(&root, &key, Some(&wrong)));
        prop_assert!(!proof.verify(&Digest::of(b"another root"), &key, value.as_deref()));
        for at in 0..proof.steps.len() {
            let mut broken = proof.clone();
            broken.steps[at].sibling = Digest::of(b"another sibling");
            prop_assert!(!broken.verify(&root, &key, value.as_deref()));
            let mut shorter = proof.clone();
            shorter.steps.remove(at);
            prop_assert!(!shorter.verify(&root, &key, value.as_deref()));
        }
    }

    #[test]
    fn keys_keep_their_order_and_read_back(
        a in (any::<u64>(), any::<[u8; 32]>()),
        b in (any::<u64>(), any::<[u8; 32]>()),
    ) {
        let key = |(n, d): (u64, [u8; 32])| (n, Digest(d));
        let bytes = |k: &(u64, Digest)| { let mut out = Vec::new(); k.write(&mut out); out };
        let (a, b) = (key(a), key(b));
        prop_assert_eq!(bytes(&a).cmp(&bytes(&b)), a.cmp(&b));
        prop_assert_eq!(<(u64, Digest)>::read(&bytes(&a)), Some(a));
        prop_assert_eq!(<(u64, Digest)>::read(&bytes(&a)[1..]), None);
    }
}

#[test]
fn the_empty_root_is_the_digest_of_nothing() {
    let mut store = Store::new();
    assert_eq!(store.root(), Digest::of(&[]));
    let key = AppId::new("a").unwrap();
    assert!(store.put::<Names>(&key, &1));
    assert_ne!(store.root(), Digest::of(&[]));
    assert!(store.remove::<Names>(&key));
    assert_eq!(store.root(), Digest::of(&[]));
    let proof = store.prove(&Store::key::<Names>(&key));
    assert!(proof.verify(&store.root(), &Store::key::<Names>(&key), None));
}

#[test]
fn hashes_are_those_that_the_module_says() {
    let mut store = Store::new();
    let (a, b) = (AppId::new("a").unwrap(), AppId::new("b").unwrap());
    store.put::<Names>(&a, &1);
    let leaf = |key: &AppId, value: u64| {
        let key = Store::key::<Names>(key);
        let length = u16::try_from(key.len()).unwrap().to_be_bytes();
        let value = Digest::of(&codec::encode(&value));
        Digest::of_parts(&[&[0], &length, &key, value.as_ref()])
    };
    assert_eq!(store.root(), leaf(&a, 1));
    store.put::<Names>(&b, &2);
    // 'a' is 0x61 and 'b' 0x62: after the tag's 8 bits they differ first at their seventh.
    let (left, right) = (leaf(&a, 1), leaf(&b, 2));
    let inner = Digest::of_parts(&[&[1], &14_u16.to_be_bytes(), left.as_ref(), right.as_ref()]);
    assert_eq!(store.root(), inner);
}
