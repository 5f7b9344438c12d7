//! Allowances that fill up again with time (the generic cell rate algorithm): how much a
//! signer, a peer or a network address may still ask of this node.
//!
//! Looking and taking are two steps, so that what can be forged is only looked at and what
//! was proven is charged: nobody spends another's allowance by naming its key. What is
//! charged may exceed what was left; the debt is bounded, too. Integer arithmetic over a
//! clock that the caller brings, so a simulation is reproducible.
//!
//! Invariants: at most `keys_max` keys are remembered; while there are more, all new ones
//! share one allowance; a key whose allowance is full again is forgotten.

use std::{collections::HashMap, hash::Hash};

/// Between two looks for keys that can be forgotten.
const SWEEP_MS: u64 = 1_000;
/// A debt is paid off within this time, however deep it would be.
const DEBT_MS_MAX: u64 = 10_000;

/// Allowances by key.
#[derive(Debug, Clone)]
pub struct Rates<K> {
    /// When each key's allowance is full again, in microseconds of the caller's clock.
    full_us: HashMap<K, u64>,
    /// The same for the keys for which there was no room.
    others_full_us: u64,
    keys_max: usize,
    unit_us: u64,
    burst: u64,
    swept_ms: u64,
}

impl<K: Hash + Eq + Copy> Rates<K> {
    /// Allowances of `burst` units that fill by `per_second` units a second, both at least 1
    /// and at most a million.
    #[must_use]
    pub fn new(per_second: u32, burst: u32, keys_max: usize) -> Self {
        let per_second = u64::from(per_second.clamp(1, 1_000_000));
        Self {
            full_us: HashMap::new(),
            others_full_us: 0,
            keys_max,
            unit_us: 1_000_000 / per_second,
            burst: u64::from(burst.clamp(1, 1_000_000)),
            swept_ms: 0,
        }
    }

    fn most_us(&self) -> u64 {
        self.burst.saturating_mul(self.unit_us).saturating_add(DEBT_MS_MAX * 1_000)
    }

    /// What is used up. More than there can be means that the clock was set back: nothing is.
    fn used_us(&self, full_us: u64, now_ms: u64) -> u64 {
        let used_us = full_us.saturating_sub(now_ms.saturating_mul(1_000));
        if used_us > self.most_us() { 0 } else { used_us }
    }

    fn used_by_us(&self, key: &K, now_ms: u64) -> u64 {
        let others = if self.full_us.len() < self.keys_max { 0 } else { self.others_full_us };
        self.used_us(self.full_us.get(key).copied().unwrap_or(others), now_ms)
    }

    /// Whole units that a key has left.
    #[must_use]
    pub fn left(&self, key: &K, now_ms: u64) -> u64 {
        self.burst.saturating_sub(self.used_by_us(key, now_ms).div_ceil(self.unit_us))
    }

    /// Milliseconds until a key has so many units (or all that it can ever have); 0 when it
    /// has them now.
    #[must_use]
    pub fn wait_ms(&self, key: &K, units: u64, now_ms: u64) -> u64 {
        let may_be_used_us = self.burst.saturating_sub(units).saturating_mul(self.unit_us);
        self.used_by_us(key, now_ms).saturating_sub(may_be_used_us).div_ceil(1_000)
    }

    /// Milliseconds in which so many units fill up.
    #[must_use]
    pub const fn fill_ms(&self, units: u64) -> u64 {
        units.saturating_mul(self.unit_us).div_ceil(1_000)
    }

    /// Takes units from a key's allowance, into debt if need be.
    pub fn charge(&mut self, key: K, units: u64, now_ms: u64) {
        if !self.full_us.contains_key(&key) && self.full_us.len() >= self.keys_max {
            self.sweep(now_ms);
        }
        let known = self.full_us.contains_key(&key) || self.full_us.len() < self.keys_max;
        let before_us =
            if known { self.full_us.get(&key).copied().unwrap_or(0) } else { self.others_full_us };
        let cost_us = units.saturating_mul(self.unit_us);
        let used_us = self.used_us(before_us, now_ms).saturating_add(cost_us).min(self.most_us());
        let full_us = now_ms.saturating_mul(1_000).saturating_add(used_us);
        if known {
            self.full_us.insert(key, full_us);
        } else {
            self.others_full_us = full_us;
        }
    }

    /// Forgets the keys whose allowances are full; at most once in a while.
    fn sweep(&mut self, now_ms: u64) {
        if now_ms.abs_diff(self.swept_ms) < SWEEP_MS {
            return;
        }
        self.swept_ms = now_ms;
        let now_us = now_ms.saturating_mul(1_000);
        self.full_us.retain(|_, full_us| *full_us > now_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_MS: u64 = 1_700_000_000_000;

    #[test]
    fn a_burst_then_the_rate_and_a_wait_that_is_true() {
        let mut rates = Rates::new(10, 5, 8);
        for _ in 0..5 {
            assert_eq!(rates.wait_ms(&1, 1, START_MS), 0);
            rates.charge(1, 1, START_MS);
        }
        let wait_ms = rates.wait_ms(&1, 1, START_MS);
        assert_eq!((rates.left(&1, START_MS), wait_ms), (0, 100));
        assert_eq!(rates.wait_ms(&1, 1, START_MS + wait_ms - 1), 1);
        assert_eq!(rates.wait_ms(&1, 1, START_MS + wait_ms), 0);
        assert_eq!(rates.left(&1, START_MS + wait_ms), 1);
        assert_eq!(rates.left(&1, START_MS + 10_000), 5, "never more than the burst");
        assert_eq!(rates.left(&2, START_MS), 5, "another key is not concerned");
    }

    #[test]
    fn over_a_long_time_exactly_the_rate_goes_through() {
        let mut rates = Rates::new(50, 10, 8);
        let mut through = 0;
        for now_ms in START_MS..START_MS + 20_000 {
            for _ in 0..4 {
                if rates.wait_ms(&7, 1, now_ms) == 0 {
                    rates.charge(7, 1, now_ms);
                    through += 1;
                }
            }
        }
        assert!((1_005..=1_011).contains(&through), "{through}");
    }

    #[test]
    fn a_debt_is_paid_off_and_bounded() {
        let mut rates = Rates::new(100, 10, 8);
        rates.charge(1, 60, START_MS);
        assert_eq!(rates.wait_ms(&1, 1, START_MS), 510);
        rates.charge(1, u64::MAX, START_MS);
        assert_eq!(rates.wait_ms(&1, 1, START_MS), DEBT_MS_MAX + 10);
        assert_eq!(rates.wait_ms(&1, 1, START_MS + DEBT_MS_MAX + 10), 0);
        assert_eq!(rates.wait_ms(&2, u64::MAX, START_MS), 0, "no more than there can be");
    }

    #[test]
    fn keys_are_bounded_and_those_beyond_share_one_allowance() {
        let mut rates = Rates::new(1, 2, 3);
        for key in 0..3 {
            rates.charge(key, 2, START_MS);
        }
        rates.charge(3, 2, START_MS);
        assert_eq!(rates.full_us.len(), 3);
        assert_eq!(rates.left(&4, START_MS), 0, "the others' allowance is used up");
        // In time the idle ones are forgotten, and there is room for others.
        rates.charge(4, 1, START_MS + 5_000);
        assert_eq!((rates.full_us.len(), rates.left(&4, START_MS + 5_000)), (1, 1));
        assert_eq!(rates.left(&5, START_MS + 5_000), 2);
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let mut rates = Rates::new(10, 5, 8);
        rates.charge(1, 5, START_MS);
        assert_eq!(rates.left(&1, START_MS - 3_600_000), 5);
    }
}
