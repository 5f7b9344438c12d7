//! Nodes, applications, workflows, devices and policies, as the ledger has them.

use super::{
    app::Shared,
    extract::{Asked, Segment},
    listing::page,
    refusal::Refusal,
};
use axum::{Json, extract::State};
use trustmesh_api::{
    AppView, DeviceView, ListQuery, NodeView, OperatorView, Page, PolicyView, WorkflowView,
};
use trustmesh_types::{
    AppId, PolicyId, PublicKey, WorkflowId,
    faults::FaultRecord,
    records::{AppRecord, Member},
};

type Answer<T> = Result<Json<T>, Refusal>;

fn node_view(state: &trustmesh_state::State, node: trustmesh_state::NodeView) -> NodeView {
    let now_ms = state.timestamp_ms();
    let counts = |fault: &FaultRecord| !fault.pardoned && now_ms < fault.until_ms;
    let faults = state.faults_of(&node.info.key).filter(counts).count();
    let (votes, votes_change_at) = votes(state, &node.info.key);
    NodeView {
        quarantined: node.quarantined,
        standing: node.standing,
        votes,
        votes_change_at,
        faults: u32::try_from(faults).unwrap_or(u32::MAX),
        live: node.live(now_ms),
        snapshot: node.load.snapshot,
        reserved: node.load.reserved,
        available: node.available(),
        misses: node.load.misses,
        changed: node.changed.max(node.load.changed),
        info: node.info,
    }
}

/// Whether a node votes on the next block, and from which height on that is decided to change.
fn votes(state: &trustmesh_state::State, key: &PublicKey) -> (bool, Option<u64>) {
    let now = state.committee().contains(key);
    let change = state.committees_to_come().iter().find(|it| it.contains(key) != now);
    (now, change.map(|it| it.first_height))
}

fn app_view(http: &Shared, record: AppRecord) -> AppView {
    let conditions = http.app.consensus.state().app_conditions(&record);
    let here = http.app.apps.view(&record);
    AppView { record, conditions, here }
}

fn device_view(device: trustmesh_state::DeviceView) -> DeviceView {
    DeviceView {
        key: device.key,
        name: device.name,
        revoked: device.revoked,
        open_requests: device.open_requests,
        changed: device.changed,
    }
}

pub(super) async fn nodes(
    State(http): State<Shared>,
    Asked(query): Asked<ListQuery>,
) -> Json<Page<NodeView>> {
    let state = http.app.consensus.state();
    let all = state.nodes().into_iter().map(|node| node_view(&state, node));
    Json(page(all, |node| node.info.key.to_string(), &query))
}

pub(super) async fn node(State(http): State<Shared>, segment: Segment) -> Answer<NodeView> {
    let key: PublicKey = segment.read("the node's key")?;
    let state = http.app.consensus.state();
    let node = state.node(&key).ok_or_else(|| Refusal::missing(format!("node {key}")))?;
    Ok(Json(node_view(&state, node)))
}

pub(super) async fn apps(
    State(http): State<Shared>,
    Asked(query): Asked<ListQuery>,
) -> Json<Page<AppView>> {
    let state = http.app.consensus.state();
    let Page { items, next } = page(state.apps(), |app| app.manifest.id.to_string(), &query);
    let items = items.into_iter().map(|record| app_view(&http, record)).collect();
    Json(Page { items, next })
}

pub(super) async fn app(State(http): State<Shared>, segment: Segment) -> Answer<AppView> {
    let id: AppId = segment.read("the application's id")?;
    let found = http.app.consensus.state().app(&id);
    let record = found.ok_or_else(|| Refusal::missing(format!("application {id}")))?;
    Ok(Json(app_view(&http, record)))
}

pub(super) async fn operators(
    State(http): State<Shared>,
    Asked(query): Asked<ListQuery>,
) -> Json<Page<OperatorView>> {
    let state = http.app.consensus.state();
    let all = state.members().filter_map(|(_, member)| match member {
        Member::Operator { info, revoked, changed } => {
            Some(OperatorView { info, revoked, changed })
        }
        _ => None,
    });
    Json(page(all, |operator| operator.info.key.to_string(), &query))
}

pub(super) async fn workflows(
    State(http): State<Shared>,
    Asked(query): Asked<ListQuery>,
) -> Json<Page<WorkflowView>> {
    let state = http.app.consensus.state();
    Json(page(state.workflows(), |it| it.workflow.id.to_string(), &query))
}

pub(super) async fn workflow(State(http): State<Shared>, segment: Segment) -> Answer<WorkflowView> {
    let id: WorkflowId = segment.read("the workflow's id")?;
    let found = http.app.consensus.state().workflow(&id);
    found.map(Json).ok_or_else(|| Refusal::missing(format!("workflow {id}")))
}

pub(super) async fn devices(
    State(http): State<Shared>,
    Asked(query): Asked<ListQuery>,
) -> Json<Page<DeviceView>> {
    let state = http.app.consensus.state();
    Json(page(state.devices().map(device_view), |device| device.key.to_string(), &query))
}

pub(super) async fn device(State(http): State<Shared>, segment: Segment) -> Answer<DeviceView> {
    let key: PublicKey = segment.read("the device's key")?;
    let found = http.app.consensus.state().device(&key).map(device_view);
    found.map(Json).ok_or_else(|| Refusal::missing(format!("device {key}")))
}

pub(super) async fn policies(
    State(http): State<Shared>,
    Asked(query): Asked<ListQuery>,
) -> Json<Page<PolicyView>> {
    let state = http.app.consensus.state();
    Json(page(state.policies(), |it| it.policy.id.to_string(), &query))
}

pub(super) async fn policy(State(http): State<Shared>, segment: Segment) -> Answer<PolicyView> {
    let id: PolicyId = segment.read("the policy's id")?;
    let found = http.app.consensus.state().policy(&id);
    found.map(Json).ok_or_else(|| Refusal::missing(format!("policy {id}")))
}
