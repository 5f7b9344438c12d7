//! Canonical JSON (RFC 8785), the form whose digest a completion signs (PROTOCOL §4,
//! Execution): nodes and devices that format numbers differently still agree on a digest.

use crate::digest::Digest;
use serde_json::Value;

/// A JSON value has no canonical form (a number that is not finite).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no canonical JSON form: {reason}")]
pub struct CanonicalError {
    /// What stands in the way.
    pub reason: String,
}

/// The canonical bytes of `value`.
///
/// # Errors
/// [`CanonicalError`] when there are none.
pub fn to_canonical(value: &Value) -> Result<Vec<u8>, CanonicalError> {
    serde_json_canonicalizer::to_vec(value).map_err(|e| CanonicalError { reason: e.to_string() })
}

/// Digest of the canonical bytes of `value`.
///
/// # Errors
/// [`CanonicalError`] when there are none.
pub fn digest(value: &Value) -> Result<Digest, CanonicalError> {
    Ok(Digest::of(&to_canonical(value)?))
}
