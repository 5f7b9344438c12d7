//! The state as bytes: every entry of its store, in key order.
//!
//! A snapshot may come from a peer. What it restores to is well formed, and is the state of
//! a block only if the root is the one in that block's header.

use super::State;
use crate::{
    store::Store,
    tables::{Meta, Settings, well_formed},
};
use borsh::{BorshDeserialize as _, BorshSerialize as _};
use trustmesh_types::codec::DecodeError;

/// Version of the snapshot encoding.
const SNAPSHOT_VERSION: u8 = 1;
/// What errors call it.
const WHAT: &str = "state snapshot";

fn malformed(reason: impl Into<String>) -> DecodeError {
    DecodeError::Malformed { what: WHAT, reason: reason.into() }
}

fn write(out: &mut Vec<u8>, bytes: &[u8]) {
    #[expect(clippy::expect_used, reason = "writing to a Vec fails only on lengths over u32")]
    bytes.serialize(out).expect("values are bounded far below 4 GiB");
}

impl State {
    /// The state as bytes.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let mut out = vec![SNAPSHOT_VERSION];
        for (key, value) in self.store().entries() {
            write(&mut out, key);
            write(&mut out, value);
        }
        out
    }

    /// The state of a snapshot. Its root still has to be compared with a trusted one.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are no snapshot of a state.
    pub fn restore(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (version, mut rest) = bytes.split_first().ok_or_else(|| malformed("it is empty"))?;
        if *version != SNAPSHOT_VERSION {
            return Err(malformed(format!(
                "it has version {version}, this program knows version {SNAPSHOT_VERSION}"
            )));
        }
        let mut store = Store::new();
        let mut last: Vec<u8> = Vec::new();
        while !rest.is_empty() {
            let mut next =
                || Vec::<u8>::deserialize(&mut rest).map_err(|e| malformed(e.to_string()));
            let (key, value) = (next()?, next()?);
            if key <= last {
                return Err(malformed("its keys are not in order"));
            }
            if !well_formed(&key, &value) {
                return Err(malformed(format!(
                    "an entry of {} bytes is of no table that this program knows",
                    value.len()
                )));
            }
            store.put_entry(&key, value);
            last = key;
        }
        match (store.get::<Meta>(&()), store.get::<Settings>(&())) {
            (Some(meta), Some(settings)) => Ok(Self::of(meta, settings, store)),
            _ => Err(malformed("it names no block or no network")),
        }
    }
}
