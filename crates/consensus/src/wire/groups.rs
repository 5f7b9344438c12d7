//! Groups of encoded values: one network message carries what gathered since the last one,
//! so that a busy sender stays under its channel's quota.
//!
//! On the wire: `version (u8) ‖ values`, each in borsh, one after the other.

use borsh::BorshDeserialize;

/// Version of the groups.
pub(super) const GROUP_VERSION: u8 = 1;

/// A group that is being filled.
pub(super) struct Group {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Group {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes: vec![GROUP_VERSION], bytes_max }
    }

    /// Adds an encoded value; gives the full group back when there was no room for it.
    pub(super) fn push(&mut self, value: &[u8]) -> Option<Vec<u8>> {
        let full = self.bytes.len() > 1 && self.bytes.len() + value.len() > self.bytes_max;
        let out = if full { self.take() } else { None };
        self.bytes.extend_from_slice(value);
        out
    }

    /// The group, when there is anything in it.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        let out = std::mem::replace(&mut self.bytes, vec![GROUP_VERSION]);
        (out.len() > 1).then_some(out)
    }
}

/// The values of a group with the length of each; stops at the first that is malformed.
pub(crate) fn values<T: BorshDeserialize>(group: &[u8]) -> Vec<(T, usize)> {
    let Some((&GROUP_VERSION, mut rest)) = group.split_first() else { return Vec::new() };
    let mut out = Vec::new();
    while !rest.is_empty() {
        let before = rest.len();
        match T::deserialize(&mut rest) {
            Ok(value) if rest.len() < before => out.push((value, before - rest.len())),
            _ => break,
        }
    }
    out
}
