//! Encoding: borsh (ADR 0003), with a bound on what is decoded.
//!
//! One value has one encoding: maps and sets are read in strict order (a feature of borsh), and
//! [`decode`] refuses trailing bytes. So a digest of the bytes is a digest of the value.

use borsh::{BorshDeserialize, BorshSerialize};

/// Bytes from outside did not decode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// More bytes than the kind may have.
    #[error("{what} has {got_bytes} bytes, at most {max_bytes} are allowed")]
    TooLarge {
        /// The kind of value.
        what: &'static str,
        /// How many bytes came.
        got_bytes: usize,
        /// How many may come.
        max_bytes: usize,
    },
    /// The bytes are not the encoding of the kind.
    #[error("{what} is malformed: {reason}")]
    Malformed {
        /// The kind of value.
        what: &'static str,
        /// What the decoder found.
        reason: String,
    },
}

/// Encodes a value.
#[must_use]
pub fn encode<T: BorshSerialize>(value: &T) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "writing to a Vec fails only on lengths over u32")]
    borsh::to_vec(value).expect("values are bounded far below 4 GiB")
}

/// Decodes a value that came from outside, of at most `max_bytes`.
///
/// # Errors
/// [`DecodeError`] when it is too large, malformed, or has trailing bytes.
pub fn decode<T: BorshDeserialize>(
    what: &'static str,
    bytes: &[u8],
    max_bytes: usize,
) -> Result<T, DecodeError> {
    if bytes.len() > max_bytes {
        return Err(DecodeError::TooLarge { what, got_bytes: bytes.len(), max_bytes });
    }
    borsh::from_slice(bytes).map_err(|e| DecodeError::Malformed { what, reason: e.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn maps_and_sets_have_one_encoding() {
        let read = |bytes: &[u8]| decode::<BTreeMap<u8, u8>>("map", bytes, 64);
        assert!(read(&[2, 0, 0, 0, 1, 7, 2, 7]).is_ok());
        assert!(read(&[2, 0, 0, 0, 2, 7, 1, 7]).is_err(), "keys out of order");
        assert!(read(&[2, 0, 0, 0, 1, 7, 1, 7]).is_err(), "a key twice");
        assert!(decode::<BTreeSet<u8>>("set", &[2, 0, 0, 0, 1, 1], 64).is_err());
    }
}
