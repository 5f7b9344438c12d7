//! Sealing and opening with HPKE (RFC 9180): base mode, DHKEM(X25519, HKDF-SHA256),
//! HKDF-SHA256, ChaCha20-Poly1305.
//!
//! The request's id is the associated data, so that a result of one request can't be passed
//! off as another's. Stored and sent form: one version byte, the 32-byte encapsulated key,
//! then the ciphertext with its 16-byte tag.

use crate::keys::{KEY_BYTES, ResultSecret};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{
    Deserializable as _, HpkeError, Kem, OpModeR, OpModeS, Serializable as _, single_shot_open,
    single_shot_seal,
};
use std::fmt::Write as _;

const INFO: &[u8] = b"trustmesh result v1";
const VERSION: u8 = 1;
const TAG_BYTES: usize = 16;

type PublicKey = <X25519HkdfSha256 as Kem>::PublicKey;
type EncappedKey = <X25519HkdfSha256 as Kem>::EncappedKey;

/// Sealing, opening or decoding failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// Nothing can be sealed to this key (a point of low order, or none).
    #[error(
        "the result key {key} is not a usable X25519 public key: make a fresh key and send the \
         request again"
    )]
    UnusableKey {
        /// The key, in hexadecimal.
        key: String,
    },
    /// The plaintext is too long for one message.
    #[error("a result of {bytes} bytes can't be sealed")]
    TooLarge {
        /// Length of the result.
        bytes: usize,
    },
    /// Wrong secret key, wrong request, or altered bytes; which one can't be told.
    #[error(
        "the sealed result does not open: it was altered, belongs to another request, or is \
         sealed to another key; fetch it from another node"
    )]
    DoesNotOpen,
    /// The bytes are not a sealed result.
    #[error("not a sealed result: {reason}")]
    Malformed {
        /// What was found.
        reason: String,
    },
}

/// A result that only the device with the secret key can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The encapsulated key: an ephemeral X25519 public key.
    pub enc: [u8; KEY_BYTES],
    /// The encrypted result and its tag.
    pub ciphertext: Vec<u8>,
}

