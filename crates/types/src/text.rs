//! Text form of fixed-size byte values: lower-case hexadecimal, 64 digits for 32 bytes.
//!
//! One macro-free helper pair serves digests, keys and signatures, so that what a user
//! reads in a table can be pasted into any command.

use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

/// Bytes given as text were not the hexadecimal form of the right length.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} hexadecimal digits, got {got:?}")]
pub struct ParseHexError {
    /// Number of digits a value has.
    pub expected: usize,
    /// What was given, cut to 80 characters.
    pub got: String,
}

/// Parses exactly `N` bytes from their hexadecimal form.
///
/// # Errors
/// [`ParseHexError`] when length or digits are wrong.
pub fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], ParseHexError> {
    let mut out = [0u8; N];
    hex::decode_to_slice(text, &mut out)
        .map_err(|_| ParseHexError { expected: N * 2, got: text.chars().take(80).collect() })?;
    Ok(out)
}

/// The hexadecimal form of bytes.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    let mut digits = vec![b'0'; bytes.len() * 2];
    // Digit by digit into a string, as `hex::encode` does, takes four times as long.
    let written = hex::encode_to_slice(bytes, &mut digits).ok();
    written.and_then(|()| String::from_utf8(digits).ok()).unwrap_or_default()
}

/// Serde form of a fixed-size byte array: a string of hexadecimal digits.
pub(crate) fn serialize_hex<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&to_hex(bytes))
}

/// Serde counterpart of [`serialize_hex`].
pub(crate) fn deserialize_hex<'de, const N: usize, D: Deserializer<'de>>(
    d: D,
) -> Result<[u8; N], D::Error> {
    let text = String::deserialize(d)?;
    parse_hex(&text).map_err(D::Error::custom)
}

/// Gives a newtype over `[u8; N]` its text form: `Display`, `Debug`, `FromStr`, serde.
macro_rules! hex_text {
    ($name:ident, $len:expr) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&crate::text::to_hex(&self.0))
            }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let text = crate::text::to_hex(&self.0);
                write!(f, "{}({})", stringify!($name), text.get(..12).unwrap_or(&text))
            }
        }
        impl std::str::FromStr for $name {
            type Err = crate::text::ParseHexError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                crate::text::parse_hex::<$len>(text).map(Self)
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                crate::text::serialize_hex(&self.0, s)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                crate::text::deserialize_hex::<$len, D>(d).map(Self)
            }
        }
    };
}
pub(crate) use hex_text;
