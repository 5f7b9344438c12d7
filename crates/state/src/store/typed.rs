//! The store: the map of bytes with typed tables over it.

use super::{map::Map, proof, proof::StateProof, table::Table, table::TableKey as _};
use trustmesh_types::{Digest, codec};

/// A persistent authenticated map. A clone is O(1).
#[derive(Debug, Clone, Default)]
pub struct Store {
    map: Map,
}

#[expect(clippy::expect_used, reason = "only put and restore write, with values of the table")]
fn value_of<T: Table>(bytes: &[u8]) -> T::Value {
    borsh::from_slice(bytes).expect("an entry of a table holds the table's value")
}

impl Store {
    /// A store without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An entry's key as the store and its proofs have it.
    #[must_use]
    pub fn key<T: Table>(key: &T::Key) -> Vec<u8> {
        let mut out = Vec::with_capacity(80);
        out.push(T::TAG);
        key.write(&mut out);
        out
    }

    /// The entry of `key`.
    #[must_use]
    pub fn get<T: Table>(&self, key: &T::Key) -> Option<T::Value> {
        self.map.get(&Self::key::<T>(key)).map(value_of::<T>)
    }

    /// Whether `key` has an entry.
    #[must_use]
    pub fn contains<T: Table>(&self, key: &T::Key) -> bool {
        self.map.get(&Self::key::<T>(key)).is_some()
    }

    /// Sets the entry of `key`; `true` when it had none.
    pub fn put<T: Table>(&mut self, key: &T::Key, value: &T::Value) -> bool {
        self.map.put(&Self::key::<T>(key), codec::encode(value))
    }

    /// Takes the entry of `key` away; whether there was one.
    pub fn remove<T: Table>(&mut self, key: &T::Key) -> bool {
        self.map.remove(&Self::key::<T>(key))
    }

    /// A table's entries in key order.
    pub fn iter<T: Table>(&self) -> impl Iterator<Item = (T::Key, T::Value)> + use<'_, T> {
        self.range::<T>(&[T::TAG])
    }

    /// A table's entries in key order, from `key` on.
    pub fn iter_from<T: Table>(
        &self,
        key: &T::Key,
    ) -> impl Iterator<Item = (T::Key, T::Value)> + use<'_, T> {
        self.range::<T>(&Self::key::<T>(key))
    }

    fn range<T: Table>(
        &self,
        start: &[u8],
    ) -> impl Iterator<Item = (T::Key, T::Value)> + use<'_, T> {
        self.map.iter_from(start).map_while(|(key, value)| {
            let (tag, key) = key.split_first()?;
            (*tag == T::TAG).then_some(())?;
            Some((T::Key::read(key)?, value_of::<T>(value)))
        })
    }

    /// A table's first entry in key order.
    #[must_use]
    pub fn first<T: Table>(&self) -> Option<(T::Key, T::Value)> {
        self.iter::<T>().next()
    }

    /// The root: commits to every entry.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.map.root_hash()
    }

    /// Proof of what stands under `key` (made by [`Store::key`]), or that nothing does.
    #[must_use]
    pub fn prove(&self, key: &[u8]) -> StateProof {
        proof::prove(self.map.root.as_ref(), key)
    }

    /// Every entry as bytes, in key order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.map.iter_from(&[])
    }

    /// Sets an entry as bytes; the caller has checked that it is one of a table.
    pub(crate) fn put_entry(&mut self, key: &[u8], value: Vec<u8>) {
        self.map.put(key, value);
    }
}
