//! Uploads of artifacts by operators: answered with the receipts of f+1 validators.
//!
//! Invariant: an artifact that this node can't run is refused before anybody signs for it.

use super::{app::Shared, body, identity, refusal::Refusal};
use axum::{
    Json,
    body::Body,
    extract::{Request, State},
};
use bytes::Bytes;
use trustmesh_agent::Answer;
use trustmesh_api::{ArtifactReceipts, ErrorCode, Problem, limits};
use trustmesh_types::{Digest, reject::RejectCode};

const CONTENT_TYPES: [&str; 2] = ["application/octet-stream", "application/wasm"];

pub(super) async fn publish(
    State(http): State<Shared>,
    request: Request,
) -> Result<Json<ArtifactReceipts>, Refusal> {
    let (parts, sent): (_, Body) = request.into_parts();
    let claimed = identity::claimed(&parts.headers)?;
    // Before the body is read; the signature over it is checked after.
    identity::check_publisher(&http, &claimed.key)?;
    let bytes_max = limits::ARTIFACT_BODY_BYTES_MAX;
    let read = body::read(&http, &parts.headers, sent, &CONTENT_TYPES, bytes_max).await?;
    identity::signer(&http, &claimed, &parts.method, &parts.uri, &read.bytes)?;
    if read.bytes.is_empty() {
        return Err(Refusal::new(ErrorCode::Invalid, "the artifact is empty: send its bytes"));
    }
    let (artifact, bytes) = (Digest::of(&read.bytes), read.bytes.len() as u64);
    check_runs(&http, artifact, read.bytes.clone()).await?;
    match http.app.control.publish(read.bytes.as_ref().into()).await {
        Answer::Published(receipts) => Ok(Json(ArtifactReceipts { artifact, bytes, receipts })),
        answer => Err(refused(answer)),
    }
}

/// That the artifact is a module that runs here. It is compiled for that, one at a time and
/// off the async threads, and stays compiled: the deployment that follows finds it ready.
async fn check_runs(http: &Shared, artifact: Digest, bytes: Bytes) -> Result<(), Refusal> {
    http.app.runner.load(artifact, bytes).await.map_err(|error| {
        if error.blames_application() {
            return Refusal::new(ErrorCode::Invalid, format!("the artifact can't be run: {error}"));
        }
        tracing::error!(%artifact, %error, "an artifact can't be checked");
        Refusal::new(ErrorCode::Internal, "this node can't check the artifact: ask another one")
    })
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
