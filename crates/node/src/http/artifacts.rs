//! Artifacts: uploads by publishers, chunk by chunk, until f+1 validators hold them; and bytes
//! for members that fetch them.
//!
//! Invariants: nothing of a body is kept before its signer is known to publish and its bytes
//! fit the digests that were named first; bytes are served to members alone, by range, and are
//! never held whole.

use super::{app::Shared, body, extract::Asked, identity, refusal::Refusal};
use axum::{
    Json,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures::stream;
use std::{collections::BTreeMap, ops::Range};
use tokio::task::spawn_blocking;
use trustmesh_agent::{Answer, Obtain};
use trustmesh_api::{
    AppLog, AppLogQuery, ArtifactReceipts, ArtifactStatus, ErrorCode, Problem, PublishArtifact,
    limits,
};
use trustmesh_data::artifacts::{ArtifactError, ArtifactStore};
use trustmesh_types::{
    AppId, Contents, Digest,
    contents::{BlobEntry, CHUNK_BYTES},
    limits::CONTENTS_BYTES_MAX,
    reject::RejectCode,
};

const CONTENT_TYPES: [&str; 1] = ["application/octet-stream"];
/// Lines of a log when a query names no number.
const LOG_LINES_DEFAULT: u32 = 100;

/// A publisher's body, its signature checked.
async fn published(
    http: &Shared,
    request: Request,
    bytes_max: usize,
    types: &[&str],
) -> Result<body::ReadBody, Refusal> {
    let (parts, sent): (_, Body) = request.into_parts();
    let claimed = identity::claimed(&parts.headers)?;
    // Before the body is read; the signature over it is checked after.
    identity::check_publisher(http, &claimed.key)?;
    let read = if types.is_empty() {
        body::read_any(http, &parts.headers, sent, bytes_max).await?
    } else {
        body::read(http, &parts.headers, sent, types, bytes_max).await?
    };
    identity::signer(http, &claimed, &parts.method, &parts.uri, &read.bytes)?;
    Ok(read)
}

/// Work on the disk.
async fn on_disk<T: Send + 'static>(
    http: &Shared,
    work: impl FnOnce(ArtifactStore) -> Result<T, ArtifactError> + Send + 'static,
) -> Result<T, Refusal> {
    let store = http.app.apps.store().clone();
    match spawn_blocking(move || work(store)).await {
        Ok(done) => done.map_err(refuse),
        Err(error) => Err(Refusal::new(ErrorCode::Internal, format!("not done: {error}"))),
    }
}

fn refuse(error: ArtifactError) -> Refusal {
    let code = match &error {
        ArtifactError::Missing { .. } => ErrorCode::NotFound,
        ArtifactError::Full { .. } | ArtifactError::Damaged { .. } => ErrorCode::Unavailable,
        ArtifactError::Io { .. } | ArtifactError::NoSource { .. } => ErrorCode::Internal,
        _ => ErrorCode::Invalid,
    };
    if code == ErrorCode::Internal {
        tracing::error!(%error, "an artifact");
    }
    Refusal::new(code, error.to_string())
}

pub(super) async fn begin(
    State(http): State<Shared>,
    request: Request,
) -> Result<Json<ArtifactStatus>, Refusal> {
    let read = published(&http, request, CONTENTS_BYTES_MAX, &CONTENT_TYPES).await?;
    let contents = Contents::decode(&read.bytes)
        .map_err(|error| Refusal::new(ErrorCode::Invalid, error.to_string()))?;
    let missing = on_disk(&http, move |store| {
        store.begin(&contents)?;
        let lacks = |entry: &BlobEntry| (entry.digest, store.missing(&entry.digest));
        let all = contents.blobs().iter().map(lacks);
        Ok(all.filter(|(_, missing)| !missing.is_empty()).collect())
    });
    Ok(Json(ArtifactStatus { missing: missing.await? }))
}

fn entry(
    store: &ArtifactStore,
    (contents, blob): (Digest, Digest),
) -> Result<BlobEntry, ArtifactError> {
    let of = store.contents(&contents);
    let of = of.ok_or(ArtifactError::Missing { what: "artifact", digest: contents })?;
    let entry = of.blob(&blob).cloned();
    entry.ok_or(ArtifactError::Missing { what: "blob", digest: blob })
}

pub(super) async fn chunks(
    State(http): State<Shared>,
    Path((contents, blob, first)): Path<(Digest, Digest, u64)>,
    request: Request,
) -> Result<Json<ArtifactStatus>, Refusal> {
    let read = published(&http, request, limits::CHUNKS_BODY_BYTES_MAX, &CONTENT_TYPES).await?;
    let bytes = read.bytes.clone();
    let missing = on_disk(&http, move |store| {
        let entry = entry(&store, (contents, blob))?;
        let chunk_bytes = usize::try_from(CHUNK_BYTES).unwrap_or(usize::MAX);
        for (index, chunk) in (first..).zip(bytes.chunks(chunk_bytes)) {
            store.put_chunk(&entry, index, chunk)?;
        }
        Ok(store.missing(&blob))
    });
    let missing = missing.await?;
    let left = (!missing.is_empty()).then_some((blob, missing));
    Ok(Json(ArtifactStatus { missing: left.into_iter().collect::<BTreeMap<_, _>>() }))
}

