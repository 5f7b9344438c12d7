//! The map of bytes under [`super::Store`]: changes and ordered reading.

use super::node::{Inner, Leaf, Node, bit_of, first_difference};
use std::sync::Arc;
use trustmesh_types::Digest;

/// An ordered map from keys to values, both bytes. A clone shares all nodes.
#[derive(Debug, Clone, Default)]
pub(super) struct Map {
    pub(super) root: Option<Node>,
}

impl Map {
    /// The value of `key`.
    pub(super) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let leaf = self.root.as_ref()?.nearest(key);
        (*leaf.key == *key).then_some(&*leaf.value)
    }

    /// Sets the value of `key`; `true` when it had none.
    pub(super) fn put(&mut self, key: &[u8], value: Vec<u8>) -> bool {
        let Some(root) = &mut self.root else {
            self.root = Some(Node::Leaf(Arc::new(Leaf::new(key, value))));
            return true;
        };
        let nearest = root.nearest(key);
        let fork = first_difference(&nearest.key, key);
        if fork.is_none() && *nearest.value == *value {
            return false;
        }
        let leaf = Node::Leaf(Arc::new(Leaf::new(key, value)));
        place(root, key, fork, leaf);
        fork.is_some()
    }

    /// Takes `key` away; whether it was there.
    pub(super) fn remove(&mut self, key: &[u8]) -> bool {
        if self.get(key).is_none() {
            return false;
        }
        let Some(root) = &mut self.root else { return false };
        if matches!(root, Node::Leaf(_)) {
            self.root = None;
            return true;
        }
        let mut at = root;
        loop {
            let remaining = match &*at {
                Node::Inner(inner) if matches!(inner.side(key), Node::Leaf(_)) => {
                    inner.other_side(key).clone()
                }
                _ => {
                    let Node::Inner(inner) = at else { return false };
                    at = Arc::make_mut(inner).side_mut(key);
                    continue;
                }
            };
            *at = remaining;
            return true;
        }
    }

    /// Entries in order of their keys, from `start` on.
    pub(super) fn iter_from(&self, start: &[u8]) -> Entries<'_> {
        let mut rest = Vec::new();
        let Some(root) = &self.root else { return Entries { rest } };
        let fork = first_difference(&root.nearest(start).key, start);
        let mut at = root;
        loop {
            match at {
                Node::Inner(inner) if fork.is_none_or(|bit| inner.bit < bit) => {
                    if !bit_of(start, inner.bit) {
                        rest.push(&inner.right);
                    }
                    at = inner.side(start);
                }
                // All below differ from `start` first at `fork`, or are `start` itself.
                _ => {
                    if fork.is_none_or(|bit| !bit_of(start, bit)) {
                        rest.push(at);
                    }
                    return Entries { rest };
                }
            }
        }
    }

    /// The root hash.
    pub(super) fn root_hash(&self) -> Digest {
        self.root.as_ref().map_or_else(|| Digest::of(&[]), Node::hash)
    }
}

/// Puts a leaf in the place of the one of its key, or where it forks off at a bit. As deep
/// as the trie, which a key's length in bits bounds.
fn place(at: &mut Node, key: &[u8], fork: Option<u16>, leaf: Node) {
    match (at, fork) {
        (Node::Inner(inner), fork) if fork.is_none_or(|bit| inner.bit < bit) => {
            place(Arc::make_mut(inner).side_mut(key), key, fork, leaf);
        }
        (at, None) => *at = leaf,
        (at, Some(bit)) => {
            let here = at.clone();
            let (left, right) = if bit_of(key, bit) { (here, leaf) } else { (leaf, here) };
            *at = Node::Inner(Arc::new(Inner::new(bit, left, right)));
        }
    }
}

/// Entries in key order.
#[derive(Debug)]
pub(super) struct Entries<'a> {
    /// Subtrees still to come, the next one last.
    rest: Vec<&'a Node>,
}

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut at = self.rest.pop()?;
        loop {
            match at {
                Node::Leaf(leaf) => return Some((&leaf.key, &leaf.value)),
                Node::Inner(inner) => {
                    self.rest.push(&inner.right);
                    at = &inner.left;
                }
            }
        }
    }
}
