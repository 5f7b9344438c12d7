//! Where cosign keeps its signatures of an image: a manifest under the tag `sha256-<hex>.sig`
//! (cosign 2: `specs/SIGNATURE_SPEC.md`, "Tag-based Discovery"), and manifests that refer to the
//! image's (cosign 3: `specs/BUNDLE_SPEC.md`, "Retrieval").
//!
//! Invariant: what is given out is bounded, and its bytes are those that the manifests name.
//! Whether it is signed by anybody is for [`crate::artifacts::cosign`] to say.

use super::{
    error::OciError,
    reference::Repository,
    registry::Registry,
    transport::{Action, Call},
};
use crate::artifacts::{
    cosign::{self, Named, Signature},
    image::MANIFEST_BYTES_MAX,
};
use bytes::Bytes;
use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue},
};
use trustmesh_types::Digest;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

impl Registry {
    /// The signatures that cosign put beside the manifest of an image.
    ///
    /// # Errors
    /// [`OciError`] when the registry does not give them, or what is under the tag is none.
    pub async fn cosign_signatures(
        &self,
        repository: &Repository,
        image: Digest,
    ) -> Result<Vec<Signature>, OciError> {
        let mut named = Vec::new();
        let tag = format!("sha256-{image}.sig");
        if let Some(resolved) = there(self.named(repository, &tag).await)? {
            let of_tag = cosign::named(&resolved.bytes);
            named.extend(of_tag.map_err(|error| self.malformed(&tag, error.to_string()))?);
        }
        for manifest in self.bundles(repository, image).await? {
            let Some(manifest) = there(self.manifest(repository, manifest).await)? else {
                continue;
            };
            // Anything may refer to an image.
            named.extend(cosign::named(&manifest).unwrap_or_default());
        }
        let mut found = Vec::new();
        for named in named.into_iter().take(2 * cosign::SIGNATURES_MAX) {
            found.push(self.signature(repository, named).await?);
        }
        Ok(found)
    }

    async fn signature(
        &self,
        repository: &Repository,
        named: Named,
    ) -> Result<Signature, OciError> {
        let blob = self.small_blob(repository, named.blob, named.bytes).await?;
        Ok(named.with(blob))
    }

    /// Manifests that may have signatures, by the registry's list of what refers to the image, or
    /// the one that clients keep under a tag where a registry has none (OCI Distribution 1.1,
    /// "Listing Referrers").
    async fn bundles(
        &self,
        repository: &Repository,
        image: Digest,
    ) -> Result<Vec<Digest>, OciError> {
        let index = match self.referrers(repository, image).await? {
            Some(index) => Some(index),
            None => there(self.named(repository, &format!("sha256-{image}")).await)?
                .map(|resolved| resolved.bytes),
        };
        Ok(index.map(|it| cosign::candidates(&it)).unwrap_or_default())
    }

    /// The first page of a registry's list, if it keeps one.
    async fn referrers(
        &self,
        repository: &Repository,
        image: Digest,
    ) -> Result<Option<Bytes>, OciError> {
        let what = format!("list of what refers to sha256:{image}");
        let url = self.url(repository, &format!("referrers/sha256:{image}"))?;
        let call = Call::new(Method::GET, url, (repository, Action::Pull), &what);
        let call = call.header(ACCEPT, HeaderValue::from_static(INDEX));
        let answer = self.exchange(&call).await?;
        let kind = answer.headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let is_index = kind.is_some_and(|it| it.split(';').next() == Some(INDEX));
        match answer.status {
            StatusCode::OK if is_index => {
                Ok(Some(self.whole(&what, answer.flow, MANIFEST_BYTES_MAX).await?))
            }
            // Registries of before the list say so in many ways.
            StatusCode::OK
            | StatusCode::NOT_FOUND
            | StatusCode::BAD_REQUEST
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_ACCEPTABLE
            | StatusCode::NOT_IMPLEMENTED => Ok(None),
            _ => Err(self.refused(&what, answer).await),
        }
    }
}

fn there<T>(result: Result<T, OciError>) -> Result<Option<T>, OciError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(OciError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
