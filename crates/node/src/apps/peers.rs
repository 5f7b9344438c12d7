//! Another node as a source of artifacts: ranges of blobs over its HTTPS, known by its ledger
//! identity (PROTOCOL §7).

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use std::ops::Range;
use trustmesh_client::{Client, Endpoint};
use trustmesh_data::artifacts::{Pieces, Source};
use trustmesh_types::{Digest, PublicKey, SecretKey, contents::BlobEntry, records::NodeInfo};

/// A node that may hold an artifact.
pub struct Peer {
    client: Client,
    key: SecretKey,
    endpoint: Endpoint,
    name: String,
}

impl Peer {
    /// The node of a description, asked in the name of `key`.
    #[must_use]
    pub fn new(client: &Client, key: &SecretKey, info: &NodeInfo) -> Self {
        Self {
            client: client.clone(),
            key: key.clone(),
            endpoint: Endpoint::of_node(info),
            name: format!("{} ({})", info.name, PublicKey::short(&info.key)),
        }
    }
}

impl Source for Peer {
    fn name(&self) -> &str {
        &self.name
    }

    fn contents(&self, digest: Digest) -> BoxFuture<'_, Result<Option<Bytes>, String>> {
        async move {
            let asked = self.client.artifact_contents(&self.key, &self.endpoint, digest).await;
            asked.map(|bytes| Some(bytes.into()))
        }
        .boxed()
    }

    fn blob<'a>(
        &'a self,
        contents: Digest,
        blob: &'a BlobEntry,
        range: Range<u64>,
    ) -> BoxFuture<'a, Result<Pieces, String>> {
        let named = (contents, blob.digest);
        self.client.artifact_range(&self.key, &self.endpoint, named, range).boxed()
    }
}
