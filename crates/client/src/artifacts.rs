//! Artifacts to a node and from a node: a publisher's upload, chunk by chunk and only what the
//! node lacks, and ranges of blobs for whoever fetches them.
//!
//! One upload goes to one node; when that fails the next one is tried, and a node goes on where
//! an upload stopped. What a node serves is not believed here: its chunks are checked by whoever
//! asked.

use crate::{
    client::{Client, passes},
    error::{Attempt, ClientError},
    http::{Call, Connection},
    operator::Operator,
    outside,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::Method;
use std::{ops::Range, time::Duration};
use trustmesh_api::{
    AppLog, ArtifactReceipts, ArtifactStatus, PublishArtifact, auth, limits, paths,
};
use trustmesh_types::{
    AppId, Contents, Digest, PublicKey, SecretKey, contents::BlobEntry, request::StorageReceipt,
};

/// For one run of chunks.
const RUN_TIMEOUT: Duration = Duration::from_secs(60);
/// For f+1 validators to hold an artifact, beside a second for each MiB.
const HELD_TIMEOUT: Duration = Duration::from_secs(60);
/// Runs of chunks under way at once.
const LANES: usize = 4;

/// Reads a range of a blob.
pub type ReadBlob<'a> = dyn Fn(&BlobEntry, Range<u64>) -> Result<Vec<u8>, String> + Sync + 'a;

/// What is uploaded.
pub struct Upload<'a> {
    /// What belongs to it.
    pub contents: &'a Contents,
    /// A repository of an OCI registry that has it, too: nodes may take it from there.
    pub registry: Option<&'a str>,
    /// Reads a range of a blob.
    pub read: &'a ReadBlob<'a>,
    /// Told of bytes that a node has taken, and of all that it lacked.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
}

/// A signed call.
pub(crate) fn signed(
    client: &Client,
    key: &SecretKey,
    method: Method,
    target: String,
    body: Vec<u8>,
) -> Call {
    let call = auth::Call { method: method.as_str(), target: &target, body: &body };
    let headers = call.sign(key, &client.network(), outside::now_ms()).pairs().into();
    let content_type = (!body.is_empty()).then_some("application/octet-stream");
    Call { method, headers, body, content_type, ..client.call_get(target) }
}

impl Operator {
    /// Uploads an artifact until f+1 validators hold it, and gives their receipts.
    ///
    /// # Errors
    /// [`ClientError`]; also when a receipt is for something else or not signed.
    pub async fn upload(&self, upload: &Upload<'_>) -> Result<Vec<StorageReceipt>, ClientError> {
        let mut tried = Vec::new();
        for connection in self.client().connections() {
            match self.upload_to(&connection, upload).await {
                Ok(receipts) => return Ok(receipts),
                Err(ClientError::Unreachable { tried: here }) => tried.extend(here),
                Err(ClientError::Refused { address, problem }) if passes(problem.code) => {
                    tried.push(Attempt { address, reason: problem.detail });
                }
                Err(error) => return Err(error),
            }
        }
        Err(ClientError::Unreachable { tried })
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        connection: &Connection,
        call: Call,
    ) -> Result<T, ClientError> {
        let answer = self.client().send_to(connection, &call).await?;
        answer.map_err(|problem| ClientError::Refused {
            address: connection.endpoint.address.clone(),
            problem: Box::new(problem),
        })
    }

    fn signed(&self, method: Method, target: String, body: Vec<u8>) -> Call {
        signed(self.client(), self.key(), method, target, body)
    }

    async fn upload_to(
        &self,
        connection: &Connection,
        upload: &Upload<'_>,
    ) -> Result<Vec<StorageReceipt>, ClientError> {
        let of = upload.contents;
        let begin = self.signed(Method::POST, paths::ARTIFACTS.to_owned(), of.encode());
        let status: ArtifactStatus = self.ask(connection, begin).await?;
        let missing = runs(of, &status);
        let total = missing.iter().fold(0, |sum, (_, _, range)| sum + (range.end - range.start));
        let lanes = stream::iter(missing).map(|(entry, first, range)| async move {
            let bytes = range.end - range.start;
            let body = (upload.read)(entry, range).map_err(|what| ClientError::Local { what })?;
            let target = paths::artifact_chunks(&of.digest(), &entry.digest, first);
            let call = Call { timeout: RUN_TIMEOUT, ..self.signed(Method::PUT, target, body) };
            let _: ArtifactStatus = self.ask(connection, call).await?;
            Ok::<u64, ClientError>(bytes)
        });
        let mut taken = 0;
        let mut lanes = lanes.buffer_unordered(LANES);
        while let Some(bytes) = lanes.try_next().await? {
            taken += bytes;
            (upload.progress)(taken, total);
        }
        self.receipts(connection, upload).await
    }

