//! Blobs and manifests put into a registry, by one request with all bytes ("Pushing a blob
//! monolithically": POST, then PUT).
//!
//! Invariants: what is there is not sent again; a blob whose bytes are not those of its digest is
//! never sent to its end, so that the registry can't have it; a registry that takes a manifest
//! under another digest is caught.

use super::{
    error::OciError,
    reference::{Repository, Tag},
    registry::Registry,
    transport::{Action, Call, TRIES_MAX, is_later},
};
use crate::artifacts::image::MANIFEST_BYTES_MAX;
use bytes::Bytes;
use futures::{Stream, stream};
use reqwest::{
    Body, Method, StatusCode, Url,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION},
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{fs::File, io::AsyncReadExt as _, time::sleep};
use trustmesh_types::{Digest, digest::Hasher};

/// Bytes that are read and sent at once.
const PIECE_BYTES: usize = 256 * 1024;
/// Where a registry says what it made of a manifest.
const TAKEN_AS: HeaderName = HeaderName::from_static("docker-content-digest");

/// Where the bytes of a blob are.
#[derive(Clone, Debug)]
pub enum Upload<'a> {
    /// In memory.
    Bytes(Bytes),
    /// In a file, which is read piece by piece.
    File(&'a Path),
}

/// What became of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It was there.
    Present,
    /// It was sent.
    Sent,
}

/// A blob that can be read from its beginning as often as needed.
#[derive(Clone)]
struct Supply {
    digest: Digest,
    bytes: u64,
    place: Place,
    /// The bytes turned out to be others.
    wrong: Arc<AtomicBool>,
}

#[derive(Clone)]
enum Place {
    Memory(Bytes),
    File(PathBuf),
}

impl Registry {
    /// Puts a blob there, unless it is.
    ///
    /// # Errors
    /// [`OciError::Unfit`] when the bytes are not those of the digest; else what the registry
    /// says.
    pub async fn push_blob(
        &self,
        repository: &Repository,
        digest: Digest,
        blob: Upload<'_>,
    ) -> Result<Pushed, OciError> {
        let supply = Supply::new(digest, blob).await?;
        if self.has_blob(repository, digest).await? {
            return Ok(Pushed::Present);
        }
        let mut tries = 1;
        loop {
            let sent = self.send(repository, &supply).await;
            if supply.wrong.load(Ordering::Relaxed) {
                return Err(supply.unfit("its bytes have another digest or length"));
            }
            match sent {
                Ok(()) => return Ok(Pushed::Sent),
                Err(error) if tries >= TRIES_MAX || !is_passing(&error) => return Err(error),
                Err(_) => {}
            }
            sleep(self.0.limits.retry.saturating_mul(1 << (tries - 1))).await;
            tries += 1;
        }
    }

