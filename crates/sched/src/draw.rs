//! One weighted draw from a seeded generator (eq. 13).

use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;

/// A number in [0, 1), of the 53 bits that an `f64` holds exactly.
fn unit(rng: &mut ChaCha20Rng) -> f64 {
    const STEP: f64 = 1.0 / (1u64 << 53) as f64;
    (rng.next_u64() >> 11) as f64 * STEP
}

/// Draws a position with the probability that stands there. Rounding can leave the sum a
/// hair below 1; what is left over goes to the last position that is possible at all.
pub(crate) fn draw(probabilities: &[f64], rng: &mut ChaCha20Rng) -> Option<usize> {
    let at = unit(rng);
    let mut sum = 0.0;
    let mut last = None;
    for (position, probability) in probabilities.iter().enumerate() {
        if *probability > 0.0 {
            sum += probability;
            last = Some(position);
            if at < sum {
                break;
            }
        }
    }
    last
}
