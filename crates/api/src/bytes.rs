//! Bytes of any length as lower-case hexadecimal text.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use trustmesh_types::text::to_hex;

/// Bytes whose JSON form is a string of hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct HexBytes(pub Vec<u8>);

impl Serialize for HexBytes {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&to_hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for HexBytes {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let odd = |e| D::Error::custom(format!("expected hexadecimal digits: {e}"));
        hex::decode(&text).map(Self).map_err(odd)
    }
}

impl std::fmt::Debug for HexBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HexBytes({} bytes)", self.0.len())
    }
}

impl From<Vec<u8>> for HexBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}