    /// One upload, from its beginning.
    async fn send(&self, repository: &Repository, supply: &Supply) -> Result<(), OciError> {
        let what = format!("a place for blob sha256:{}", supply.digest);
        let begin = self.url(repository, "blobs/uploads/")?;
        let empty = HeaderValue::from_static("0");
        let call = Call::new(Method::POST, begin, (repository, Action::Push), &what)
            .header(CONTENT_LENGTH, empty);
        let answer = self.exchange(&call).await?;
        if answer.status != StatusCode::ACCEPTED {
            return Err(self.refused(&what, answer).await);
        }
        let to = answer.headers.get(LOCATION).and_then(|it| it.to_str().ok());
        let to = to.ok_or_else(|| self.malformed(&what, "it names no address for it"))?;
        let mut url: Url = self.onward(&answer.url, to, &what)?;
        url.query_pairs_mut().append_pair("digest", &format!("sha256:{}", supply.digest));
        drop(answer);

        let what = format!("to take blob sha256:{}", supply.digest);
        let body = || Body::wrap_stream(supply.stream());
        let mut call = Call::new(Method::PUT, url, (repository, Action::Push), &what)
            .header(CONTENT_LENGTH, HeaderValue::from(supply.bytes))
            .header(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        call.body = Some(&body);
        call.body_bytes = supply.bytes;
        // An upload that failed is begun anew.
        call.tries_max = 1;
        let answer = self.exchange(&call).await?;
        match answer.status {
            StatusCode::CREATED => Ok(()),
            _ => Err(self.refused(&what, answer).await),
        }
    }

    /// Puts a manifest there, under a tag when one is named, else under its digest alone.
    ///
    /// # Errors
    /// [`OciError::Unfit`] when it is too large; else what the registry says.
    pub async fn push_manifest(
        &self,
        repository: &Repository,
        media_type: &str,
        bytes: Bytes,
        tag: Option<&Tag>,
    ) -> Result<Digest, OciError> {
        let digest = Digest::of(&bytes);
        let unfit = |why: &str| OciError::Unfit {
            what: format!("manifest sha256:{digest}"),
            why: why.to_owned(),
        };
        if bytes.len() as u64 > MANIFEST_BYTES_MAX {
            return Err(unfit("it is larger than 4 MiB"));
        }
        let kind = HeaderValue::from_str(media_type);
        let kind = kind.map_err(|_| unfit("its media type is none"))?;
        let name = tag.map_or_else(|| format!("sha256:{digest}"), Tag::to_string);
        let what = format!("to take manifest {name}");
        let url = self.url(repository, &format!("manifests/{name}"))?;
        let length = bytes.len() as u64;
        let body = move || Body::from(bytes.clone());
        let mut call = Call::new(Method::PUT, url, (repository, Action::Push), &what)
            .header(CONTENT_TYPE, kind);
        call.body = Some(&body);
        call.body_bytes = length;
        let answer = self.exchange(&call).await?;
        if answer.status != StatusCode::CREATED {
            return Err(self.refused(&what, answer).await);
        }
        let taken = answer.headers.get(TAKEN_AS).and_then(|it| it.to_str().ok());
        if taken.is_some_and(|it| it != format!("sha256:{digest}")) {
            return Err(self.malformed(&what, "it took it under another digest"));
        }
        Ok(digest)
    }
}

/// Whether an upload may go better another time.
fn is_passing(error: &OciError) -> bool {
    match error {
        OciError::Unreachable { .. } | OciError::Slow { .. } => true,
        OciError::Refused { status, .. } => {
            // A lost upload (404) is one that a registry forgot when it started again.
            StatusCode::from_u16(*status).is_ok_and(|it| is_later(it) || it == 404)
        }
        _ => false,
    }
}

impl Supply {
    async fn new(digest: Digest, blob: Upload<'_>) -> Result<Self, OciError> {
        let wrong = Arc::new(AtomicBool::new(false));
        match blob {
            Upload::Bytes(bytes) => {
                let length = bytes.len() as u64;
                let supply = Self { digest, bytes: length, place: Place::Memory(bytes), wrong };
                Ok(supply)
            }
            Upload::File(path) => {
                let failed = |error: io::Error| OciError::File {
                    path: path.to_owned(),
                    why: format!("can't read it: {error}"),
                };
                let bytes = tokio::fs::metadata(path).await.map_err(failed)?.len();
                Ok(Self { digest, bytes, place: Place::File(path.to_owned()), wrong })
            }
        }
    }

    fn unfit(&self, why: &str) -> OciError {
        let what = match &self.place {
            Place::Memory(_) => format!("blob sha256:{}", self.digest),
            Place::File(path) => format!("{} as blob sha256:{}", path.display(), self.digest),
        };
        OciError::Unfit { what, why: why.to_owned() }
    }

    /// The bytes from their beginning. The last piece comes when length and digest are right.
    fn stream(&self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let supply = self.clone();
        let state = (supply, None::<File>, 0_u64, Hasher::default());
        stream::try_unfold(state, |(supply, mut file, at, mut hasher)| async move {
            if at >= supply.bytes {
                return Ok(None);
            }
            let left = supply.bytes.saturating_sub(at);
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES);
            let piece = match &supply.place {
                Place::Memory(bytes) => {
                    let from = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                    bytes.slice(from..bytes.len().min(from.saturating_add(wanted)))
                }
                Place::File(path) => {
                    let mut open = match file.take() {
                        Some(file) => file,
                        None => File::open(path).await?,
                    };
                    let mut piece = vec![0; wanted];
                    let read = open.read_exact(&mut piece).await;
                    read.inspect_err(|_| supply.wrong.store(true, Ordering::Relaxed))?;
                    file = Some(open);
                    Bytes::from(piece)
                }
            };
            hasher.update(&piece);
            let at = at.saturating_add(piece.len() as u64);
            if at == supply.bytes && hasher.clone().finish() != supply.digest {
                supply.wrong.store(true, Ordering::Relaxed);
                return Err(io::Error::other("another digest"));
            }
            Ok(Some((piece, (supply, file, at, hasher))))
        })
    }
}
