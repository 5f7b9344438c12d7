//! Proofs that an entry stands in a store, or that a key has none.
//!
//! Walking down by a key's bits leads to the only leaf that can have that key. So a path
//! that ends in another key's leaf proves exclusion, given that the root is trusted.

use super::node::{Node, bit_of, hash_inner, hash_leaf};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use trustmesh_types::Digest;

/// One inner node on a path.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct ProofStep {
    /// The bit at which its sides differ.
    pub bit: u16,
    /// Hash of the side off the path.
    pub sibling: Digest,
}

/// The leaf at a path's end.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct ProofLeaf {
    /// Its key.
    pub key: Vec<u8>,
    /// Digest of its value.
    pub value: Digest,
}

/// Proof of inclusion or exclusion of a key.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct StateProof {
    /// Inner nodes from the root down.
    pub steps: Vec<ProofStep>,
    /// The leaf at the end; `None` for an empty store.
    pub leaf: Option<ProofLeaf>,
}

impl StateProof {
    /// Whether under `root` the entry of `key` is `value` (encoded), or there is none.
    #[must_use]
    pub fn verify(&self, root: &Digest, key: &[u8], value: Option<&[u8]>) -> bool {
        let Some(leaf) = &self.leaf else {
            return value.is_none() && self.steps.is_empty() && *root == Digest::of(&[]);
        };
        let says = match value {
            Some(value) => leaf.key == key && leaf.value == Digest::of(value),
            None => leaf.key != key,
        };
        let descends = self.steps.is_sorted_by(|above, below| above.bit < below.bit);
        // A key over the length that a hash can tell is no key of a store.
        let bounded = leaf.key.len() <= usize::from(u16::MAX);
        says && descends && bounded && self.hash(key, leaf) == *root
    }

    fn hash(&self, key: &[u8], leaf: &ProofLeaf) -> Digest {
        self.steps.iter().rev().fold(hash_leaf(&leaf.key, &leaf.value), |below, step| {
            if bit_of(key, step.bit) {
                hash_inner(step.bit, &step.sibling, &below)
            } else {
                hash_inner(step.bit, &below, &step.sibling)
            }
        })
    }
}

/// The path of `key` from `root` down.
pub(super) fn prove(root: Option<&Node>, key: &[u8]) -> StateProof {
    let mut steps = Vec::new();
    let mut at = root;
    loop {
        match at {
            None => return StateProof { steps, leaf: None },
            Some(Node::Leaf(leaf)) => {
                let leaf = ProofLeaf { key: leaf.key.to_vec(), value: Digest::of(&leaf.value) };
                return StateProof { steps, leaf: Some(leaf) };
            }
            Some(Node::Inner(inner)) => {
                steps.push(ProofStep { bit: inner.bit, sibling: inner.other_side(key).hash() });
                at = Some(inner.side(key));
            }
        }
    }
}