pub(super) async fn publish(
    State(http): State<Shared>,
    Path(contents): Path<Digest>,
    request: Request,
) -> Result<Json<ArtifactReceipts>, Refusal> {
    let types = ["application/json"];
    let read = published(&http, request, limits::JSON_BODY_BYTES_MAX, &types).await?;
    let asked: PublishArtifact = serde_json::from_slice(&read.bytes)
        .map_err(|e| Refusal::new(ErrorCode::BadJson, format!("the body: {e}")))?;
    let missing = ArtifactError::Missing { what: "artifact", digest: contents };
    let of = http.app.apps.store().contents(&contents).ok_or_else(|| refuse(missing))?;
    let (bytes, registry) = (of.bytes(), asked.registry);
    let sources = Vec::new();
    let wanted = Obtain { contents, whole: true, bytes, sources, registry: registry.clone() };
    http.app.apps.obtain(wanted).await.map_err(|why| {
        Refusal::new(ErrorCode::Invalid, format!("{why}; upload what is missing first"))
    })?;
    http.app.apps.check(&of).await.map_err(|why| {
        Refusal::new(ErrorCode::Invalid, format!("the artifact can't be run: {why}"))
    })?;
    match http.app.control.publish(contents, bytes, registry).await {
        Answer::Published(receipts) => Ok(Json(ArtifactReceipts { contents, bytes, receipts })),
        answer => Err(refused(answer)),
    }
}

/// What an agent's answer means that is not the one hoped for.
pub(super) fn refused(answer: Answer) -> Refusal {
    match answer {
        Answer::Refused(rejection) if rejection.code == RejectCode::TooManyRequests => {
            Problem::from(rejection).with("retry_after_ms", 1_000_u64).into()
        }
        Answer::Refused(rejection) => Problem::from(rejection).into(),
        Answer::Unavailable(reason) => {
            let problem = Problem::new(ErrorCode::Unavailable, reason);
            problem.with("retry_after_ms", 1_000_u64).into()
        }
        Answer::Accepted(_) | Answer::Published(_) => {
            tracing::error!("the agent answered another question");
            Refusal::new(ErrorCode::Internal, "the node answered another question")
        }
    }
}

/// That a request without a body is by a node or an operator.
fn by_member(http: &Shared, request: &Request) -> Result<(), Refusal> {
    let claimed = identity::claimed(request.headers())?;
    identity::check_keeper(http, &claimed.key)?;
    identity::signer(http, &claimed, request.method(), request.uri(), &[]).map(drop)
}

pub(super) async fn contents(
    State(http): State<Shared>,
    Path(contents): Path<Digest>,
    request: Request,
) -> Result<Response, Refusal> {
    by_member(&http, &request)?;
    let missing = ArtifactError::Missing { what: "artifact", digest: contents };
    let found = http.app.apps.store().contents(&contents).ok_or_else(|| refuse(missing))?;
    Ok(found.encode().into_response())
}

pub(super) async fn blob(
    State(http): State<Shared>,
    Path((contents, blob)): Path<(Digest, Digest)>,
    request: Request,
) -> Result<Response, Refusal> {
    by_member(&http, &request)?;
    let store = http.app.apps.store().clone();
    let entry = entry(&store, (contents, blob)).map_err(refuse)?;
    store.path(&blob).map_err(refuse)?;
    let range = asked_range(request.headers(), entry.bytes)?;
    let named = format!("bytes {}-{}/{}", range.start, range.end - 1, entry.bytes);
    let length = range.end - range.start;
    let pieces = stream::unfold((store, range), move |(store, left)| async move {
        if left.is_empty() {
            return None;
        }
        let end = left.start.saturating_add(CHUNK_BYTES).min(left.end);
        let (from, rest) = (left.start, end..left.end);
        let reading = store.clone();
        let read = spawn_blocking(move || reading.read(&blob, from..end)).await;
        let piece: Result<Bytes, std::io::Error> = match read {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) => Err(std::io::Error::other(error)),
            Err(error) => Err(std::io::Error::other(error)),
        };
        Some((piece, (store, rest)))
    });
    let head = [
        (header::CONTENT_RANGE, named),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
    ];
    Ok((StatusCode::PARTIAL_CONTENT, head, Body::from_stream(pieces)).into_response())
}

/// The range that is asked for (RFC 9110, section 14): one, with both ends, of a bounded length.
fn asked_range(headers: &HeaderMap, bytes: u64) -> Result<Range<u64>, Refusal> {
    let given = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let read = |text: &str| -> Option<Range<u64>> {
        let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        let range = first..last.checked_add(1)?.min(bytes);
        (!range.is_empty()).then_some(range)
    };
    let range = given.and_then(read).ok_or_else(|| {
        let what = format!("ask for a range of the blob's {bytes} bytes, as in bytes=0-1048575");
        Refusal::parameter("`Range`", what)
    })?;
    if range.end - range.start > limits::BLOB_RANGE_BYTES_MAX {
        let most = limits::BLOB_RANGE_BYTES_MAX;
        return Err(Refusal::parameter("`Range`", format!("at most {most} bytes at once")));
    }
    Ok(range)
}

pub(super) async fn log(
    State(http): State<Shared>,
    Path(id): Path<AppId>,
    Asked(query): Asked<AppLogQuery>,
    request: Request,
) -> Result<Json<AppLog>, Refusal> {
    let claimed = identity::claimed(request.headers())?;
    identity::check_operator(&http, &claimed.key)?;
    identity::signer(&http, &claimed, request.method(), request.uri(), &[])?;
    let found = http.app.consensus.state().app(&id);
    let record = found.ok_or_else(|| Refusal::missing(format!("application {id}")))?;
    let lines = query.lines.unwrap_or(LOG_LINES_DEFAULT);
    let lines = usize::try_from(lines).unwrap_or(usize::MAX);
    let text = http.app.apps.log(&record.manifest, lines).await;
    Ok(Json(AppLog { text }))
}
