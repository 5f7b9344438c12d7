//! A repository as a place to fetch artifacts from, chunk by chunk.

use super::{error::OciError, reference::Repository, registry::Registry};
use crate::artifacts::source::{Pieces, Source};
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, future::BoxFuture};
use std::{ops::Range, time::Duration};
use trustmesh_types::{Digest, contents::BlobEntry};

/// A repository of a registry.
#[derive(Clone, Debug)]
pub struct RegistrySource {
    registry: Registry,
    repository: Repository,
    name: String,
}

impl RegistrySource {
    /// A repository of a registry.
    #[must_use]
    pub fn new(registry: Registry, repository: Repository) -> Self {
        let name = format!("registry {}/{repository}", registry.host());
        Self { registry, repository, name }
    }
}

impl Source for RegistrySource {
    fn name(&self) -> &str {
        &self.name
    }

    fn silence_max(&self) -> Option<Duration> {
        Some(self.registry.patience())
    }

    fn contents(&self, _: Digest) -> BoxFuture<'_, Result<Option<Bytes>, String>> {
        async { Ok(None) }.boxed()
    }

    fn blob<'a>(
        &'a self,
        _: Digest,
        blob: &'a BlobEntry,
        range: Range<u64>,
    ) -> BoxFuture<'a, Result<Pieces, String>> {
        async move {
            let asked = self.registry.blob(&self.repository, blob.digest, range).await;
            let said = |error: OciError| error.to_string();
            Ok(asked.map_err(said)?.map_err(said).boxed())
        }
        .boxed()
    }
}