impl Sealed {
    /// The bytes that are stored and sent.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + KEY_BYTES + self.ciphertext.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.enc);
        bytes.extend_from_slice(&self.ciphertext);
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`DeliveryError::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DeliveryError> {
        let malformed = |reason: String| DeliveryError::Malformed { reason };
        let (&version, rest) =
            bytes.split_first().ok_or_else(|| malformed("it is empty".to_owned()))?;
        if version != VERSION {
            return Err(malformed(format!("version {version}, this program knows {VERSION}")));
        }
        let (enc, ciphertext) = rest
            .split_first_chunk::<KEY_BYTES>()
            .filter(|(_, ciphertext)| ciphertext.len() >= TAG_BYTES)
            .ok_or_else(|| malformed(format!("it is cut off after {} bytes", bytes.len())))?;
        Ok(Self { enc: *enc, ciphertext: ciphertext.to_vec() })
    }
}

/// Seals `plaintext` to the device's public `result_key` for `request_id`. Two seals of the
/// same result differ.
///
/// # Errors
/// [`DeliveryError::UnusableKey`] or [`DeliveryError::TooLarge`].
///
/// # Panics
/// When the operating system has no randomness to give.
pub fn seal(
    result_key: &[u8; KEY_BYTES],
    request_id: &[u8; 32],
    plaintext: &[u8],
) -> Result<Sealed, DeliveryError> {
    let unusable = || DeliveryError::UnusableKey { key: hex(result_key) };
    let key = PublicKey::from_bytes(result_key).map_err(|_| unusable())?;
    let (enc, ciphertext) = single_shot_seal::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &key,
        INFO,
        plaintext,
        request_id,
    )
    .map_err(|error| match error {
        HpkeError::SealError => DeliveryError::TooLarge { bytes: plaintext.len() },
        _ => unusable(),
    })?;
    Ok(Sealed { enc: enc.to_bytes().into(), ciphertext })
}

/// Opens a sealed result of `request_id`.
///
/// # Errors
/// [`DeliveryError::DoesNotOpen`].
pub fn open(
    secret: &ResultSecret,
    request_id: &[u8; 32],
    sealed: &Sealed,
) -> Result<Vec<u8>, DeliveryError> {
    open_with(secret, INFO, request_id, sealed)
}

fn open_with(
    secret: &ResultSecret,
    info: &[u8],
    associated: &[u8],
    sealed: &Sealed,
) -> Result<Vec<u8>, DeliveryError> {
    let enc = EncappedKey::from_bytes(&sealed.enc).map_err(|_| DeliveryError::DoesNotOpen)?;
    single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &secret.private(),
        &enc,
        info,
        &sealed.ciphertext,
        associated,
    )
    .map_err(|_| DeliveryError::DoesNotOpen)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: [u8; 32] = [7; 32];

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn opens_with_the_key_and_request_it_was_sealed_for() {
        let secret = ResultSecret::generate();
        for plaintext in [&b""[..], b"a result", &[9; 100_000]] {
            let sealed = seal(&secret.public(), &REQUEST, plaintext).unwrap();
            let carried = Sealed::from_bytes(&sealed.to_bytes()).unwrap();
            assert_eq!(open(&secret, &REQUEST, &carried).unwrap(), plaintext);
        }
        let again = ResultSecret::from_bytes(*secret.to_bytes());
        assert_eq!(again.public(), secret.public());
    }

    #[test]
    fn nothing_else_opens_it() {
        let secret = ResultSecret::generate();
        let sealed = seal(&secret.public(), &REQUEST, b"a result").unwrap();
        let refused = |secret: &ResultSecret, request: &[u8; 32], sealed: &Sealed, why: &str| {
            assert_eq!(open(secret, request, sealed), Err(DeliveryError::DoesNotOpen), "{why}");
        };
        refused(&ResultSecret::generate(), &REQUEST, &sealed, "another key");
        refused(&secret, &[8; 32], &sealed, "another request");
        for at in 1..sealed.to_bytes().len() {
            let mut altered = sealed.to_bytes();
            // The low bit: the top bit of an X25519 key is ignored by its definition.
            altered[at] ^= 1;
            refused(&secret, &REQUEST, &Sealed::from_bytes(&altered).unwrap(), "a flipped bit");
        }
        let cut = Sealed { ciphertext: sealed.ciphertext[1..].to_vec(), ..sealed.clone() };
        refused(&secret, &REQUEST, &cut, "cut");
        let empty = Sealed { ciphertext: Vec::new(), ..sealed };
        refused(&secret, &REQUEST, &empty, "empty");
    }

    #[test]
    fn two_seals_of_one_result_differ() {
        let key = ResultSecret::generate().public();
        let (one, two) = (seal(&key, &REQUEST, b"x").unwrap(), seal(&key, &REQUEST, b"x").unwrap());
        assert_ne!(one.enc, two.enc);
        assert_ne!(one.ciphertext, two.ciphertext);
    }

    #[test]
    fn a_key_of_low_order_is_refused() {
        let mut one = [0; KEY_BYTES];
        one[0] = 1;
        assert!(seal(&one, &REQUEST, b"a result").is_err());
        let error = seal(&[0; KEY_BYTES], &REQUEST, b"a result").unwrap_err();
        assert_eq!(error, DeliveryError::UnusableKey { key: "00".repeat(KEY_BYTES) });
    }

    /// Appendix A.2.1 of RFC 9180, encryption of sequence number 0.
    #[test]
    fn rfc_9180_appendix_a_2_1() {
        let secret = ResultSecret::from_bytes(bytes(
            "8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb",
        ));
        let public: [u8; 32] =
            bytes("4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a");
        assert_eq!(secret.public(), public);
        let sealed = Sealed {
            enc: bytes("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a"),
            ciphertext: hex::decode(
                "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2d\
                 d1b51a28",
            )
            .unwrap(),
        };
        let plain = open_with(&secret, b"Ode on a Grecian Urn", b"Count-0", &sealed).unwrap();
        assert_eq!(plain, b"Beauty is truth, truth beauty");
    }

    #[test]
    fn golden_bytes_of_a_sealed_result() {
        let sealed = Sealed { enc: [0xaa; KEY_BYTES], ciphertext: vec![0xbb; TAG_BYTES] };
        let golden = format!("01{}{}", "aa".repeat(KEY_BYTES), "bb".repeat(TAG_BYTES));
        assert_eq!(hex::encode(sealed.to_bytes()), golden);
        assert_eq!(Sealed::from_bytes(&hex::decode(golden).unwrap()).unwrap(), sealed);
    }

    #[test]
    fn bytes_that_are_no_sealed_result() {
        for (bytes, part) in
            [(vec![], "empty"), (vec![2; 100], "version 2"), (vec![1; 48], "after 48 bytes")]
        {
            let error = Sealed::from_bytes(&bytes).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
        assert!(Sealed::from_bytes(&[1; 49]).is_ok());
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", ResultSecret::from_bytes([0x5a; KEY_BYTES]));
        assert_eq!(shown, "ResultSecret(..)");
    }
}