    async fn receipts(
        &self,
        connection: &Connection,
        upload: &Upload<'_>,
    ) -> Result<Vec<StorageReceipt>, ClientError> {
        let network = self.client().network();
        let (contents, bytes) = (upload.contents.digest(), upload.contents.bytes());
        let asked = PublishArtifact { registry: upload.registry.map(str::to_owned) };
        let body = serde_json::to_vec(&asked)
            .map_err(|e| ClientError::Local { what: format!("no JSON form: {e}") })?;
        let call = self.signed(Method::POST, paths::artifact_receipts(&contents), body);
        let call = Call { content_type: Some("application/json"), ..call };
        let timeout = HELD_TIMEOUT + Duration::from_secs(bytes >> 20);
        let answer: ArtifactReceipts = self.ask(connection, Call { timeout, ..call }).await?;
        let good = |r: &StorageReceipt| {
            r.digest == contents
                && r.subject == contents
                && r.bytes == bytes
                && r.verify(&network).is_ok()
        };
        if answer.contents == contents && answer.receipts.iter().all(good) {
            return Ok(answer.receipts);
        }
        Err(ClientError::BadAnswer {
            address: connection.endpoint.address.clone(),
            reason: "its storage receipts are not for the artifact that was sent".to_owned(),
        })
    }
}

impl Operator {
    /// The end of an application's log on a node.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn app_log(
        &self,
        node: &PublicKey,
        app: &AppId,
        lines: u32,
    ) -> Result<AppLog, ClientError> {
        let connection = self.client().connection_to(node).await?;
        let target = format!("{}?lines={lines}", paths::app_log(app));
        self.ask(&connection, self.signed(Method::GET, target, Vec::new())).await
    }
}

/// What a node lacks, in runs that fit one call: blob, first chunk, range of bytes.
fn runs<'a>(
    contents: &'a Contents,
    status: &ArtifactStatus,
) -> Vec<(&'a BlobEntry, u64, Range<u64>)> {
    let mut runs = Vec::new();
    for (blob, missing) in &status.missing {
        let Some(entry) = contents.blob(blob) else { continue };
        let mut open: Option<(u64, Range<u64>)> = None;
        for index in missing {
            let Some((range, _)) = entry.chunk(*index) else { continue };
            open = match open.take() {
                Some((first, run))
                    if run.end == range.start && index - first < limits::CHUNKS_PER_PUT_MAX =>
                {
                    Some((first, run.start..range.end))
                }
                other => {
                    runs.extend(other.map(|(first, run)| (entry, first, run)));
                    Some((*index, range))
                }
            };
        }
        runs.extend(open.map(|(first, run)| (entry, first, run)));
    }
    runs
}

impl Client {
    /// Encoded contents of an artifact, as a node has them; not checked.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub async fn artifact_contents(
        &self,
        key: &SecretKey,
        node: &crate::Endpoint,
        contents: Digest,
    ) -> Result<Vec<u8>, String> {
        let target = paths::entry(paths::ARTIFACTS, contents);
        let connection = self.link(node).map_err(|e| e.to_string())?;
        let call = signed(self, key, Method::GET, target, Vec::new());
        let mut pieces = connection.stream(&call, None).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = pieces.next().await {
            bytes.extend_from_slice(&piece?);
            if bytes.len() > trustmesh_types::limits::CONTENTS_BYTES_MAX {
                return Err("its contents are too long".to_owned());
            }
        }
        Ok(bytes)
    }

    /// A range of a blob of an artifact, as a node serves it; not checked.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub async fn artifact_range(
        &self,
        key: &SecretKey,
        node: &crate::Endpoint,
        (contents, blob): (Digest, Digest),
        range: Range<u64>,
    ) -> Result<stream::BoxStream<'static, Result<bytes::Bytes, String>>, String> {
        let target = paths::artifact_blob(&contents, &blob);
        let connection = self.link(node).map_err(|e| e.to_string())?;
        let call = signed(self, key, Method::GET, target, Vec::new());
        connection.stream(&call, Some(range)).await
    }
}
