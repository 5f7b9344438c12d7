//! Shares of what this node has only so many of, per network address or key: connections, room
//! for bodies, watchers, requests under way.
//!
//! Invariants: nobody holds more than its share at a time; a share is given back when it is
//! dropped; who holds nothing is forgotten.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

/// Counts by key of what is held.
#[derive(Debug)]
pub(super) struct Shares<K: Hash + Eq + Copy> {
    held: Arc<Mutex<HashMap<K, u32>>>,
    max: u32,
}

/// What is held; dropped, it is given back.
#[derive(Debug)]
pub(super) struct Share<K: Hash + Eq + Copy> {
    held: Arc<Mutex<HashMap<K, u32>>>,
    key: K,
    count: u32,
}

impl<K: Hash + Eq + Copy> Shares<K> {
    /// At most `max` for each key.
    pub(super) fn new(max: u32) -> Self {
        Self { held: Arc::default(), max: max.max(1) }
    }

    /// Takes `count` for a key, all that one may hold if it is more; `None` while too much is
    /// held already.
    pub(super) fn take(&self, key: K, count: u32) -> Option<Share<K>> {
        let count = count.min(self.max);
        // A map of counts is never half changed.
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let of_key = held.entry(key).or_default();
        if *of_key + count > self.max {
            return None;
        }
        *of_key += count;
        Some(Share { held: Arc::clone(&self.held), key, count })
    }
}

impl<K: Hash + Eq + Copy> Drop for Share<K> {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_key) = held.get_mut(&self.key) {
            *of_key -= self.count;
            if *of_key == 0 {
                held.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_holds_its_share_and_gives_it_back() {
        let shares = Shares::new(3);
        let (first, second) = (shares.take('a', 2).unwrap(), shares.take('a', 1).unwrap());
        assert!(shares.take('a', 1).is_none());
        let other = shares.take('b', 9).unwrap();
        assert!(shares.take('b', 1).is_none(), "all that one may hold");
        drop(first);
        let again = shares.take('a', 2).unwrap();
        drop((second, other, again));
        assert!(shares.held.lock().unwrap().is_empty());
    }
}
