//! Nodes of the trie, and how they are hashed.
//!
//! An inner node names the first bit at which its two sides differ; below it, bits only
//! grow. A key has zeros after its end, which never decides between two keys of a store:
//! those are prefix-free. A hash is kept once computed; a changed node is a new one.

use std::sync::{Arc, OnceLock};
use trustmesh_types::Digest;

/// An entry.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) key: Box<[u8]>,
    pub(super) value: Box<[u8]>,
    hash: OnceLock<Digest>,
}

/// A fork: keys with a 0 at `bit` on the left, those with a 1 on the right.
#[derive(Debug, Clone)]
pub(super) struct Inner {
    pub(super) bit: u16,
    pub(super) left: Node,
    pub(super) right: Node,
    hash: OnceLock<Digest>,
}

/// A leaf or a fork, shared between the stores that hold it.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Leaf(Arc<Leaf>),
    Inner(Arc<Inner>),
}

/// Whether `key` has a 1 at `bit`, counted from the first byte's highest.
pub(super) fn bit_of(key: &[u8], bit: u16) -> bool {
    key.get(usize::from(bit / 8)).is_some_and(|byte| byte & (0x80 >> (bit % 8)) != 0)
}

/// The first bit at which two keys differ; `None` when they are equal up to zeros.
pub(super) fn first_difference(a: &[u8], b: &[u8]) -> Option<u16> {
    let longest = a.len().max(b.len());
    let at = |key: &[u8], i: usize| key.get(i).copied().unwrap_or(0);
    (0..longest).find_map(|i| {
        let differing = at(a, i) ^ at(b, i);
        let bit = i.checked_mul(8)?.checked_add(differing.leading_zeros() as usize)?;
        (differing != 0).then(|| u16::try_from(bit).ok()).flatten()
    })
}

/// Hash of a leaf, given the digest of its value.
pub(super) fn hash_leaf(key: &[u8], value: &Digest) -> Digest {
    let length = u16::try_from(key.len()).unwrap_or(u16::MAX).to_be_bytes();
    Digest::of_parts(&[&[0], &length, key, value.as_ref()])
}

/// Hash of a fork.
pub(super) fn hash_inner(bit: u16, left: &Digest, right: &Digest) -> Digest {
    Digest::of_parts(&[&[1], &bit.to_be_bytes(), left.as_ref(), right.as_ref()])
}

impl Leaf {
    pub(super) fn new(key: &[u8], value: Vec<u8>) -> Self {
        Self { key: key.into(), value: value.into(), hash: OnceLock::new() }
    }
}

impl Inner {
    pub(super) fn new(bit: u16, left: Node, right: Node) -> Self {
        Self { bit, left, right, hash: OnceLock::new() }
    }

    /// The side of `key`.
    pub(super) fn side(&self, key: &[u8]) -> &Node {
        if bit_of(key, self.bit) { &self.right } else { &self.left }
    }

    /// The side that is not `key`'s.
    pub(super) fn other_side(&self, key: &[u8]) -> &Node {
        if bit_of(key, self.bit) { &self.left } else { &self.right }
    }

    /// The side of `key`, to be changed: the hash is not true any more.
    pub(super) fn side_mut(&mut self, key: &[u8]) -> &mut Node {
        self.hash.take();
        if bit_of(key, self.bit) { &mut self.right } else { &mut self.left }
    }
}

impl Node {
    /// Its hash, kept from now on.
    pub(super) fn hash(&self) -> Digest {
        match self {
            Self::Leaf(leaf) => {
                *leaf.hash.get_or_init(|| hash_leaf(&leaf.key, &Digest::of(&leaf.value)))
            }
            Self::Inner(inner) => *inner
                .hash
                .get_or_init(|| hash_inner(inner.bit, &inner.left.hash(), &inner.right.hash())),
        }
    }

    /// The leaf where the bits of `key` lead: the only one that can have that key.
    pub(super) fn nearest(&self, key: &[u8]) -> &Leaf {
        let mut at = self;
        loop {
            match at {
                Self::Leaf(leaf) => return leaf,
                Self::Inner(inner) => at = inner.side(key),
            }
        }
    }
}
