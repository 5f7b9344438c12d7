//! Blobs: ranges of them, and whole ones.
//!
//! Invariants: no byte outside of the range that was asked for is given out; a range that breaks
//! off goes on where it did, a bounded number of times; what is called whole has its digest. A
//! range can't be checked against a blob's digest: who asks for one checks it (chunks of an
//! artifact have digests of their own).

use super::{
    body::{Flow, Stop},
    error::OciError,
    reference::Repository,
    registry::Registry,
    transport::{Action, Answer, Call},
};
use crate::artifacts::image::MANIFEST_BYTES_MAX;
use bytes::{Bytes, BytesMut};
use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use reqwest::{
    Method, StatusCode,
    header::{CONTENT_RANGE, HeaderMap, HeaderValue, RANGE},
};
use std::ops::Range;
use tokio::time::sleep;
use trustmesh_types::{Digest, digest::Hasher};

/// How often a range goes on after it broke off.
const RESUMES_MAX: u32 = 3;

/// Bytes of a blob in order, in pieces of any size.
pub type BlobPieces = BoxStream<'static, Result<Bytes, OciError>>;

/// A range on its way.
struct Fetching {
    registry: Registry,
    repository: Repository,
    digest: Digest,
    what: String,
    /// What is left of it.
    left: Range<u64>,
    /// Bytes that come before it and were not asked for.
    skip: u64,
    flow: Option<Flow>,
    resumes: u32,
}

impl Registry {
    /// Whether a blob is there.
    ///
    /// # Errors
    /// [`OciError`] when the registry does not say.
    pub async fn has_blob(
        &self,
        repository: &Repository,
        digest: Digest,
    ) -> Result<bool, OciError> {
        self.has(repository, "blobs", digest).await
    }

    /// A range of a blob, not checked. A manifest can be asked for too.
    ///
    /// # Errors
    /// [`OciError`] at once when it is not there or the registry does not answer, in the stream
    /// when it breaks off.
    pub async fn blob(
        &self,
        repository: &Repository,
        digest: Digest,
        range: Range<u64>,
    ) -> Result<BlobPieces, OciError> {
        if range.is_empty() {
            return Ok(stream::empty().boxed());
        }
        let mut fetching = Fetching {
            registry: self.clone(),
            repository: repository.clone(),
            digest,
            what: format!("blob sha256:{digest}"),
            left: range.clone(),
            skip: 0,
            flow: None,
            resumes: 0,
        };
        match fetching.open().await {
            Ok(()) => Ok(stream::try_unfold(fetching, Fetching::next).boxed()),
            Err(missing @ OciError::NotFound { .. }) => {
                let bytes = match self.manifest(repository, digest).await {
                    Ok(bytes) => bytes,
                    Err(OciError::NotFound { .. }) => return Err(missing),
                    Err(error) => return Err(error),
                };
                let piece = cut(&bytes, &range)
                    .ok_or_else(|| self.short(&fetching.what, range.end, bytes.len() as u64))?;
                Ok(stream::once(async { Ok(piece) }).boxed())
            }
            Err(error) => Err(error),
        }
    }

    /// A whole blob of a known length. Its last piece comes when the digest is right.
    ///
    /// # Errors
    /// As [`Self::blob`]; [`OciError::WrongDigest`] in the stream.
    pub async fn whole_blob(
        &self,
        repository: &Repository,
        digest: Digest,
        bytes: u64,
    ) -> Result<BlobPieces, OciError> {
        let pieces = self.blob(repository, digest, 0..bytes).await?;
        let (registry, what) = (self.clone(), format!("blob sha256:{digest}"));
        let state = Some((pieces, Hasher::default(), Bytes::new()));
        let next = move |state: Option<(BlobPieces, Hasher, Bytes)>| {
            let (registry, what) = (registry.clone(), what.clone());
            async move {
                let Some((mut pieces, mut hasher, held)) = state else { return Ok(None) };
                if let Some(piece) = pieces.try_next().await? {
                    hasher.update(&piece);
                    return Ok(Some((held, Some((pieces, hasher, piece)))));
                }
                let got = hasher.finish();
                if got != digest {
                    return Err(registry.wrong_digest(&what, got));
                }
                Ok(Some((held, None)))
            }
        };
        let full = |piece: &Bytes| std::future::ready(!piece.is_empty());
        Ok(stream::try_unfold(state, next).try_filter(full).boxed())
    }

    /// A whole blob of a known, small length, in memory.
    ///
    /// # Errors
    /// As [`Self::whole_blob`]; [`OciError::TooLarge`] above the size of a manifest.
    pub async fn small_blob(
        &self,
        repository: &Repository,
        digest: Digest,
        bytes: u64,
    ) -> Result<Bytes, OciError> {
        if bytes > MANIFEST_BYTES_MAX {
            return Err(OciError::TooLarge {
                registry: self.host(),
                what: format!("blob sha256:{digest}"),
                bytes_max: MANIFEST_BYTES_MAX,
            });
        }
        let mut pieces = self.whole_blob(repository, digest, bytes).await?;
        let mut all = BytesMut::new();
        while let Some(piece) = pieces.try_next().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }

