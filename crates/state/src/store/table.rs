//! Tables: typed entries, and keys as bytes.

use borsh::{BorshDeserialize, BorshSerialize};
use trustmesh_types::{AppId, Digest, PolicyId, PublicKey, RequestId, TxId, WorkflowId};

/// A kind of entries.
pub trait Table {
    /// First byte of its keys; no two tables share one.
    const TAG: u8;
    /// Its name, for people.
    const NAME: &'static str;
    /// What an entry is found by.
    type Key: TableKey;
    /// What an entry holds.
    type Value: BorshSerialize + BorshDeserialize;
}

/// A key's bytes. Prefix-free within one type (fixed length, or names ended by a
/// byte that they don't have), and ordered as the keys are.
pub trait TableKey: Sized {
    /// Appends the key.
    fn write(&self, out: &mut Vec<u8>);
    /// The key of exactly these bytes.
    fn read(bytes: &[u8]) -> Option<Self>;
}

impl TableKey for () {
    fn write(&self, _out: &mut Vec<u8>) {}
    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.is_empty().then_some(())
    }
}

impl TableKey for u32 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }
    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_be_bytes)
    }
}

impl TableKey for u64 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }
    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_be_bytes)
    }
}

impl TableKey for Digest {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl TableKey for PublicKey {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl TableKey for RequestId {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
    fn read(bytes: &[u8]) -> Option<Self> {
        Digest::read(bytes).map(Self)
    }
}

impl TableKey for TxId {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
    fn read(bytes: &[u8]) -> Option<Self> {
        Digest::read(bytes).map(Self)
    }
}

/// Ends a name in a key; no name has it, and it comes before all that names have.
const NAME_END: u8 = 0;

fn write_name(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.push(NAME_END);
}

fn read_name(bytes: &[u8]) -> Option<&str> {
    let (end, name) = bytes.split_last()?;
    (*end == NAME_END).then(|| std::str::from_utf8(name).ok()).flatten()
}

impl TableKey for AppId {
    fn write(&self, out: &mut Vec<u8>) {
        write_name(self.as_str(), out);
    }
    fn read(bytes: &[u8]) -> Option<Self> {
        Self::new(read_name(bytes)?).ok()
    }
}

impl TableKey for PolicyId {
    fn write(&self, out: &mut Vec<u8>) {
        write_name(self.as_str(), out);
    }
    fn read(bytes: &[u8]) -> Option<Self> {
        Self::new(read_name(bytes)?).ok()
    }
}

impl TableKey for WorkflowId {
    fn write(&self, out: &mut Vec<u8>) {
        write_name(self.as_str(), out);
    }
    fn read(bytes: &[u8]) -> Option<Self> {
        Self::new(read_name(bytes)?).ok()
    }
}

/// A pair whose first part has a known length.
fn read_pair<A: TableKey, B: TableKey>(bytes: &[u8], first_bytes: usize) -> Option<(A, B)> {
    let (first, second) = bytes.split_at_checked(first_bytes)?;
    Some((A::read(first)?, B::read(second)?))
}

impl<K: TableKey> TableKey for (u64, K) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }
    fn read(bytes: &[u8]) -> Option<Self> {
        read_pair(bytes, 8)
    }
}

impl<K: TableKey> TableKey for (AppId, K) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }
    fn read(bytes: &[u8]) -> Option<Self> {
        let name_bytes = bytes.iter().position(|byte| *byte == NAME_END)?.checked_add(1)?;
        read_pair(bytes, name_bytes)
    }
}

impl<K: TableKey> TableKey for (PublicKey, K) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }
    fn read(bytes: &[u8]) -> Option<Self> {
        read_pair(bytes, 32)
    }
}

impl<K: TableKey> TableKey for (RequestId, K) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }
    fn read(bytes: &[u8]) -> Option<Self> {
        read_pair(bytes, 32)
    }
}
