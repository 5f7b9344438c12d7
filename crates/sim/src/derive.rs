//! Everything random of a scenario that is not the runtime's own: digests of the seed, a
//! label and a number, so that no draw depends on the order of draws.

use trustmesh_types::{Digest, SecretKey};

/// 32 bytes for one purpose.
pub(crate) fn bytes(seed: u64, label: &str, number: u64) -> [u8; 32] {
    let parts: [&[u8]; 4] =
        [b"simulation", &seed.to_be_bytes(), label.as_bytes(), &number.to_be_bytes()];
    Digest::of_parts(&parts).0
}

/// A number below `bound` (which must not be 0) for one purpose; the bias is below 2^-32.
pub(crate) fn below(seed: u64, label: &str, number: u64, bound: u64) -> u64 {
    let bytes = bytes(seed, label, number);
    let drawn = bytes.iter().take(8).fold(0u64, |sum, b| sum << 8 | u64::from(*b));
    drawn.checked_rem(bound).unwrap_or(0)
}

/// A key pair for one purpose.
pub(crate) fn key(seed: u64, label: &str, number: u64) -> SecretKey {
    SecretKey::from_seed(bytes(seed, label, number))
}
