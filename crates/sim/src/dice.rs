//! A seed's draws for one scenario, by purpose: what is drawn for one purpose does not move
//! what is drawn for another.

use crate::derive;
use std::time::Duration;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dice {
    seed: u64,
}

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// A number from `least` to `most`.
    pub(crate) fn range(self, purpose: &str, nth: u64, least: u64, most: u64) -> u64 {
        let span = most.saturating_sub(least).saturating_add(1);
        least.saturating_add(derive::below(self.seed, purpose, nth, span))
    }

    /// Whether one in `of` happens.
    pub(crate) fn one_in(self, purpose: &str, nth: u64, of: u64) -> bool {
        self.range(purpose, nth, 1, of.max(1)) == 1
    }

    /// So many milliseconds.
    pub(crate) fn millis(self, purpose: &str, nth: u64, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.range(purpose, nth, least, most))
    }

    /// A number from `-most` to `most`.
    pub(crate) fn around(self, purpose: &str, nth: u64, most: u32) -> i64 {
        let drawn = self.range(purpose, nth, 0, 2 * u64::from(most));
        i64::try_from(drawn).unwrap_or(0) - i64::from(most)
    }

    /// One of them; `None` when there is none.
    pub(crate) fn pick<T: Clone>(self, purpose: &str, nth: u64, from: &[T]) -> Option<T> {
        let most = (from.len() as u64).checked_sub(1)?;
        let at = usize::try_from(self.range(purpose, nth, 0, most)).ok()?;
        from.get(at).cloned()
    }

    /// All of them in a drawn order.
    pub(crate) fn shuffled<T>(self, purpose: &str, mut all: Vec<T>) -> Vec<T> {
        for last in (1..all.len()).rev() {
            let at = self.range(purpose, last as u64, 0, last as u64);
            all.swap(last, usize::try_from(at).unwrap_or(last));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_in_their_range_and_reach_its_ends() {
        let dice = Dice::new(3);
        let drawn: Vec<u64> = (0..200).map(|nth| dice.range("x", nth, 2, 4)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&2), Some(&4)));
        assert_eq!(dice.range("x", 0, 7, 7), 7);
        assert!((0..100).all(|nth| dice.around("y", nth, 5).abs() <= 5));
    }

    #[test]
    fn a_shuffle_keeps_everything_once() {
        let mut shuffled = Dice::new(9).shuffled("z", (0..50).collect());
        assert_ne!(shuffled, (0..50).collect::<Vec<u32>>());
        shuffled.sort_unstable();
        assert_eq!(shuffled, (0..50).collect::<Vec<u32>>());
    }
}
