//! Whether the process lives, whether it follows the chain, and its figures.

use super::app::Shared;
use crate::metrics;
use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use trustmesh_api::{Committees, Health, LedgerStatus, Ready};
use trustmesh_types::{genesis::Genesis, protocol::PROTOCOL_VERSION_MAX};

const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const METRICS_END: &str = "# EOF\n";

fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

pub(super) async fn healthz() -> Json<Health> {
    Json(Health { status: "ok".to_owned(), version: version() })
}

pub(super) async fn readyz(State(http): State<Shared>) -> (StatusCode, Json<Ready>) {
    let ready = http.app.ready();
    let status = if ready.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(ready))
}

pub(super) async fn metrics(State(http): State<Shared>) -> Response {
    let text = metrics::text(&http.app.consensus, &http.app.store);
    let text = text.strip_suffix(METRICS_END).unwrap_or(&text);
    let text = format!("{text}{}{METRICS_END}", http.answers.text());
    ([(header::CONTENT_TYPE, METRICS_TYPE)], text).into_response()
}

pub(super) async fn genesis(State(http): State<Shared>) -> Json<Genesis> {
    Json((*http.app.genesis).clone())
}

pub(super) async fn committees(State(http): State<Shared>) -> Json<Committees> {
    let consensus = &http.app.consensus;
    let to_come = consensus.state().committees_to_come().to_vec();
    Json(Committees { handovers: consensus.handovers(), to_come })
}

pub(super) async fn ledger_status(State(http): State<Shared>) -> Json<LedgerStatus> {
    let app = &http.app;
    let (state, status) = (app.consensus.state(), app.consensus.status());
    let name = state.node(&app.node).map(|node| node.info.name).unwrap_or_default();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Json(LedgerStatus {
        network: app.network,
        name: app.genesis.name.clone(),
        node: app.node,
        node_name: name,
        height: state.height(),
        oldest_block: app.consensus.oldest(),
        timestamp_ms: state.timestamp_ms(),
        state_root: state.root(),
        view: status.view,
        pending: status.pending as u64,
        validators: count(state.validators().len()),
        faults_tolerated: count(state.faults_tolerated()),
        committee: status.committee,
        membership_pending: state.membership_pending(),
        votes: status.votes,
        caught_up: app.ready().ready,
        version: version(),
        protocol_version: state.protocol_version(),
        protocol_known: PROTOCOL_VERSION_MAX,
        protocol_next: state.protocol_activation(),
    })
}
