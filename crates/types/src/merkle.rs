//! Merkle tree over an ordered list of digests: the transactions and receipts roots of a
//! header, and the root of a batch of resource snapshots.
//!
//! RFC 6962 (Certificate Transparency), section 2.1: leaves and inner nodes are hashed
//! with different prefixes, so a node can't pass for a leaf.

use crate::digest::Digest;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

fn leaf(item: &Digest) -> Digest {
    Digest::of_parts(&[&[0], item.as_ref()])
}

fn inner(left: &Digest, right: &Digest) -> Digest {
    Digest::of_parts(&[&[1], left.as_ref(), right.as_ref()])
}

/// Pairs up one level; an odd last node moves up unchanged.
fn next_level(level: &[Digest]) -> Vec<Digest> {
    level
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => inner(left, right),
            [single] => *single,
            _ => Digest::default(),
        })
        .collect()
}

/// Root over `items` in order; the digest of nothing for an empty list.
#[must_use]
pub fn root(items: &[Digest]) -> Digest {
    if items.is_empty() {
        return Digest::of(&[]);
    }
    let mut level: Vec<Digest> = items.iter().map(leaf).collect();
    while level.len() > 1 {
        level = next_level(&level);
    }
    level.first().copied().unwrap_or_default()
}

/// Proof that an item stands at a place under a root.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Proof {
    /// Place of the item, from 0.
    pub index: u64,
    /// Number of items under the root.
    pub count: u64,
    /// Siblings from the leaf up.
    pub siblings: Vec<Digest>,
}

/// Proof for the item at `index`; `None` when there is none.
#[must_use]
pub fn prove(items: &[Digest], index: usize) -> Option<Proof> {
    if index >= items.len() {
        return None;
    }
    let mut siblings = Vec::new();
    let mut level: Vec<Digest> = items.iter().map(leaf).collect();
    let mut at = index;
    while level.len() > 1 {
        if let Some(sibling) = level.get(at ^ 1) {
            siblings.push(*sibling);
        }
        level = next_level(&level);
        at /= 2;
    }
    Some(Proof { index: index as u64, count: items.len() as u64, siblings })
}

impl Proof {
    /// Whether `item` stands at `self.index` among `self.count` items under `root`.
    #[must_use]
    pub fn verify(&self, item: &Digest, root: &Digest) -> bool {
        if self.index >= self.count {
            return false;
        }
        let (mut at, mut width) = (self.index, self.count);
        let mut node = leaf(item);
        let mut siblings = self.siblings.iter();
        while width > 1 {
            if (at ^ 1) < width {
                let Some(sibling) = siblings.next() else { return false };
                node = if at % 2 == 0 { inner(&node, sibling) } else { inner(sibling, &node) };
            }
            at /= 2;
            width = width.div_ceil(2);
        }
        siblings.next().is_none() && node == *root
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_of_every_small_list_has_a_proof_and_no_other() {
        for count in 1..20usize {
            let items: Vec<Digest> = (0..count).map(|i| Digest([i as u8; 32])).collect();
            let root = root(&items);
            for (at, item) in items.iter().enumerate() {
                let proof = prove(&items, at).unwrap();
                assert!(proof.verify(item, &root));
                assert!(!proof.verify(&Digest([99; 32]), &root));
                let moved = Proof { index: (at as u64 + 1) % count as u64, ..proof.clone() };
                assert!(count == 1 || !moved.verify(item, &root));
            }
            assert!(prove(&items, count).is_none());
        }
    }
}
