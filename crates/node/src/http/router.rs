//! What is where.

use super::{
    app::Shared, artifacts, blocks, events, faults, health, members, middleware, parameters,
    placements, refusal::Refusal, requests, results, snapshot, transactions,
};
use axum::{
    Router,
    http::{Method, Uri},
    routing::{get, post, put},
};
use trustmesh_api::{ErrorCode, paths};

/// All paths of the API.
pub(super) fn router(http: Shared) -> Router {
    Router::new()
        .route(paths::REQUESTS, get(requests::requests).post(requests::submit))
        .route(paths::REQUEST, get(requests::request))
        .route(paths::REQUEST_RESULT, get(results::result))
        .route(paths::REQUEST_PLACEMENT, get(placements::placement))
        .route(paths::NODES, get(members::nodes))
        .route(paths::NODE, get(members::node))
        .route(paths::APPS, get(members::apps))
        .route(paths::APP, get(members::app))
        .route(paths::OPERATORS, get(members::operators))
        .route(paths::WORKFLOWS, get(members::workflows))
        .route(paths::WORKFLOW, get(members::workflow))
        .route(paths::DEVICES, get(members::devices))
        .route(paths::DEVICE, get(members::device))
        .route(paths::POLICIES, get(members::policies))
        .route(paths::POLICY, get(members::policy))
        .route(paths::APP_LOG, get(artifacts::log))
        .route(paths::ARTIFACTS, post(artifacts::begin))
        .route(paths::ARTIFACT, get(artifacts::contents))
        .route(paths::ARTIFACT_RECEIPTS, post(artifacts::publish))
        .route(paths::ARTIFACT_BLOB, get(artifacts::blob))
        .route(paths::ARTIFACT_CHUNKS, put(artifacts::chunks))
        .route(paths::TRANSACTIONS, post(transactions::submit))
        .route(paths::TRANSACTION, get(transactions::transaction))
        .route(paths::BLOCKS, get(blocks::blocks))
        .route(paths::BLOCK, get(blocks::block))
        .route(paths::RAW_HEADERS, get(blocks::raw_headers))
        .route(paths::BLOCK_HEADER, get(blocks::header))
        .route(paths::BLOCK_RECEIPTS, get(blocks::receipts))
        .route(paths::FAULTS, get(faults::faults))
        .route(paths::PARAMETERS, get(parameters::parameters))
        .route(paths::RAW_BLOCKS, get(blocks::raw_blocks))
        .route(paths::SNAPSHOT, get(snapshot::snapshot))
        .route(paths::COMMITTEES, get(health::committees))
        .route(paths::LEDGER_STATUS, get(health::ledger_status))
        .route(paths::GENESIS, get(health::genesis))
        .route(paths::EVENTS, get(events::events))
        .route(paths::HEALTHZ, get(health::healthz))
        .route(paths::READYZ, get(health::readyz))
        .route(paths::METRICS, get(health::metrics))
        .fallback(unknown_path)
        .method_not_allowed_fallback(other_method)
        .layer(axum::middleware::from_fn_with_state(http.clone(), middleware::every_request))
        .with_state(http)
}

async fn unknown_path(uri: Uri) -> Refusal {
    Refusal::new(ErrorCode::NotFound, format!("there is no path {}", uri.path()))
}

async fn other_method(method: Method, uri: Uri) -> Refusal {
    let detail = format!("{} does not take {method}", uri.path());
    Refusal::new(ErrorCode::MethodNotAllowed, detail)
}
