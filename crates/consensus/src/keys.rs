//! One identity, two key types: the ledger's and the engine's ed25519 keys have the same
//! 32-byte seed and the same 32-byte public key, so a validator votes under the key that
//! genesis names.
//!
//! Signatures of the engine carry a namespace with the network id: a vote, or a handshake,
//! of one network is worth nothing in another (PROTOCOL §1).

use bytes::Bytes;
use commonware_codec::{DecodeExt as _, Encode as _};
use commonware_consensus::simplex::scheme::ed25519::Scheme;
use commonware_cryptography::ed25519;
use commonware_utils::ordered::Set;
use trustmesh_types::{NetworkId, PublicKey, SecretKey};

/// A public key as the engine holds it.
pub type EngineKey = ed25519::PublicKey;

/// Bytes that are no ed25519 public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} is not an ed25519 public key: correct it in the genesis")]
pub struct BadKey {
    /// The bytes.
    pub key: PublicKey,
}

/// The engine's form of a secret key.
#[must_use]
pub fn engine_secret(key: &SecretKey) -> ed25519::PrivateKey {
    #[expect(clippy::expect_used, reason = "every 32-byte string is an ed25519 seed")]
    ed25519::PrivateKey::decode(Bytes::copy_from_slice(key.seed())).expect("a seed has 32 bytes")
}

/// The engine's form of a public key.
///
/// # Errors
/// [`BadKey`] when the bytes are no curve point.
pub fn engine_public(key: &PublicKey) -> Result<EngineKey, BadKey> {
    EngineKey::decode(Bytes::copy_from_slice(&key.0)).map_err(|_| BadKey { key: *key })
}

/// The ledger's form of one of the engine's public keys.
#[must_use]
pub fn ledger_public(key: &EngineKey) -> PublicKey {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(&key.encode());
    PublicKey(bytes)
}

/// What every vote's signature begins with.
pub(crate) fn vote_namespace(network: &NetworkId) -> Vec<u8> {
    trustmesh_types::votes::namespace(network)
}

/// What every handshake's signature begins with.
pub(crate) fn p2p_namespace(network: &NetworkId) -> Vec<u8> {
    [b"trustmesh p2p ".as_slice(), network.0.as_ref()].concat()
}

/// The validators as the engine holds them.
pub(crate) fn participants(validators: &[PublicKey]) -> Result<Set<EngineKey>, BadKey> {
    let keys = validators.iter().map(engine_public).collect::<Result<Vec<_>, _>>()?;
    Ok(Set::from_iter_dedup(keys))
}

/// Votes when there is a `key` and it is a participant's, else only checks votes.
pub(crate) fn scheme(
    network: &NetworkId,
    participants: Set<EngineKey>,
    key: Option<&SecretKey>,
) -> Scheme {
    let namespace = vote_namespace(network);
    key.and_then(|key| Scheme::signer(&namespace, participants.clone(), engine_secret(key)))
        .unwrap_or_else(|| Scheme::verifier(&namespace, participants))
}

#[cfg(test)]
mod tests {
    use super::*;
    use commonware_cryptography::Signer as _;

    #[test]
    fn both_key_types_name_the_same_public_key() {
        for n in 0..8u8 {
            let ours = SecretKey::from_seed([n; 32]);
            let theirs = engine_secret(&ours).public_key();
            assert_eq!(ledger_public(&theirs), ours.public());
            assert_eq!(engine_public(&ours.public()).unwrap(), theirs);
        }
    }

    #[test]
    fn bytes_off_the_curve_are_refused() {
        let bad = (0..=255u8).map(|n| PublicKey([n; 32])).find(|k| engine_public(k).is_err());
        assert!(bad.is_some());
    }
}
