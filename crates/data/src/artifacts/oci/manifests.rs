//! Manifests and indexes, as bytes.
//!
//! Invariants: a manifest has the digest that it was asked for by, or, by a tag, the one that is
//! told; its media type is the one that it names itself, and the registry says the same.

use super::{
    error::OciError,
    reference::{Reference, Repository},
    registry::Registry,
    transport::{Action, Call},
};
use crate::artifacts::image::MANIFEST_BYTES_MAX;
use bytes::Bytes;
use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue},
};
use serde::Deserialize;
use trustmesh_types::Digest;

/// What is a manifest.
const KINDS: &str = "application/vnd.oci.image.manifest.v1+json, \
                     application/vnd.oci.image.index.v1+json, \
                     application/vnd.docker.distribution.manifest.v2+json, \
                     application/vnd.docker.distribution.manifest.list.v2+json";

/// What a reference means now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The manifest's digest.
    pub digest: Digest,
    /// What it is.
    pub media_type: String,
    /// The manifest.
    pub bytes: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    media_type: Option<String>,
}

impl Call<'_> {
    pub(super) fn accepting_manifests(self) -> Self {
        self.header(ACCEPT, HeaderValue::from_static(KINDS))
    }
}

impl Registry {
    /// What a reference means now: a tag may come to mean something else, a digest never does.
    /// Without either, the tag `latest` is meant.
    ///
    /// # Errors
    /// [`OciError`] when there is no such manifest, or the registry does not give it.
    pub async fn resolve(&self, reference: &Reference) -> Result<Resolved, OciError> {
        if reference.host() != self.host() {
            let why = format!("this is registry {}", self.host());
            return Err(OciError::Reference { text: reference.to_string(), why });
        }
        let named = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => format!("sha256:{digest}"),
            (None, Some(tag)) => tag.to_string(),
            (None, None) => "latest".to_owned(),
        };
        let resolved = self.named(reference.repository(), &named).await?;
        if let Some(digest) = reference.digest() {
            self.check(digest, &resolved)?;
        }
        Ok(resolved)
    }

    /// A manifest.
    ///
    /// # Errors
    /// [`OciError`] when it is not there, or the registry does not give it.
    pub async fn manifest(
        &self,
        repository: &Repository,
        digest: Digest,
    ) -> Result<Bytes, OciError> {
        let resolved = self.named(repository, &format!("sha256:{digest}")).await?;
        self.check(digest, &resolved)?;
        Ok(resolved.bytes)
    }

    /// Whether a manifest is there.
    ///
    /// # Errors
    /// [`OciError`] when the registry does not say.
    pub async fn has_manifest(
        &self,
        repository: &Repository,
        digest: Digest,
    ) -> Result<bool, OciError> {
        self.has(repository, "manifests", digest).await
    }

    fn check(&self, digest: Digest, resolved: &Resolved) -> Result<(), OciError> {
        if resolved.digest == digest {
            return Ok(());
        }
        Err(self.wrong_digest(&format!("manifest sha256:{digest}"), resolved.digest))
    }

    /// A manifest by its tag or digest, which is not checked.
    pub(super) async fn named(
        &self,
        repository: &Repository,
        name: &str,
    ) -> Result<Resolved, OciError> {
        let what = format!("manifest {name}");
        let url = self.url(repository, &format!("manifests/{name}"))?;
        let call = Call::new(Method::GET, url, (repository, Action::Pull), &what);
        let answer = self.exchange(&call.accepting_manifests()).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(self.not_found(repository, &what)),
            _ => return Err(self.refused(&what, answer).await),
        }
        let sent = answer.headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let sent = sent.and_then(|it| it.split(';').next()).map(|it| it.trim().to_owned());
        let bytes = self.whole(&what, answer.flow, MANIFEST_BYTES_MAX).await?;
        let digest = Digest::of(&bytes);
        let media_type = self.media_type(&what, sent, &bytes)?;
        Ok(Resolved { digest, media_type, bytes })
    }

    fn media_type(
        &self,
        what: &str,
        sent: Option<String>,
        bytes: &[u8],
    ) -> Result<String, OciError> {
        let named = serde_json::from_slice::<Named>(bytes).ok().and_then(|it| it.media_type);
        match (named, sent.filter(|it| KINDS.split(", ").any(|kind| kind == it))) {
            (Some(named), Some(sent)) if named != sent => {
                let why = "its media type is not the one that the registry says it has";
                Err(self.malformed(what, why))
            }
            // OCI's manifests need not name their own (image specification, "mediaType").
            (Some(kind), _) | (None, Some(kind))
                if KINDS.split(", ").any(|known| known == kind) =>
            {
                Ok(kind)
            }
            _ => Err(self.malformed(what, "what comes is no manifest of an image or index")),
        }
    }
}
