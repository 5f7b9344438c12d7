//! Where cosign keeps its signatures of an image: a manifest under the tag `sha256-<hex>.sig`,
//! whose layers are what was signed (cosign, `specs/SIGNATURE_SPEC.md`, "Tag-based Discovery").
//!
//! Invariant: what is given out is bounded, and its bytes are those that the manifest names.
//! Whether it is signed by anybody is for [`crate::artifacts::cosign`] to say.

use super::{error::OciError, reference::Repository, registry::Registry};
use crate::artifacts::cosign;
use bytes::Bytes;
use trustmesh_types::Digest;

/// What cosign keeps beside an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signatures {
    /// The manifest.
    pub manifest: Bytes,
    /// What was signed, a payload for each signature that the manifest names, without repeats.
    pub payloads: Vec<Bytes>,
}

impl Registry {
    /// The signatures that cosign put beside the manifest of an image; `None` without any.
    ///
    /// # Errors
    /// [`OciError`] when the registry does not give them, or they are no signatures.
    pub async fn cosign_signatures(
        &self,
        repository: &Repository,
        digest: Digest,
    ) -> Result<Option<Signatures>, OciError> {
        let tag = format!("sha256-{digest}.sig");
        let manifest = match self.named(repository, &tag).await {
            Ok(resolved) => resolved.bytes,
            Err(OciError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let named = cosign::payloads(&manifest);
        let named = named.map_err(|error| self.malformed(&tag, error.to_string()))?;
        let mut payloads = Vec::new();
        for (payload, bytes) in named {
            payloads.push(self.small_blob(repository, payload, bytes).await?);
        }
        Ok(Some(Signatures { manifest, payloads }))
    }
}