    /// Whether something is there under its digest.
    pub(super) async fn has(
        &self,
        repository: &Repository,
        kind: &str,
        digest: Digest,
    ) -> Result<bool, OciError> {
        let what = format!("whether it has sha256:{digest}");
        let url = self.url(repository, &format!("{kind}/sha256:{digest}"))?;
        let mut call = Call::new(Method::HEAD, url, (repository, Action::Pull), &what);
        if kind == "manifests" {
            call = call.accepting_manifests();
        }
        let answer = self.exchange(&call).await?;
        match answer.status {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(self.refused(&what, answer).await),
        }
    }

    fn short(&self, what: &str, expected: u64, got: u64) -> OciError {
        OciError::Short { registry: self.host(), what: what.to_owned(), expected, got }
    }
}

impl Fetching {
    /// Asks for what is left.
    async fn open(&mut self) -> Result<(), OciError> {
        let (registry, what) = (self.registry.clone(), self.what.clone());
        let url = registry.url(&self.repository, &format!("blobs/sha256:{}", self.digest))?;
        // A range of HTTP names its last byte (RFC 9110, section 14.1.2).
        let last = self.left.end.saturating_sub(1);
        let asked = HeaderValue::from_str(&format!("bytes={}-{last}", self.left.start));
        let asked = asked.map_err(|error| registry.malformed(&what, error.to_string()))?;
        let call = Call::new(Method::GET, url, (&self.repository, Action::Pull), &what);
        let mut answer = registry.exchange(&call.header(RANGE, asked)).await?;
        self.skip = match answer.status {
            StatusCode::PARTIAL_CONTENT => {
                self.check_range(&answer)?;
                0
            }
            StatusCode::OK => match answer.flow.announced() {
                Some(got) if got < self.left.end => {
                    return Err(registry.short(&what, self.left.end, got));
                }
                _ => self.left.start,
            },
            StatusCode::RANGE_NOT_SATISFIABLE => {
                return Err(registry.short(&what, self.left.end, self.left.start));
            }
            StatusCode::NOT_FOUND => return Err(registry.not_found(&self.repository, &what)),
            _ => return Err(registry.refused(&what, answer).await),
        };
        let length = self.left.end.saturating_sub(self.left.start);
        answer.flow.expect(length.saturating_add(self.skip));
        self.flow = Some(answer.flow);
        Ok(())
    }

    /// A part must begin where it was asked to, and not go beyond.
    fn check_range(&self, answer: &Answer) -> Result<(), OciError> {
        match content_range(&answer.headers) {
            Some(got) if got.start == self.left.start && got.end <= self.left.end => Ok(()),
            _ => {
                let why = "it answers with another range than was asked for";
                Err(self.registry.malformed(&self.what, why))
            }
        }
    }

    /// The next piece, and what is left after it.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, OciError> {
        while !self.left.is_empty() {
            let Some(flow) = &mut self.flow else {
                self.open().await?;
                continue;
            };
            match flow.next().await {
                Ok(Some(piece)) => {
                    if let Some(piece) = self.take(piece) {
                        return Ok(Some((piece, self)));
                    }
                }
                Ok(None) => {
                    let error = self.registry.short(&self.what, self.left.end, self.left.start);
                    self.resume(error).await?;
                }
                Err(stop @ (Stop::Silent(_) | Stop::Broken(_))) => {
                    let error = self.registry.stopped(&self.what, stop);
                    self.resume(error).await?;
                }
                Err(stop) => return Err(self.registry.stopped(&self.what, stop)),
            }
        }
        Ok(None)
    }

    /// What of a piece belongs to the range.
    fn take(&mut self, mut piece: Bytes) -> Option<Bytes> {
        let before = usize::try_from(self.skip).unwrap_or(usize::MAX).min(piece.len());
        drop(piece.split_to(before));
        self.skip = self.skip.saturating_sub(before as u64);
        let wanted = self.left.end.saturating_sub(self.left.start);
        piece.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
        self.left.start = self.left.start.saturating_add(piece.len() as u64);
        (!piece.is_empty()).then_some(piece)
    }

    /// Another try for what is left, when there may be one.
    async fn resume(&mut self, error: OciError) -> Result<(), OciError> {
        // The place among the requests goes with it.
        self.flow = None;
        if self.resumes >= RESUMES_MAX {
            return Err(error);
        }
        let wait = self.registry.0.limits.retry.saturating_mul(1 << self.resumes);
        self.resumes += 1;
        sleep(wait).await;
        Ok(())
    }
}

fn cut(bytes: &Bytes, range: &Range<u64>) -> Option<Bytes> {
    let (start, end) = (usize::try_from(range.start).ok()?, usize::try_from(range.end).ok()?);
    (end <= bytes.len()).then(|| bytes.slice(start..end))
}

/// The range that an answer has, its end excluded (RFC 9110, section 14.4).
fn content_range(headers: &HeaderMap) -> Option<Range<u64>> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    let (first, last) = text.split_once('/')?.0.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let end = last.checked_add(1)?;
    (first < end).then_some(first..end)
}
