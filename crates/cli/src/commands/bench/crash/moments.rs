//! A seed's draws: when something is killed, and what. Equal seeds draw alike, whatever the
//! machine does in between.

use std::time::Duration;
use trustmesh_types::Digest;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Moments {
    seed: u64,
}

impl Moments {
    /// Of a seed.
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The `nth` number below `span` that is drawn for a purpose; 0 when there is none.
    pub fn below(self, purpose: &str, nth: u64, span: u64) -> u64 {
        let (seed, nth) = (self.seed.to_be_bytes(), nth.to_be_bytes());
        let digest = Digest::of_parts(&[b"trustmesh bench crash", &seed, purpose.as_bytes(), &nth]);
        let mut head = [0; 8];
        head.iter_mut().zip(digest.0).for_each(|(to, from)| *to = from);
        // The bias is below one in 2^40 for every span that is used.
        u64::from_be_bytes(head).checked_rem(span).unwrap_or(0)
    }

    /// A time from nothing to `most`.
    pub fn within(self, purpose: &str, nth: u64, most: Duration) -> Duration {
        let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.below(purpose, nth, micros.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_draw_alike_and_others_do_not() {
        let draw = |seed| (0..50).map(move |nth| Moments::new(seed).below("x", nth, 1_000_000));
        assert!(draw(1).eq(draw(1)));
        assert!(!draw(1).eq(draw(2)));
    }

    #[test]
    fn draws_reach_every_node_and_stay_in_their_span() {
        let moments = Moments::new(3);
        let mut drawn: Vec<u64> = (0..100).map(|nth| moments.below("node", nth, 4)).collect();
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn, [0, 1, 2, 3]);
        assert_eq!(moments.below("none", 0, 0), 0);
        let most = Duration::from_millis(5);
        assert!((0..100).all(|nth| moments.within("pause", nth, most) <= most));
    }
}
